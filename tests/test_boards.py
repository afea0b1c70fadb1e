"""Board files: those that come with mcugen, a user's own, and what is said about every mistake in one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from mcugen.boards import LARGEST, Board, all_boards, board_names, load_board, parse_board
from mcugen.data import boards_dir, firmware_dir
from mcugen.diagnostics import McugenError
from mcugen.fit import fit
from mcugen.frontends import Source, read
from mcugen.report.json import of_verdict
from mcugen.report.show import boards_table, verdicts
from mcugen.targets import toolchain_for
from mcugen.targets.avr import Avr

AVR = ("leonardo", "mega2560", "nano", "promini", "uno")
MISSION = (
    *("uno", "nano", "promini", "mega2560", "leonardo"),
    *("feather_nrf52840", "nano33ble"),
    "bluepill_f103c8",
    *("metro_m0", "zero", "nano33iot"),
    *("huzzah32", "esp32dev", "esp32c3", "esp32s3"),
    *("pico", "nucleo_f446re", "teensy40"),
)
NAMES = tuple(sorted((*MISSION, "host")))
UNO = (boards_dir() / "uno.toml").read_text()


def parse(text: str, name: str = "mine") -> Board:
    return parse_board(name, text.encode(), f"{name}.toml")


def problems(text: str, name: str = "mine") -> list[str]:
    """The diagnostics of a bad board file, each as `where: message`; all are E0402 with a way out."""
    with pytest.raises(McugenError) as raised:
        parse(text, name)
    assert {d.code for d in raised.value.diagnostics} == {"E0402"}
    assert all(d.loc.file == f"{name}.toml" and d.help for d in raised.value.diagnostics)
    return [f"{d.loc.where}: {d.message}" for d in raised.value.diagnostics]


def test_the_boards_are_there():
    assert board_names() == NAMES
    assert [board.name for board in all_boards()] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_board_has_facts_that_can_be(name):
    board = load_board(name)
    assert board.framework_flash is not None
    assert board.framework_ram is not None
    assert board.flash_free == board.flash - board.framework_flash > 0
    assert board.ram_free == board.ram - board.framework_ram - board.stack_reserve > 0
    assert 16_000_000 <= board.clock <= 1_000_000_000
    assert board.progmem == (board.arch == "avr")
    assert board.fpu == (board.arch in ("cortex-m4f", "cortex-m7", "xtensa", "host"))
    assert board.dsp == (board.arch in ("cortex-m4f", "cortex-m7"))
    assert board.copied == (name == "teensy40")


@pytest.mark.parametrize("name", MISSION)
def test_every_fact_of_a_board_is_in_its_file(name):
    """Beside the keys without a default: where its numbers come from, and how it gets a program."""
    written = tomllib.loads((boards_dir() / f"{name}.toml").read_text())
    needed = {f.name for f in fields(Board)} - {"name", "fpu", "dsp", "progmem", "copied", "simulator", "stack_reserve"}
    needed -= {"memories", "storage"}
    assert needed <= written.keys()
    assert len(written["source"]) > 20
    assert re.search(r"data sheet|product specification", written["source"])
    assert written["upload"] in ("serial", "stlink", "teensy")


@pytest.mark.parametrize("name", MISSION)
def test_memory_is_what_a_sketch_may_use(name):
    """Less than the chip has, or a comment says that there is nothing to take off."""
    text = (boards_dir() / f"{name}.toml").read_text()
    assert re.search(r"^flash = [\d_]+ +# .*(KiB|MiB|bootloader|table)", text, re.MULTILINE)


def test_no_two_boards_are_the_same():
    for fact in (lambda b: b.title, lambda b: b.platformio):
        found = [fact(board) for board in all_boards()]
        assert len({*found}) == len(found)


def test_platforms_are_pinned_to_one_version_each():
    used = {board.platformio.platform for board in all_boards() if board.platformio}
    assert len({platform.partition("@")[0] for platform in used}) == len(used) == 7
    assert all(load_board(name).platformio for name in MISSION)
    assert all(re.fullmatch(r"[a-z0-9]+@\d+\.\d+\.\d+", platform) for platform in used)


@pytest.mark.parametrize("name", AVR)
def test_our_own_platform_has_every_avr(name):
    """The same limits in PlatformIO's board file and in ours."""
    board = load_board(name)
    assert board.platformio is not None
    file = firmware_dir() / "platformio" / "atmelavr" / "boards" / f"{board.platformio.board}.json"
    found = json.loads(file.read_text())
    assert (found["upload"]["maximum_size"], found["upload"]["maximum_ram_size"]) == (board.flash, board.ram)
    assert (found["build"]["mcu"], found["build"]["f_cpu"]) == (board.mcu, f"{board.clock}L")


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_measured_says_so(name):
    board = load_board(name)
    assert board.framework_known == ("measured" if board.arch in ("avr", "host") else "estimated")
    assert board.measured.endswith("not built here") == (board.framework_known == "estimated")


