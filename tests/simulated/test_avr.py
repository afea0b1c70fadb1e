"""The AVR toolchain: projects built, run and flashed, and what is said where a step fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mcugen.boards import load_board
from mcugen.diagnostics import EXIT_FIT, EXIT_TOOL, McugenError
from mcugen.targets import toolchain_for
from mcugen.targets.avr import Avr
from mcugen.targets.platformio import PioResult
from mcugen.targets.serial import monitor
from mcugen.targets.simavr import simulated_board
from mcugen.targets.sketch import model_part, upload
from mcugen.targets.toolchain import Build

UNO = load_board("uno")
TOOLS = ("avr-gcc", "arduino-core-avr", "platformio", "simavr", "python:elftools")
INI = "[env:{board}]\nplatform = atmelavr\nboard = {pio}\nframework = arduino\nmonitor_speed = 115200\n"

MODEL = """
#include <avr/pgmspace.h>
static const unsigned char m_table[200] PROGMEM = {3, 1, 4};
static unsigned char m_state[20];
static __attribute__((noinline)) int m_hidden(int i) { return m_state[i % 20]++ + pgm_read_byte(m_table + i % 200); }
extern "C" __attribute__((noinline)) int m_predict(int i) { return m_hidden(i) + m_hidden(i + 1); }
"""

SKETCH = """
#include <Arduino.h>
MODEL
static char line[40];
static unsigned char length;
void setup() {
    Serial.begin(115200);
    Serial.print("first line");
    delay(30); /* a reader that sends now finds the line not finished */
    Serial.println();
}
void loop() {
    while (Serial.available() > 0) {
        const char c = (char)Serial.read();
        if (c != '\\n') { line[length++] = c; continue; }
        line[length] = 0;
        length = 0;
        for (int i = 0; i < 8; i++) { Serial.print("some text to keep the port busy, "); Serial.print(m_predict(i)); }
        Serial.println(line);
    }
}
""".replace("MODEL", MODEL)


def write_project(folder: Path, sketch: str, board: str = "uno", pio: str = "uno") -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.cpp").write_text(sketch)
    (folder / "platformio.ini").write_text(INI.format(board=board, pio=pio))
    return folder


@pytest.fixture(scope="module", autouse=True)
def system_platform() -> Iterator[None]:
    """These tests are about this computer's tools, whether the registry answers or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MCUGEN_PLATFORMIO", "system")
        yield


@pytest.fixture(scope="module")
def project(require, tmp_path_factory) -> Path:
    require(*TOOLS)
    return write_project(tmp_path_factory.mktemp("avr") / "project", SKETCH)


@pytest.fixture(scope="module")
def built(project) -> Build:
    return toolchain_for(UNO).build(project, UNO, "m")


def test_a_build_knows_its_sizes(built):
    assert built.platform == "system"
    assert built.elf.is_file()
    assert UNO.framework_flash < built.flash < UNO.flash
    assert UNO.framework_ram < built.ram < UNO.ram
    assert built.model_ram == 20
    assert 200 < built.model_flash < 350
    assert "SUCCESS" in built.log


def test_a_models_part_is_what_bears_its_name(built):
    assert model_part(built.elf, "m") == (built.model_flash, built.model_ram)
    assert model_part(built.elf, "no_such_model") == (0, 0)
    serial, ram = model_part(built.elf, "Serial")  # `Serial` is no symbol of a model called Serial: it has no _
    assert (serial, ram) == (0, 0)


def test_every_line_is_answered(built):
    """A sketch that prints more than its buffers hold loses what comes in meanwhile; a person waits for the answer."""
    run = Avr().run(built.elf, UNO, b"".join(b"this is row number %d\n" % i for i in range(8)))
    lines = run.serial.decode().splitlines()
    assert lines[0] == "first line"
    assert [line.rpartition("this is ")[2] for line in lines[1:]] == [f"row number {i}" for i in range(8)]
    assert built.ram < run.sram_peak < UNO.ram
    assert run.cycles > 2 * UNO.clock  # it waited for silence


def test_a_sketch_that_crashes(require, tmp_path):
    require(*TOOLS)
    sketch = "#include <Arduino.h>\nvoid setup() { ((void (*)())0x3000)(); }\nvoid loop() {}\n"
    build = Avr().build(write_project(tmp_path / "p", sketch), UNO, "m")
    with pytest.raises(McugenError, match=r"E0702.*crashed"):
        Avr().run(build.elf, UNO)


# ---- builds that fail -----------------------------------------------------------------------------------------------


def refused(tmp_path: Path, sketch: str) -> McugenError:
    with pytest.raises(McugenError) as raised:
        Avr().build(write_project(tmp_path / "p", sketch), UNO, "m")
    assert all(d.help for d in raised.value.diagnostics)
    return raised.value


def test_the_compilers_own_words(require, tmp_path):
    require(*TOOLS)
    problem = refused(tmp_path, "#include <Arduino.h>\nvoid setup() { nonsense(); }\nvoid loop() {}\n")
    (found,) = problem.diagnostics
    assert (found.code, problem.exit_code) == ("E0602", EXIT_TOOL)
    assert any("nonsense" in note and "main.cpp:2" in note for note in found.notes)


def test_what_the_linker_does_not_find(require, tmp_path):
    require(*TOOLS)
    problem = refused(tmp_path, "#include <Arduino.h>\nvoid lost();\nvoid setup() { lost(); }\nvoid loop() {}\n")
    assert any("undefined reference to `lost()'" in note for note in problem.diagnostics[0].notes)


