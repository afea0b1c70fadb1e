"""Where values live in RAM: live ranges, the packer, the plan, and a checker that is independent of all three."""