@pytest.mark.parametrize("name", NAMES)
def test_every_simulator_is_the_one_of_its_core(name):
    board = load_board(name)
    none = board.arch in ("xtensa", "host")
    assert board.simulator == ("" if none else "simavr" if board.arch == "avr" else "qemu")


def test_the_command_lists_them_all():
    command = [sys.executable, "-m", "mcugen", "boards", "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    listed = {board["name"]: board for board in json.loads(done.stdout)["boards"]}
    assert tuple(sorted(listed)) == NAMES
    assert all({f.name for f in fields(Board)} <= board.keys() for board in listed.values())
    assert listed["uno"]["framework_known"] == "measured"
    assert listed["pico"]["framework_known"] == "estimated"


def test_the_host_has_no_limits():
    host = load_board("host")
    assert (host.arch, host.platformio) == ("host", None)
    assert min(host.flash_free, host.ram_free) >= 1 << 40


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("unno", "did you mean 'uno'? "),
        ("Uno", "did you mean 'uno'? "),
        ("mega", "did you mean 'mega2560'? "),
        ("", ""),
    ],
)
def test_unknown_board(typed, said):
    with pytest.raises(McugenError, match="E0401") as raised:
        load_board(typed)
    (found,) = raised.value.diagnostics
    assert found.help.startswith(f"{said}the boards are bluepill_f103c8, esp32c3")
    assert found.message == f"there is no board '{typed}'"


@pytest.mark.parametrize("typed", ["../boards/uno", "/etc/passwd", "uno\0", "a/b", "." * 5000])
def test_a_name_is_never_a_path(typed):
    with pytest.raises(McugenError, match="E0401"):
        load_board(typed)


def test_own_board_by_its_path(tmp_path):
    file = tmp_path / "my_uno.toml"
    file.write_text(UNO.replace("ram = 2_048", "ram = 1_024"))
    board = load_board(str(file))
    assert (board.name, board.ram, board.arch) == ("my_uno", 1024, "avr")
    file.write_text(UNO)
    assert load_board(str(file)).ram == 2048  # read anew: a person edits it between two tries


@pytest.mark.parametrize("path", ["none.toml", "folder.toml", "nul\0.toml", f"{'x' * 5000}.toml"])
def test_own_board_that_cannot_be_read(tmp_path, path):
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(McugenError, match="E0101") as raised:
        load_board(f"{tmp_path}/{path}")
    (found,) = raised.value.diagnostics
    assert found.loc.file == f"{tmp_path}/{path}"
    assert "check the path" in found.help
    assert "mega2560" in found.help


