"""Cortex-M boards (M0+, M3, M4F, M7): arm-none-eabi-gcc and QEMU's mps2 machines, whose memories are cut to the board's."""

from __future__ import annotations

from mcugen.targets.bare import Bare

toolchain = Bare("start_cortexm.c")
