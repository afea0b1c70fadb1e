"""Board files: those that come with mcugen, a user's own, and what is said about every mistake in one."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from mcugen.boards import Board, all_boards, board_names, load_board, parse_board
from mcugen.data import boards_dir
from mcugen.diagnostics import McugenError
from mcugen.targets import toolchain_for
from mcugen.targets.avr import Avr

NAMES = ("bluepill_f103c8", "feather_nrf52840", "host", "huzzah32", "mega2560", "metro_m0", "nano", "uno")
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
    assert 0 <= board.framework_flash < board.flash
    assert 0 <= board.framework_ram + board.stack_reserve < board.ram
    assert board.clock >= 1_000_000
    assert board.flash_free == board.flash - board.framework_flash
    assert board.ram_free == board.ram - board.framework_ram - board.stack_reserve
    assert board.title
    assert board.source
    assert board.progmem == (board.arch == "avr")
    assert board.fpu == (board.arch in ("cortex-m4f", "xtensa", "host"))
    assert (board.simulator == "simavr") == (board.arch == "avr")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "host"])
def test_platforms_are_pinned(name):
    board = load_board(name)
    assert board.platformio is not None
    platform, _, version = board.platformio.platform.partition("@")
    assert platform in ("atmelavr", "nordicnrf52", "ststm32", "atmelsam", "espressif32")
    assert version.count(".") == 2


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_measured_says_so(name):
    board = load_board(name)
    estimated = board.measured.startswith("estimated: ") and board.measured.endswith("not built here")
    assert estimated == (board.arch not in ("avr", "host"))


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
    assert found.help.startswith(f"{said}the boards are bluepill_f103c8, feather_nrf52840")
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


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xfe", b"a = 1\na = 2"])
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
        ("ram = 2_048", "ram = 0", "ram: 'ram' is 0"),
        ("clock = 16_000_000", "clock = 0", "clock: 'clock' is 0"),
        ("progmem = true", "progmem = 1", "progmem: 'progmem' is 1"),
        ("progmem = true", "progmem = false", "progmem: 'progmem' is false"),
        ("progmem = true", "", "progmem: 'progmem' is false"),
        ('title = "Arduino Uno R3"', 'title = "a\\nb"', "title: 'title' is 'a\\nb'"),
        ('title = "Arduino Uno R3"', 'title = "a */ b"', "title: 'title' is 'a */ b'"),
        ('title = "Arduino Uno R3"', 'name = "uno"\ntitle = "x"', "name: unknown key 'name'"),
        ("framework_ram = 184", "framework_ram = 3_000", "framework_ram: the framework takes 3,000 B of 2,048 B"),
    ],
)
def test_values_that_cannot_be(line, instead, problem):
    assert line in UNO
    assert problem in problems(UNO.replace(line, instead))


@pytest.mark.parametrize("name", ["my board", "uno]", "", "ünö"])
def test_names_that_no_project_could_have(name):
    assert problems(UNO, name) == [f": '{name}' is no name for a board"]


def test_a_platformio_that_is_no_table():
    text = UNO[: UNO.index("[platformio]")] + 'platformio = "atmelavr"\n'
    assert problems(text) == ["platformio: 'platformio' is 'atmelavr'"]


def test_a_table_without_its_keys():
    text = UNO[: UNO.index("[platformio]")] + "[platformio]\n"
    assert problems(text) == ["platformio: key 'platform' is missing", "platformio: key 'board' is missing"]


def test_toolchains():
    assert isinstance(toolchain_for(load_board("uno")), Avr)
    for name in NAMES:
        board = load_board(name)
        if board.arch != "avr":
            with pytest.raises(McugenError, match="E0901") as raised:
                toolchain_for(board)
            assert "verify --on host" in raised.value.diagnostics[0].help


def test_a_file_in_the_working_folder_does_not_hide_a_board(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("uno.toml").write_text("title = 1")
    assert load_board("uno").title == "Arduino Uno R3"
