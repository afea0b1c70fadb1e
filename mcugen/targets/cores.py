"""The processor cores that QEMU stands in for: how to compile for each, and the machine that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcugen.boards import Arch, Board


@dataclass(frozen=True)
class Core:
    """A core as compiler and simulator know it.

    prefix    of the cross compiler's programs, and `package` what has them
    flags     of the core's instruction set and calling convention; `link` those of its C library
    start     the start-up code, and `script` the linker script, in firmware/platformio/bare/mcu
    qemu      the simulator with its machine, and `simulator` what has it
    marks     the three instructions of firmware/driver/mcugen_probe.h, in hexadecimal
    timing    the table of firmware/simulator/qemu_timing.h by which cycles are modelled; empty where there is none
    """

    prefix: str
    package: str
    flags: tuple[str, ...]
    link: tuple[str, ...]
    start: str
    script: str
    qemu: tuple[str, ...]
    simulator: str
    marks: str
    timing: str = ""


def _cortex_m(cpu: str, machine: str, *fpu: str, timing: str = "") -> Core:
    return Core(
        prefix="arm-none-eabi-",
        package="sudo apt install gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib",
        flags=(f"-mcpu={cpu}", "-mthumb", *(fpu or ("-mfloat-abi=soft",))),
        link=("--specs=nano.specs",),
        start="start_cortexm.c",
        script="cortexm.ld",
        qemu=("qemu-system-arm", "-M", machine),
        simulator="sudo apt install qemu-system-arm",
        marks="46C946D246DB",
        timing=timing,
    )


CORES: Mapping[Arch, Core] = {
    "cortex-m0plus": _cortex_m("cortex-m0plus", "mps2-an385", timing="Cortex-M0+"),
    "cortex-m3": _cortex_m("cortex-m3", "mps2-an385", timing="Cortex-M3"),
    "cortex-m4f": _cortex_m("cortex-m4", "mps2-an386", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", timing="Cortex-M4"),
    # It issues two instructions at once where it can: nothing public says what they take.
    "cortex-m7": _cortex_m("cortex-m7", "mps2-an500", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    "riscv32": Core(
        prefix="riscv64-unknown-elf-",
        package="sudo apt install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
        flags=("-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"),
        link=(),
        start="start_riscv.c",
        script="riscv.ld",
        qemu=("qemu-system-riscv32", "-M", "virt", "-bios", "none"),
        simulator="sudo apt install qemu-system-misc",
        marks="001020130020201300302013",
        timing="RV32IMC",
    ),
}


def timing_of(board: Board) -> str:
    """The name of the table by which cycles of the board's core are modelled: `Cortex-M4`; empty where there is none."""
    core = CORES.get(board.arch)
    return core.timing if core else ""


def limits(board: Board) -> tuple[str, ...]:
    """The linker's options that give a program the board's memories."""
    sizes = {"flash": board.flash, "ram": board.ram, "stack": board.stack_reserve}
    return tuple(f"-Wl,--defsym=mcugen_{name}={size}" for name, size in sizes.items())


def bare_build(board: Board) -> dict[str, Any]:
    """What the PlatformIO platform `bare` (firmware/platformio/bare) has to know of the board's core."""
    core = CORES.get(board.arch)
    if core is None:
        return {}
    return {
        "prefix": core.prefix,
        "flags": core.flags,
        "link": [*core.link, *limits(board)],
        "start": core.start,
        "script": core.script,
    }
