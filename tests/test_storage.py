"""What boards keep without power: the [storage] of board files, and how many records of firmware/store fit it."""

from __future__ import annotations

import ctypes
import doctest
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tools import tool

from mcugen.boards import Board, Nonvolatile, all_boards, load_board, parse_board
from mcugen.cli import cli
from mcugen.data import boards_dir, firmware_dir
from mcugen.diagnostics import McugenError
from mcugen.storage import OVERHEAD, memory_of, saving

KNOWN = {board.name: board.storage for board in all_boards() if board.storage is not None}
WITHOUT = ("pico", "teensy40")


def problems(name: str, line: str, instead: str) -> list[str]:
    text = (boards_dir() / f"{name}.toml").read_text()
    assert text.count(line) == 1
    with pytest.raises(McugenError) as raised:
        parse_board("mine", text.replace(line, instead).encode(), "mine.toml")
    assert all(d.code == "E0402" and d.help for d in raised.value.diagnostics)
    return [f"{d.loc.where}: {d.message}" for d in raised.value.diagnostics]


@pytest.mark.parametrize("name", KNOWN)
def test_every_endurance_says_where_it_is_from(name: str) -> None:
    text = (boards_dir() / f"{name}.toml").read_text()
    table = text[text.index("[storage]") :]
    assert re.search(r"^endurance = [\d_]+ +# .*(data sheet|product specification|no limit)", table, re.MULTILINE)


def test_which_boards_keep_what() -> None:
    assert {board.name for board in all_boards()} - KNOWN.keys() == {*WITHOUT}
    assert {name: kept.nbytes for name, kept in KNOWN.items() if kept.kind == "eeprom"} == {
        "leonardo": 1024, "mega2560": 4096, "nano": 1024, "promini": 1024, "uno": 1024
    }  # fmt: skip
    assert load_board("uno").storage == Nonvolatile("eeprom", 1024, 100_000)


@pytest.mark.parametrize(
    ("board", "line", "instead", "problem"),
    [
        ("uno", 'kind = "eeprom"', 'kind = "eprom"', "storage.kind: 'kind' is 'eprom'"),
        ("uno", 'kind = "eeprom"', "", "storage: key 'kind' is missing"),
        ("uno", 'kind = "eeprom"', 'kind = "eeprom"\nbytes = 1_024', "storage.bytes: unknown key 'bytes'"),
        ("uno", 'kind = "eeprom"', 'kind = "nvs"\npage = 512', "storage.kind: avr has no nvs"),
        ("pico", "[platformio]", '[storage]\nkind = "eeprom"\nnbytes = 9\nendurance = 9\n[platformio]',
         "storage.kind: cortex-m0plus has no eeprom"),
        ("uno", "nbytes = 1_024", "nbytes = 0", "storage.nbytes: 0 B"),
        ("uno", "nbytes = 1_024", "nbytes = -1", "storage.nbytes: 'nbytes' is -1"),
        ("mega2560", "nbytes = 4_096", "nbytes = 32_768", "storage.nbytes: 32,768 B"),
        ("uno", "nbytes = 1_024", "nbytes = 1_024\npage = 4", "storage.page: eeprom with pages of 4 B"),
        ("nano33ble", "page = 4_096", "", "storage.page: flash with pages of 0 B"),
        ("nano33ble", "page = 4_096", "page = 4_095",
         "storage.page: 16,384 B from 0xfc000 on are no whole pages of 4,095 B"),
        ("nano33ble", "first = 0x000F_C000", "first = 0x000F_C004",
         "storage.page: 16,384 B from 0xfc004 on are no whole pages of 4,096 B"),
        ("nano33ble", "word = 4", "word = 0", "storage.word: 0 B are written at once"),
        ("nano33ble", "word = 4", "word = 3", "storage.word: 3 B are written at once"),
        ("zero", "page = 256", "page = 32", "storage.page: 8,192 B from 0x3e000 on are no whole pages of 32 B"),
        ("uno", "endurance = 100_000", "endurance = 0", "storage.endurance: 0 writes"),
        ("uno", "endurance = 100_000", "endurance = 1e5", "storage.endurance: 'endurance' is 100000.0"),
        ("host", "endurance = 0", f"endurance = {1 << 60}", f"storage.endurance: {1 << 60:,} writes"),
    ],
)  # fmt: skip
def test_a_memory_that_cannot_be(board: str, line: str, instead: str, problem: str) -> None:
    assert problem in problems(board, line, instead)


def test_a_storage_that_is_no_table() -> None:
    text = (boards_dir() / "pico.toml").read_text()
    with pytest.raises(McugenError, match="'storage' is 3"):
        parse_board("mine", b"storage = 3\n" + text.encode(), "mine.toml")


# ---- how many records -----------------------------------------------------------------------------------------------


