"""RISC-V boards (ESP32-C3, rv32imc): riscv64-unknown-elf-gcc with picolibc, and QEMU's -M virt."""

from __future__ import annotations

from mcugen.targets.bare import Bare

toolchain = Bare("start_riscv.c")