def test_too_much_ram(require, tmp_path):
    """PlatformIO only warns."""
    require(*TOOLS)
    sketch = "#include <Arduino.h>\nvolatile char big[{}];\nvoid setup() {{ big[millis()] = 1; }}\nvoid loop() {{}}\n"
    problem = refused(tmp_path / "stack", sketch.format(2000))
    assert [d.code for d in problem.diagnostics] == ["E0501"]
    assert problem.exit_code == EXIT_FIT
    assert "2,048 B" in problem.diagnostics[0].message
    assert "128 B for the stack" in problem.diagnostics[0].message
    assert [d.code for d in refused(tmp_path / "all", sketch.format(3000)).diagnostics] == [
        "E0501"
    ]  # the linker says so
    assert Avr().build(write_project(tmp_path / "fits", sketch.format(1700)), UNO, "m").ram > 1700


def test_too_much_flash(require, tmp_path):
    require(*TOOLS)
    sketch = "#include <Arduino.h>\nextern const char t[32000] PROGMEM = {1};\nvoid setup() { PORTB = pgm_read_byte(t + millis()); }\nvoid loop() {}\n"
    problem = refused(tmp_path, sketch)
    assert [d.code for d in problem.diagnostics] == ["E0502"]
    assert problem.exit_code == EXIT_FIT
    assert "Arduino Uno R3" in problem.diagnostics[0].message


def test_tables_that_16_bits_do_not_reach(require, tmp_path):
    """A Mega has the flash for them, but pgm_read_byte would read elsewhere without a word."""
    require(*TOOLS)
    tables = "".join(f"extern const char t{i}[30000] PROGMEM = {{{i}}};\n" for i in range(3))
    reads = "".join(f"PORTB = pgm_read_byte(t{i} + millis());" for i in range(3))
    sketch = f"#include <Arduino.h>\n{tables}void setup() {{ {reads} }}\nvoid loop() {{}}\n"
    mega = load_board("mega2560")
    with pytest.raises(McugenError, match=r"E0502.*64 KiB"):
        Avr().build(write_project(tmp_path / "p", sketch, "mega2560", "megaatmega2560"), mega, "m")


def test_a_project_without_the_boards_environment(project):
    other = replace(UNO, name="another")
    with pytest.raises(McugenError, match=r"(?s)E0602.*another"):
        Avr().build(project, other, "m")


# ---- a board at the other end ---------------------------------------------------------------------------------------


def test_flash_and_monitor(require, project, built):
    require("avrdude", "python:serial")
    with simulated_board("uno") as board:
        log = Avr().flash(project, UNO, board.port)
        assert "bytes of flash verified" in log
        lines = monitor(board.port)
        assert "first line" in next(lines)  # it was reset when the port was opened
        lines.close()


def test_a_port_that_is_not_there(require, project, built, tmp_path):
    require("avrdude", "python:serial")
    port = str(tmp_path / "none")
    for step in (lambda: Avr().flash(project, UNO, port), lambda: next(monitor(port))):
        with pytest.raises(McugenError, match="E0703") as raised:
            step()
        assert port in raised.value.diagnostics[0].message
        assert raised.value.exit_code == EXIT_TOOL


SIGNATURE = """
avrdude: AVR device initialized and ready to accept instructions
avrdude: device signature = 0x1e9801 (probably m2560)
avrdude error: expected signature for ATmega328P is 1E 95 0F
         double check chip or use -F to override this check

avrdude done.  Thank you.
"""
NOT_IN_SYNC = (
    "avrdude: stk500_recv(): programmer is not responding\navrdude: stk500_getsync() attempt 10 of 10: not in sync"
)


@pytest.mark.parametrize(("said", "word"), [(SIGNATURE, "expected signature"), (NOT_IN_SYNC, "not in sync")])
def test_a_board_that_does_not_take_it(require, project, built, tmp_path, monkeypatch, said, word):
    """With avrdude's words in its place: the real one tries a silent board for a minute."""
    uploader = tmp_path / "avrdude"
    uploader.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
    uploader.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(McugenError, match="E0704") as raised:
        Avr().flash(project, UNO, "/dev/null")
    (found,) = raised.value.diagnostics
    assert any(word in note for note in found.notes)
    assert not any("Thank you" in note for note in found.notes)
    assert "the one you named" in found.help


OVERTAKEN = f"""
Building in release mode
Compiling .pio/build/uno/src/main.cpp.o
src/main.cpp:2:17: warning: unused variable 'error_count' [-Wunused-variable]
Linking .pio/build/uno/firmware.elf
Looking for upload port...
{SIGNATURE}
Uploading .pio/build/uno/firmware.hex
*** [upload] Error 1
"""


def test_words_of_an_uploader_that_overtake_platformios(monkeypatch):
    """PlatformIO reads both in threads of their own: one time in eight or so they come in this order."""
    monkeypatch.setattr("mcugen.targets.sketch.run_pio", lambda *_, **__: PioResult(1, OVERTAKEN, "system"))
    with pytest.raises(McugenError, match="E0704") as raised:
        upload(Path("project"), UNO, "/dev/null")
    notes = raised.value.diagnostics[0].notes
    assert any("expected signature" in note for note in notes)
    assert not any("error_count" in note or "Thank you" in note for note in notes)


def test_a_sketch_that_does_not_compile_is_not_flashed(require, tmp_path):
    require(*TOOLS)
    project = write_project(tmp_path / "p", "#include <Arduino.h>\nnonsense\n")
    with pytest.raises(McugenError, match="E0602"):
        Avr().flash(project, UNO, "/dev/null")