class Store(ctypes.Structure):
    """mcugen_store, without its functions."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("read", "write", "erase", "commit", "ctx")),
        *((name, ctypes.c_uint32) for name in ("size", "page")),
        *((name, ctypes.c_uint8) for name in ("word", "one_slot")),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: Any) -> ctypes.CDLL:
    built = tmp_path_factory.mktemp("store") / "store.so"
    source = firmware_dir() / "store" / "mcugen_store.c"
    subprocess.run([tool("gcc"), "-std=c99", "-shared", "-fPIC", str(source), "-o", str(built)], check=True, timeout=60)
    return ctypes.CDLL(str(built))


@pytest.mark.parametrize("name", [name for name, kept in KNOWN.items() if kept.kind != "nvs"])
def test_the_c_has_as_many_slots(library: ctypes.CDLL, name: str) -> None:
    board = load_board(name)
    kept = KNOWN[name]
    for payload in [*range(0, 1400, 7), kept.nbytes // 2 - OVERHEAD, kept.nbytes // 2 - OVERHEAD + 1, kept.nbytes]:
        store = Store(size=kept.nbytes, page=kept.page, word=kept.word)
        found = saving(payload, board)
        assert library.mcugen_store_slots(ctypes.byref(store), payload) == (found.slots if found.safe else 0)
        store.one_slot = 1
        assert library.mcugen_store_slots(ctypes.byref(store), payload) == found.slots


def with_storage(kept: Nonvolatile | None) -> Board:
    return replace(load_board("uno"), storage=kept)


@pytest.mark.parametrize(
    ("board", "payload", "said"),
    [
        ("uno", 182, "5 records of 202 B fit 1,024 B of EEPROM; about 500,000 saves until it is worn out; "
         "a power cut leaves the last or the one before"),
        ("uno", 492, "2 records of 512 B fit 1,024 B of EEPROM; about 200,000 saves until it is worn out; "
         "a power cut leaves the last or the one before"),
        ("uno", 493, "power-loss safety is not to be had on this board: two records of 513 B do not fit 1,024 B of EEPROM; "
         "without it one does: about 100,000 saves until it is worn out"),
        ("uno", 1300, "power-loss safety is not to be had on this board: two records of 1,320 B do not fit 1,024 B of EEPROM, "
         "and not even one does"),
        ("zero", 1300, "5 records of 1,344 B fit 8,192 B of flash; about 125,000 saves until it is worn out; "
         "a power cut leaves the last or the one before"),
        ("nano33ble", 1300, "12 records of 1,320 B fit 16,384 B of flash; about 120,000 saves until it is worn out; "
         "a power cut leaves the last or the one before"),
        ("esp32dev", 1300, "10 records of 1,320 B fit 20,480 B of NVS; about 1,100,000 saves until it is worn out; "
         "a power cut leaves the last or the one before"),
        ("host", 1300, "794 records of 1,320 B fit 1,048,576 B of a file; saves without a known limit; "
         "a power cut leaves the last or the one before"),
        ("pico", 10, "no memory is known for this board that keeps the state without power: give the store your own callbacks"),
    ],
)  # fmt: skip
def test_a_line_for_the_report(board: str, payload: int, said: str) -> None:
    assert str(saving(payload, load_board(board))) == said


def test_many_records_in_one_page_are_not_safe() -> None:
    kept = replace(KNOWN["nano33ble"], nbytes=4096)
    found = saving(400, replace(load_board("nano33ble"), storage=kept))
    assert (found.slots, found.safe) == (9, False)


def test_a_state_too_long_for_nvs() -> None:
    assert not saving(8_000, load_board("esp32dev")).safe


def test_the_lines_of_the_documentation() -> None:
    page = Path(__file__).parent.parent / "docs" / "storage.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert (found.failed, found.attempted) == (0, 4)


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_shows_what_a_board_keeps(tmp_path: Path) -> None:
    said = CliRunner().invoke(cli, ["boards", "uno"])
    assert said.exit_code == 0
    assert "keeps without power: 1,024 B of EEPROM, 100,000 writes of each byte" in said.stdout
    assert "mega2560" not in said.stdout
    (shown,) = json.loads(CliRunner().invoke(cli, ["boards", "nano33ble", "--json"]).stdout)["boards"]
    assert shown["storage"] == {
        "kind": "flash",
        "nbytes": 16_384,
        "endurance": 10_000,
        "first": 0xFC000,
        "page": 4096,
        "word": 4,
    }
    assert "error[E0401]" in CliRunner().invoke(cli, ["boards", "unno"]).stderr


def test_what_boards_keep_in_words() -> None:
    assert memory_of(load_board("pico")) == "nothing that is known"
    assert memory_of(load_board("host")) == "1,048,576 B of a file"
    assert memory_of(load_board("zero")) == (
        "8,192 B of flash from 0x3e000 on, 25,000 erases of each page; pages of 256 B, written by 64 B"
    )
