"""An unchanged Arduino project for the pinned platform: built with ours, run in simavr, flashed with avrdude."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mcugen.diagnostics import McugenError
from mcugen.targets import elf, platformio
from mcugen.targets.platformio import PINNED, PioResult, choose_platform, run_pio
from mcugen.targets.simavr import simulate, simulated_board

BOARDS = {"uno": "atmega328p", "nanoatmega328": "atmega328p", "megaatmega2560": "atmega2560"}  # PlatformIO's names
TOOLS = ("avr-gcc", "arduino-core-avr", "platformio", "simavr", "python:elftools")

SKETCH = """
#include <Arduino.h>
#include <EEPROM.h>
#include <answer.h>

#if !defined(__OPTIMIZE_SIZE__) || __cplusplus != 201103L || defined(__EXCEPTIONS)
#error "not the official platform's compiler flags"
#endif
#if ARDUINO != 10808 || !defined(ARDUINO_ARCH_AVR) || F_CPU != 16000000L || PLATFORMIO < 60000
#error "not the official platform's macros"
#endif

void setup() {
    pinMode(LED_BUILTIN, OUTPUT);
    Serial.begin(115200);
    Serial.print(GREETING);
    Serial.print(' ');
    Serial.println(answer());
}

void loop() {
    digitalWrite(LED_BUILTIN, HIGH);
    delay(50);
    digitalWrite(LED_BUILTIN, LOW);
    Serial.println(EEPROM.length());
    delay(50);
}
"""

INI = """
[env:{board}]
platform = {platform}
board = {board}
framework = arduino
build_flags = -DGREETING='"hello"'
"""


def write_project(folder: Path, ini: str, files: dict[str, str]) -> Path:
    for path, text in {"platformio.ini": ini, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture(scope="module")
def project(require, tmp_path_factory) -> Path:
    require(*TOOLS)
    ini = "".join(INI.format(board=board, platform=PINNED) for board in BOARDS)
    library = {"lib/answer/answer.h": "int answer();", "lib/answer/answer.cpp": "int answer() { return 42; }"}
    return write_project(tmp_path_factory.mktemp("project"), ini, {"src/main.cpp": SKETCH, **library})


@pytest.fixture(scope="module")
def built(project) -> PioResult:
    done = run_pio(project, [], timeout=300)
    assert done.returncode == 0, done.output
    return done


def firmware(project: Path, board: str) -> Path:
    return project / ".pio" / "build" / board / "firmware.elf"


@pytest.mark.parametrize("board", BOARDS)
def test_sketch_builds_unchanged_and_prints(project, built, board):
    run = simulate(firmware(project, board), mcu=BOARDS[board], freq=16_000_000, limit=4_000_000)
    eeprom = 4096 if board == "megaatmega2560" else 1024
    assert run.serial.startswith(f"hello 42\r\n{eeprom}\r\n{eeprom}\r\n".encode())
    assert run.end == "limit"  # a sketch never ends


def test_objects_are_link_time_optimised(project, built):
    assert b".gnu.lto_" in (project / ".pio/build/uno/src/main.cpp.o").read_bytes()


def test_elf_sizes_are_the_ones_platformio_prints(project, built):
    said = [int(size) for size in re.findall(r"used (\d+) bytes", built.output)]  # RAM, flash for each board in turn
    ours = [elf.usage(firmware(project, board)) for board in BOARDS]
    assert said == [number for usage in ours for number in (usage.ram, usage.flash)]


def test_elf_sections_and_symbols(project, built):
    sizes, symbols = elf.sections(firmware(project, "uno")), elf.symbols(firmware(project, "uno"))
    assert set(sizes) == {".text", ".data", ".bss"}
    serial = next(symbol for symbol in symbols if symbol.name == "Serial")
    assert (serial.section, serial.size) == (".bss", 157)
    main = next(symbol for symbol in symbols if symbol.name == "main")
    assert main.section == ".text"
    assert 0 < main.size < sizes[".text"]
    with pytest.raises(McugenError, match="E0602"):
        elf.sections(project / "platformio.ini")


def test_bare_program_and_user_flags(require, tmp_path):
    require(*TOOLS)
    ini = "[env:bare]\nplatform = atmelavr\nboard = uno\nbuild_flags = -O2 -DN=7\nbuild_unflags = -Os\n"
    checked = "#if N != 7 || defined(__OPTIMIZE_SIZE__) || defined(ARDUINO_ARCH_AVR)\n#error flags\n#endif\n"
    source = "#include <avr/io.h>\nint main(void) { GPIOR0 = N; }"
    project = write_project(tmp_path, ini, {"src/main.c": checked + source})
    done = run_pio(project, [], timeout=120)
    assert done.returncode == 0, done.output
    assert elf.usage(firmware(project, "bare")).ram == 0


def test_program_too_large_for_the_board_fails(require, tmp_path):
    require(*TOOLS)
    source = (
        "#include <avr/pgmspace.h>\nconst char table[32600] PROGMEM = {1};\nint main() { return pgm_read_byte(table); }"
    )
    ini = "[env:uno]\nplatform = atmelavr\nboard = uno\nbuild_flags = -fno-lto -Wl,--no-gc-sections\n"
    done = run_pio(write_project(tmp_path, ini, {"src/main.cpp": source}), [], timeout=120)
    assert done.returncode != 0
    assert "program size" in done.output


def test_time_out_is_an_error(project):
    with pytest.raises(McugenError, match="E0602"):
        run_pio(project, [], timeout=0.1)


def read_lines(port: str, until: bytes, seconds: float) -> bytes:
    import serial

    got = b""
    with serial.Serial(port, 115200, timeout=0.1) as line:
        end = time.monotonic() + seconds
        while time.monotonic() < end and until not in got:
            got += line.read(1)
    return got


def test_flashed_with_avrdude_into_a_simulated_uno(require, project, built):
    require("avrdude", "python:serial")
    with simulated_board("uno") as board:
        upload = run_pio(project, ["-e", "uno", "-t", "upload", "--upload-port", board.port], timeout=120)
        assert upload.returncode == 0, upload.output
        assert upload.output.count("bytes of flash verified") == 1
        assert b"hello 42\r\n1024\r\n" in read_lines(board.port, b"1024\r\n", 10)
        board.reset()
        assert board.process.poll() is None
    assert board.process.returncode == 0


def test_upload_without_a_board_fails(require, project, built, tmp_path):
    require("avrdude")
    done = run_pio(project, ["-e", "uno", "-t", "upload", "--upload-port", str(tmp_path / "none")], timeout=60)
    assert done.returncode != 0


def test_no_simulated_board_of_that_name():
    with pytest.raises(McugenError, match="E0701"), simulated_board("teensy40"):
        pass


# ---- which platform: no network here, whatever the machine has -------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch, tmp_path) -> Iterator[Path]:
    """A process that has not decided yet, with an empty core folder and no registry. Returns the core folder."""
    monkeypatch.delenv("MCUGEN_PLATFORMIO", raising=False)
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    monkeypatch.setattr(platformio, "_registry_answers", lambda pinned: False)
    platformio._is_installed.cache_clear()
    yield tmp_path
    platformio._is_installed.cache_clear()


def install(core: Path, folder: str, version: str) -> None:
    write_project(core, "", {f"platforms/{folder}/platform.json": json.dumps({"name": "atmelavr", "version": version})})


def test_ours_where_nothing_else_is(fresh):
    assert choose_platform() == "system"


def test_registry_where_it_answers(fresh, monkeypatch):
    monkeypatch.setattr(platformio, "_registry_answers", lambda pinned: True)
    assert choose_platform() == "registry"


@pytest.mark.parametrize(("folder", "version", "verdict"), [
    ("atmelavr", "5.2.0", "registry"),
    ("atmelavr@5.2.0", "5.2.0", "registry"),
    ("atmelavr", "5.1.0", "system"),
])  # fmt: skip
def test_an_installed_platform_counts_at_the_pinned_version(fresh, folder, version, verdict):
    install(fresh, folder, version)
    assert choose_platform() == verdict


@pytest.mark.parametrize("verdict", ["system", "registry"])
def test_the_environment_decides(fresh, monkeypatch, verdict):
    monkeypatch.setenv("MCUGEN_PLATFORMIO", verdict)
    assert choose_platform() == verdict


def test_a_wrong_verdict_in_the_environment(fresh, monkeypatch):
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "offline")
    with pytest.raises(McugenError, match="system or registry"):
        choose_platform()


def test_a_registry_that_hangs_is_not_waited_for(fresh, monkeypatch, tmp_path):
    """After a few seconds without an answer it is our platform."""
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    monkeypatch.undo()
    pio = platformio.find_pio()
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "core"))
    monkeypatch.delenv("MCUGEN_PLATFORMIO", raising=False)
    monkeypatch.setattr(platformio, "find_pio", lambda: replace(pio, python=str(silent)))
    platformio._registry_answers.cache_clear()
    start = time.monotonic()
    assert choose_platform("atmelavr@0.0.1") == "system"
    assert time.monotonic() - start < 3 * platformio.CHECK_SECONDS
    platformio._registry_answers.cache_clear()
