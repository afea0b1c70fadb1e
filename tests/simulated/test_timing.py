"""Modelled cycles: short programs whose cycles the core's manual gives, on every core that has a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from test_qemu import program

from mcugen.boards import load_board
from mcugen.targets import qemu
from mcugen.targets.cores import CORES

LOOP = "movs r0, #10\n1: subs r0, #1\nbne 1b"  # 21 instructions, of which 9 branches are taken
CALL = "b 2f\n.thumb_func\n1: push {r4, lr}\npop {r4, pc}\n2: bl 1b"

# What stands between the marks: its instructions, and the cycles of the Cortex-M0+, M3 and M4; none where it has not got it.
ARM: Mapping[str, tuple[int, int | None, int | None, int | None]] = {
    "nop\nnop\nadds r0, r1, r2": (3, 3, 3, 3),
    LOOP: (21, 30, 39, 39),
    "movs r0, #0\nbeq 1f\nnop\n1: nop": (3, 4, 5, 5),
    "movs r0, #0\nbne 1f\nnop\n1: nop": (4, 4, 4, 4),
    CALL: (4, 2 + 3 + 3 + 5, 3 + 3 + 3 + 5, 3 + 3 + 3 + 5),
    "muls r0, r1\nmuls r1, r2": (2, 2, 2, 2),
    "ldr r0, [r7]\nnop\nldr r1, [r7, #4]\nnop": (4, 6, 6, 6),
    "ldr r0, [r7]\nldr r1, [r7, #4]\nldrb r2, [r7, #3]": (3, 6, 4, 4),
    "str r7, [r7]\nldr r0, [r7]\nldr r1, [r0]": (3, 6, 5, 5),  # the address was just loaded
    "movs r1, #0\nstr r7, [r7, r1]\nldr r0, [r7]\nstrh r1, [r7, r1]": (4, 7, 6, 6),
    "push {r0, r1, r2, r3}\npop {r0, r1, r2, r3}": (2, 10, 10, 10),
    "mov r3, r7\nstmia r3!, {r0, r1}\nldmia r7!, {r0, r1, r2}": (3, 8, 8, 8),
    "mrs r0, primask": (1, 3, 2, 2),
    "movs r0, #9\nmovs r1, #2\nudiv r0, r0, r1\nsdiv r0, r0, r1": (4, None, 16, 16),
    "mla r0, r1, r2, r3\nmls r0, r1, r2, r3": (2, None, 4, 2),
    "smull r0, r1, r2, r3\numlal r0, r1, r2, r3": (2, None, 10, 2),
    "ldrd r0, r1, [r7]\nstrd r0, r1, [r7, #8]": (2, None, 6, 6),
    "ldr.w r0, [r7], #4\nsubs r7, #4\nldr.w r1, [r7, #8]\nstr.w r0, [r7, #12]": (4, None, 6, 6),
    "movs r0, #0\ntbb [pc, r0]\n.byte 1, 1\n1: nop": (3, None, 6, 6),
    "cbz r7, 1f\ncbnz r7, 1f\nnop\n1: nop": (3, None, 1 + 3 + 1, 1 + 3 + 1),
    "movs r0, #0\nite eq\nmoveq r0, #1\nmovne r0, #2": (4, None, 4, 4),
    "movs r0, #0\nit ne\nbne 1f\nit eq\nbeq 1f\nnop\n1: nop": (6, None, 8, 8),
    "smlad r0, r1, r2, r3\nsmlald r0, r1, r2, r3\nqadd r0, r1, r2\nsmlabb r0, r1, r2, r3": (4, None, None, 4),
    "vldr s0, [r7]\nvstr s0, [r7]\nvldmia r7, {s0-s3}": (3, None, None, 2 + 2 + 5),
    "vmla.f32 s0, s1, s2\nvfma.f32 s0, s1, s2\nvnmls.f32 s0, s1, s2": (3, None, None, 9),
    "vadd.f32 s0, s1, s2\nvmul.f32 s0, s1, s2\nvcvt.s32.f32 s0, s0\nvabs.f32 s1, s0": (4, None, None, 4),
    "vdiv.f32 s0, s1, s2\nvsqrt.f32 s0, s1": (2, None, None, 28),
    "vmov r0, s0\nvmov s0, r0\nvmov r0, r1, s0, s1\nvmrs r0, fpscr": (4, None, None, 5),
}
RISCV = {
    "nop\nadd a0, a1, a2\nlui a0, 5": (3, 3),
    "li a0, 10\n1: addi a0, a0, -1\nbnez a0, 1b": (21, 21 + 9 * 2),
    "li a0, 5\nli a1, 6\nblt a1, a0, 1f\nbge a1, a0, 1f\nnop\n1: nop": (5, 7),
    "lw a0, 0(a5)\nlbu a1, 4(a5)\nsw a0, 0(a5)\nsb a1, 9(a5)": (4, 6),
    "mul a0, a1, a2\nmulhu a0, a1, a2\nmulh a0, a1, a2": (3, 5),
    "div a0, a1, a2\nremu a0, a1, a2": (2, 20),
    "j 2f\n1: ret\n2: jal 1b": (3, 6),
}


# The marks of firmware/driver/mcugen_probe.h in one statement with what is between them, where no compiler puts anything.
# r7, or a5, is the address of a few words, of which the first is that address.
AROUND = {
    "thumb": ".syntax unified\nmov r7, %0\nstr r7, [r7]\nmov r9, r9\npush {{r0}}\npop {{r0}}\nmov r10, r10\n{}\nmov r11, r11",
    "riscv": "mv a5, %0\nslti x0, x0, 1\nsw x0, -4(sp)\nslti x0, x0, 2\n{}\nslti x0, x0, 3",
}
CLOBBERED = {
    "thumb": ("r0", "r1", "r2", "r3", "r4", "r7", "lr", "cc", "memory"),
    "riscv": ("a0", "a1", "a2", "a5", "ra", "memory"),
}


def counts(name: str, bodies: Iterable[str], folder: Path) -> list[tuple[int, int]]:
    """Instructions and modelled cycles of each body on a board's core; both are 0 where nothing is known."""
    board = load_board(name)
    kind = "riscv" if board.arch == "riscv32" else "thumb"
    clobbered = (*CLOBBERED[kind], *(("s0", "s1", "s2", "s3") if board.arch == "cortex-m4f" else ()))
    registers = ", ".join(f'"{one}"' for one in clobbered)
    parts = [
        f'__asm__ volatile("{AROUND[kind].format(body)}" :: "r"(data) : {registers});'.replace("\n", "\\n")
        for body in bodies
    ]
    text = f"""#include "mcu.h"
static uintptr_t data[8];
int main(void) {{
    const uintptr_t results[3] = {{(uintptr_t)"results", 5, 7}};
    mcu_semihost(1, results);
    {" ".join(parts)}
    return 0;
}}
"""
    run = qemu.run_rows(CORES[board.arch], program(text, board, folder), b"", 60)
    return [*zip(run.cycles, run.modelled or (0,) * len(run.cycles), strict=True)]


@pytest.mark.parametrize(("name", "core"), [("metro_m0", 0), ("bluepill_f103c8", 1), ("feather_nrf52840", 2)])
def test_cycles_of_a_cortex_m(name: str, core: int, require: Callable[..., None], tmp_path: Path) -> None:
    require("arm-none-eabi-gcc", "qemu-system-arm", "python:elftools")
    known = {body: (found[0], found[1 + core]) for body, found in ARM.items() if found[1 + core] is not None}
    assert dict(zip(known, counts(name, known, tmp_path), strict=True)) == known


def test_cycles_of_a_riscv(require: Callable[..., None], tmp_path: Path) -> None:
    require("riscv64-unknown-elf-gcc", "qemu-system-riscv32", "python:elftools")
    assert dict(zip(RISCV, counts("esp32c3", RISCV, tmp_path), strict=True)) == RISCV


def test_no_cycles_of_a_core_without_a_table(require: Callable[..., None], tmp_path: Path) -> None:
    require("arm-none-eabi-gcc", "qemu-system-arm", "python:elftools")
    assert counts("teensy40", [LOOP], tmp_path) == [(21, 0)]
