"""The QEMU toolchains: what they count is exact, limits are the board's, and what goes wrong is said."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serial
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeRegressor

import mcugen
from mcugen.boards import Board, load_board
from mcugen.deploy import build, row_text
from mcugen.diagnostics import McugenError
from mcugen.targets import qemu, toolchain_for
from mcugen.targets.bare import Bare
from mcugen.targets.cores import CORES
from mcugen.targets.link import HELLO, frame

TOOLS = (
    "arm-none-eabi-gcc",
    "qemu-system-arm",
    "riscv64-unknown-elf-gcc",
    "qemu-system-riscv32",
    "python:elftools",
)
BOARDS = ("metro_m0", "bluepill_f103c8", "feather_nrf52840", "teensy40", "esp32c3")
IRIS = load_iris().data.astype("float32")

# 1 + 3 + 100 + 1 instructions between the marks, and 16 bytes of stack
ARM = "push {r0, r1, r2, r3}\\nmovs r0, #1\\nmovs r1, #2\\nmovs r2, #3\\n.rept 100\\nnop\\n.endr\\npop {r0, r1, r2, r3}"
RISCV = "sw a0, -16(sp)\\nli a0, 1\\nli a0, 2\\nli a0, 3\\n.rept 100\\nnop\\n.endr\\nlw a0, -16(sp)"


@pytest.fixture(autouse=True)
def tools(require: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    require(*TOOLS)
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")
    monkeypatch.delenv("MCUGEN_QEMU_PLUGIN", raising=False)
    qemu.plugin.cache_clear()


def toolchain(board: Board) -> Bare:
    found = toolchain_for(board)
    assert isinstance(found, Bare)
    return found


def program(text: str, board: Board, folder: Path) -> Path:
    """A program of one's own with our start-up code, in the board's limits."""
    source, elf, tools = folder / "own.c", folder / "own.elf", toolchain(board)
    source.write_text(text)
    command, _ = tools.compiler(board)
    ends = [end for end in tools.ends if end.name != "bare.c"]
    include = {f"-I{end.parent}" for end in tools.ends}
    done = subprocess.run(
        [*command, *tools.options(board), *include, source, *ends, "-o", elf, *tools.link_options(board), "-lm"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return elf


def counted(text: str, board: Board, folder: Path) -> Any:
    body = f"for (int i = 0; i < 3; i++) {{ MCUGEN_START(); {text} MCUGEN_STOP(); }}"
    files = 'const uintptr_t a[3] = {(uintptr_t)"results", 5, 7}; mcu_semihost(1, a);'
    elf = program(
        f'#include "mcu.h"\n#include "mcugen_probe.h"\nint main(void) {{ {files} {body} return 0; }}\n', board, folder
    )
    return qemu.run_rows(CORES[board.arch], elf, b"", 60)


@pytest.mark.parametrize("name", BOARDS)
def test_instructions_and_stack_are_exact(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    body = RISCV if board.arch == "riscv32" else ARM
    clobbered = '"a0"' if board.arch == "riscv32" else '"r0", "r1", "r2", "r3"'
    run = counted(f'__asm__ volatile("{body}" ::: {clobbered}, "memory");', board, tmp_path)
    assert run.cycles == (105, 105, 105)
    assert run.stacks == (16, 16, 16)
    assert counted("", board, tmp_path).cycles == (0, 0, 0)


def compiled(name: str) -> Any:
    forest = RandomForestClassifier(7, random_state=0).fit(*load_iris(return_X_y=True))
    return mcugen.compile(forest, board=name, name="iris", check_answers=False)


@pytest.mark.parametrize("name", BOARDS)
def test_a_program_can_count_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where QEMU has no plugins: SysTick in steps of 40 instructions, minstret exactly but for the calls of the counter."""
    one, board = compiled(name), load_board(name)
    (outside,) = toolchain(board).run_rows([one.unit], [[IRIS]], board)
    monkeypatch.setenv("MCUGEN_QEMU_PLUGIN", "off")
    qemu.plugin.cache_clear()
    (inside,) = toolchain(board).run_rows([one.unit], [[IRIS]], board)
    assert np.array_equal(outside.outputs[0], inside.outputs[0])
    apart = np.array(inside.cycles) - np.array(outside.cycles)
    assert apart.min() >= -40
    assert apart.max() <= 120
    assert abs(float(np.mean(apart))) < 80
    assert 0 <= max(inside.stacks) - max(outside.stacks) <= 96  # its own frames are in it