@pytest.mark.parametrize("form", ["{}", "./{}", "a folder with blanks/{}", "~/{}", "ü/{}"])
def test_own_board_from_any_path(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    typed = form.format("mine.toml")
    file = Path(typed).expanduser()
    file.parent.mkdir(exist_ok=True)
    file.write_text(UNO)
    assert load_board(typed) == replace(load_board("uno"), name="mine")
    assert load_board(Path(typed)).name == "mine"


def test_own_board_as_windows_writes_it(tmp_path):
    file = tmp_path / "mine.TOML"
    file.write_bytes(b"\xef\xbb\xbf" + UNO.replace("\n", "\r\n").encode())
    assert load_board(str(file)) == replace(load_board("uno"), name="mine")


def test_own_board_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(McugenError, match=r"E0101.*it is no file"):
        load_board(str(tmp_path / "pipe.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(McugenError, match=r"E0101.*it is a folder"):
        load_board(str(tmp_path / "folder.toml"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the board file is empty"),
        (b"# nothing\n", "the board file is empty"),
        (b"\x7fELF\x00\xff", "not TOML: no text in UTF-8"),
        (UNO.encode() + b"#" * LARGEST, "larger than 65,536 B"),
    ],
)
def test_files_that_are_no_board(tmp_path, content, said):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(McugenError, match=f"E0402.*{said}") as raised:
        load_board(str(file))
    assert "boards/uno.toml" in raised.value.diagnostics[0].help


DEEP = b"a = " + b"[" * 20_000


@pytest.mark.parametrize(
    "content", [b"title = ", b"\xff\xfe", b"a = 1\na = 2", DEEP, b"ram = " + b"9" * 10_000], ids=lambda c: c[:9].hex()
)
def test_not_toml(content):
    with pytest.raises(McugenError, match=r"E0402.*not TOML") as raised:
        parse_board("mine", content, "mine.toml")
    assert "boards/uno.toml" in raised.value.diagnostics[0].help


def test_all_problems_at_once():
    text = UNO.replace("clock = 16_000_000", "clok = 16_000_000").replace("ram = 2_048", "ram = -1")
    text = text.replace('board = "uno"', "board = 3\nbord = 4")
    assert problems(text) == [
        ": key 'clock' is missing",
        "clok: unknown key 'clok'",
        "ram: 'ram' is -1",
        "platformio.board: 'board' is 3",
        "platformio.bord: unknown key 'bord'",
    ]


def test_unknown_key_gets_did_you_mean():
    with pytest.raises(McugenError, match="did you mean 'clock'"):
        parse(UNO.replace("clock = ", "clok = "))


@pytest.mark.parametrize("key", [f.name for f in fields(Board) if f.name != "name" and f"\n{f.name} = " in f"\n{UNO}"])
def test_every_key_is_checked(key):
    """A list is nothing that any key may be."""
    lines = [f"{key} = []" if line.startswith(f"{key} = ") else line for line in UNO.splitlines()]
    assert problems("\n".join(lines)) == [f"{key}: '{key}' is []"]


@pytest.mark.parametrize(
    ("line", "instead", "problem"),
    [
        ('arch = "avr"', 'arch = "z80"', "arch: 'arch' is 'z80'"),
        ("ram = 2_048", "ram = 2048.0", "ram: 'ram' is 2048.0"),
        ("ram = 2_048", "ram = true", "ram: 'ram' is True"),
        ("ram = 2_048", f"ram = 0x{'f' * 10_000}", "ram: 'ram' is a number with too many digits"),
        ("ram = 2_048", f"ram = {'9' * 1_000}", f"ram: 'ram' is {'9' * 60}..."),
        ("ram = 2_048", "ram = 0", "ram: an AVR has no 0 B of ram"),
        ("ram = 2_048", "ram = 65_537", "ram: an AVR has no 65,537 B of ram"),
        ("flash = 32_256", "flash = 262_145", "flash: an AVR has no 262,145 B of flash"),
        ("clock = 16_000_000", "clock = 0", "clock: 0 Hz"),
        ("clock = 16_000_000", "clock = 16", "clock: 16 Hz"),
        ("clock = 16_000_000", "clock = 16_000_000_000", "clock: 16,000,000,000 Hz"),
        ("progmem = true", "progmem = 1", "progmem: 'progmem' is 1"),
        ("progmem = true", "progmem = false", "progmem: 'progmem' is false"),
        ("progmem = true", "", "progmem: 'progmem' is false"),
        ('title = "Arduino Uno R3"', 'title = "a\\nb"', "title: 'title' is 'a\\nb'"),
        ('title = "Arduino Uno R3"', 'title = "a */ b"', "title: 'title' is 'a */ b'"),
        ('title = "Arduino Uno R3"', 'name = "uno"\ntitle = "x"', "name: unknown key 'name'"),
        ('title = "Arduino Uno R3"', 'title = " "', "title: 'title' is ' '"),
        ('title = "Arduino Uno R3"', '"ti\\ntle" = 1\ntitle = "x"', "ti\ntle: unknown key 'ti\\ntle'"),
        ("framework_ram = 184", "framework_ram = 2_048", "framework_ram: the framework takes 2,048 B of 2,048 B"),
        ("framework_ram = 184", "", "framework_flash: it stands there without 'framework_ram'"),
        (
            "framework_flash = 1_442",
            "framework_flash = 40_000",
            "framework_flash: the framework takes 40,000 B of 32,256 B",
        ),
        (
            'measured = "empty',
            'measured = "an estimate: empty',
            "measured: it speaks of an estimate and counts as measured",
        ),
        (
            "stack_reserve = 128",
            "stack_reserve = 1_864",
            "stack_reserve: 1,864 B for the stack and 184 B for the framework leave nothing of 2,048 B",
        ),
        ("progmem = true", "progmem = true\nfpu = true", "fpu: avr has no unit for floats"),
        ("progmem = true", "progmem = true\ndsp = true", "dsp: avr has no DSP instructions"),
        ("progmem = true", "progmem = true\ncopied = true", "copied: an AVR runs from flash"),
        ('simulator = "simavr"', 'simulator = "simulavr"', "simulator: 'simulator' is 'simulavr'"),
        ('simulator = "simavr"', 'simulator = "qemu"', "simulator: qemu does not run avr"),
        ("atmelavr@5.2.0", "atmelavr", "platformio.platform: 'atmelavr' is not pinned"),
        ("atmelavr@5.2.0", "atmelavr@^5.2.0", "platformio.platform: 'atmelavr@^5.2.0' is not pinned"),
        ('board = "uno"', 'board = "uno]"', "platformio.board: 'board' is 'uno]'"),
    ],
)
def test_values_that_cannot_be(line, instead, problem):
    assert line in UNO
    assert problem in problems(UNO.replace(line, instead))


@pytest.mark.parametrize(
    ("name", "line", "instead", "problem"),
    [
        ("bluepill_f103c8", "ram = 20_480", "ram = 67_108_865", "ram: a microcontroller has no 67,108,865 B of ram"),
        (
            "pico",
            "flash = 2_097_152",
            "flash = 2_097_152_000",
            "flash: a microcontroller has no 2,097,152,000 B of flash",
        ),
        ("pico", "clock", "fpu = true\nclock", "fpu: cortex-m0plus has no unit for floats"),
        ("bluepill_f103c8", "clock", "dsp = true\nclock", "dsp: cortex-m3 has no DSP instructions"),
        ("nucleo_f446re", "fpu = true", "", "fpu: a cortex-m4f has a unit for floats"),
        ("zero", "clock", "progmem = true\nclock", "progmem: 'progmem' is true"),
        ("esp32dev", "clock", 'simulator = "qemu"\nclock', "simulator: qemu does not run xtensa"),
        ("host", "fpu = true", 'simulator = "simavr"', "simulator: simavr does not run host"),
    ],
)
def test_values_that_cannot_be_on_this_core(name, line, instead, problem):
    text = (boards_dir() / f"{name}.toml").read_text()
    assert problem in problems(text.replace(line, instead, 1))


def rendered(table: Any) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as caught:
        console.print(table)
    return caught.get()


def tree() -> Source:
    """A small tree, as `fit` takes it."""
    iris = load_iris()
    return read(DecisionTreeClassifier(random_state=0).fit(iris.data, iris.target), name="iris")


def without_framework(name: str) -> Board:
    lines = (boards_dir() / f"{name}.toml").read_text().splitlines()
    return parse("\n".join(line for line in lines if not line.startswith(("framework_", "measured"))))


def test_a_framework_that_nobody_knows():
    board = without_framework("uno")
    assert (board.framework_flash, board.framework_ram, board.framework_known) == (None, None, "unknown")
    assert (board.flash_free, board.ram_free) == (32_256, 2_048 - 128)


def test_fit_says_unknown_where_it_hangs_on_the_framework():
    source = tree()
    unknown = without_framework("uno")
    small = replace(unknown, flash=100)
    found = fit(source, boards=[load_board("uno"), unknown, small])
    assert [one.fits for one in found] == [True, None, False]
    said = of_verdict(found[1])
    assert (said["fits"], said["report"]["flash"]["framework_source"]) == (None, "unknown")
    text = rendered(verdicts(found))
    assert text.count("unknown: the framework's share is not known") == 1
    assert "no: flash" in text


def test_a_framework_without_a_ready_platform_is_listed():
    text = rendered(boards_table([load_board("uno"), load_board("pico"), without_framework("uno")]))
    assert [re.search("measured|estimated|unknown", line)[0] for line in text.splitlines()[2:5]] == [
        "measured",
        "estimated",
        "unknown",
    ]


def test_what_start_up_code_copies_to_ram_counts_as_ram():
    source = tree()
    teensy = load_board("teensy40")
    copied, plain = (one.report for one in fit(source, boards=[teensy, replace(teensy, copied=False)]))
    assert copied.ram.value == plain.ram.value + copied.flash.value
    assert copied.copied == copied.flash.value > 0


@pytest.mark.parametrize("name", ["my board", "uno]", "", "ünö"])
def test_names_that_no_project_could_have(name):
    assert problems(UNO, name) == [f": '{name}' is no name for a board"]


def test_a_platformio_that_is_no_table():
    text = 'platformio = "atmelavr"\n' + UNO[: UNO.index("[platformio]")]
    assert problems(text) == ["platformio: 'platformio' is 'atmelavr'"]


def test_a_table_without_its_keys():
    text = UNO[: UNO.index("[platformio]")] + "[platformio]\n"
    assert problems(text) == ["platformio: key 'platform' is missing", "platformio: key 'board' is missing"]


def test_toolchains():
    assert all(isinstance(toolchain_for(load_board(name)), Avr) for name in AVR)
    with pytest.raises(McugenError, match="E0901"):
        toolchain_for(load_board("host"))


def test_a_file_in_the_working_folder_does_not_hide_a_board(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("uno.toml").write_text("title = 1")
    assert load_board("uno").title == "Arduino Uno R3"
