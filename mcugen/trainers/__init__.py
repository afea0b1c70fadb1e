"""Learning on the device: what of it is worked out beforehand, on the host."""