def test_a_fault_is_told(tmp_path: Path) -> None:
    for name in ("bluepill_f103c8", "esp32c3"):
        with pytest.raises(McugenError, match=r"E0702.*\n?.*fault"):
            counted("*(volatile int *)0xF0000000 = 1;", load_board(name), tmp_path)


def test_a_fault_in_the_middle_of_a_talk_is_told(tmp_path: Path) -> None:
    text = """#include "mcu.h"
    int main(void) {
        mcu_serial_begin();
        mcu_serial_write('!'); /* what comes before the UART is on is lost */
        for (;;) {
            while (!mcu_serial_available()) {}
            const uint8_t c = mcu_serial_read();
            if (c == 'x') *(volatile int *)0xF0000000 = 1;
            mcu_serial_write(c);
        }
    }"""
    for name in ("bluepill_f103c8", "esp32c3"):
        board = load_board(name)
        with toolchain(board).talk(program(text, board, tmp_path), board) as line:
            assert line.read(20) == b"!"
            line.write(b"7")
            assert line.read(20) == b"7"
            line.write(b"x")
            with pytest.raises(McugenError, match=r"E0702.*\n?.*fault"):
                line.read(20)


def test_a_program_that_does_not_end(tmp_path: Path) -> None:
    elf = program("int main(void) { for (;;) {} }", load_board("metro_m0"), tmp_path)
    with pytest.raises(McugenError, match=r"E0702.*more than 2 s"):
        qemu.run_rows(CORES["cortex-m0plus"], elf, b"", 2)


@pytest.mark.parametrize("name", ["metro_m0", "esp32c3"])
def test_limits_are_the_boards(name: str, tmp_path: Path) -> None:
    board, one = load_board(name), compiled(name)
    for changed, code in (
        (replace(board, ram=board.stack_reserve + 16), "E0501"),
        (replace(board, flash=600), "E0502"),
    ):
        with pytest.raises(McugenError, match=code):
            toolchain(board).link([one.unit], changed, tmp_path / code)


def test_a_project_that_does_not_fit(tmp_path: Path) -> None:
    """Fits flash, but not RAM, and the other way round: the linker's words become a diagnostic."""
    board, one = load_board("bluepill_f103c8"), compiled("bluepill_f103c8")
    one.write(tmp_path, "platformio")
    main = tmp_path / "src" / "main.cpp"
    text = main.read_text()
    main.write_text(f"{text}\nvolatile char large[{board.ram - 1000}];\nstatic char used = large[0] = 1;\n")
    with pytest.raises(McugenError, match="E0501"):
        toolchain(board).build(tmp_path, board, "iris")
    large = f"static const char large[{board.flash}] = {{1}};\nstatic const volatile char *p = large;\n"
    main.write_text(f"{text}\n{large}static char used = p[7];\n")
    with pytest.raises(McugenError, match="E0502"):
        toolchain(board).build(tmp_path, board, "iris")


def test_too_old_and_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, one = load_board("bluepill_f103c8"), compiled("bluepill_f103c8")
    elf = toolchain(board).link([one.unit], board, tmp_path / "driver")
    old = tmp_path / "bin" / "qemu-system-arm"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'QEMU emulator version 4.2.1'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    for path, said in ((f"{old.parent}:{os.environ['PATH']}", "too old"), ("", "not installed")):
        monkeypatch.setenv("PATH", path)
        qemu.qemu_version.cache_clear()
        with pytest.raises(McugenError, match=f"E0601.*{said}"):
            list(toolchain(board).run_program(elf, [one.unit], [[IRIS]], board))
    with pytest.raises(McugenError, match=r"E0601.*arm-none-eabi-gcc"):
        toolchain(board).link([one.unit], board, tmp_path / "again")
    qemu.qemu_version.cache_clear()


def test_a_simulated_board_answers_and_resets(require: Any, tmp_path: Path) -> None:
    require("platformio")
    board, one = load_board("metro_m0"), compiled("metro_m0")
    built = build(one, tmp_path)
    expected = one.predict(IRIS[:3])
    with qemu.simulated_board(CORES[board.arch], built.elf) as there, serial.Serial(there.port, timeout=20) as line:
        for _ in range(2):
            time.sleep(0.5)  # what it said at its start has come
            line.reset_input_buffer()
            there.reset()
            while b"iris: send 4 numbers" not in line.readline():
                pass
            line.write(row_text(IRIS[:3]))
            said = [line.readline().split()[0] for _ in range(3)]
            assert [int(label) for label in said] == [*expected]


def test_what_is_built_for_the_simulator_is_not_uploaded(require: Any, tmp_path: Path) -> None:
    require("platformio")
    board, one = load_board("feather_nrf52840"), compiled("feather_nrf52840")
    build(one, tmp_path)
    with pytest.raises(McugenError, match=r"E0704.*simulator only") as caught:
        toolchain(board).flash(tmp_path, board, "/dev/null")
    assert "registry" in str(caught.value)


def test_the_image_of_an_esp32c3(require: Any, tmp_path: Path) -> None:
    """esptool takes the sketch's ELF for the chip, and reads its own image back: segments, checksum and hash are right."""
    require("platformio", "python:esptool")
    tree = DecisionTreeRegressor(max_depth=4, random_state=0).fit(*load_iris(return_X_y=True))
    one = mcugen.compile(tree, board="esp32c3", name="tree", check_answers=False)
    built, image = build(one, tmp_path), tmp_path / "firmware.bin"
    tool = [sys.executable, "-m", "esptool", "--chip", "esp32c3"]
    made = subprocess.run([*tool, "elf2image", "-o", image, built.elf], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    told = subprocess.run([*tool, "image-info", image], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "ESP32-C3" in told.stdout
    assert "(valid)" in told.stdout
    assert "invalid" not in told.stdout.lower()


def test_a_compiler_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, one = load_board("bluepill_f103c8"), compiled("bluepill_f103c8")
    gcc = tmp_path / "bin" / "arm-none-eabi-gcc"
    gcc.parent.mkdir()
    gcc.write_text(
        "#!/bin/sh\n[ \"$1\" = -dumpversion ] && echo 4.6.3 && exit\necho 'error: what is that' >&2\nexit 1\n"
    )
    gcc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gcc.parent}:{os.environ['PATH']}")
    with pytest.raises(McugenError, match=r"E0601.*4\.6\.3 is too old"):
        toolchain(board).link([one.unit], board, tmp_path / "driver")


def test_a_frame_voids_the_row_being_typed(require: Any, tmp_path: Path) -> None:
    """Frames and text share the features: half a typed row is no row after a frame."""
    require("platformio")
    board, one = load_board("metro_m0"), compiled("metro_m0")
    built = build(one, tmp_path)
    with qemu.simulated_board(CORES[board.arch], built.elf) as there, serial.Serial(there.port, timeout=20) as line:
        time.sleep(0.5)
        line.reset_input_buffer()
        line.write(b"5.1,3.5,1.4" + frame(HELLO, 1) + b",0.2\n")
        assert b"error: a row has 4 numbers, this one 2" in line.read_until(b"this one 2")
        line.write(row_text(IRIS[:1]))
        assert line.read_until(b" us)").split()[-3] == str(one.predict(IRIS[:1])[0]).encode()
