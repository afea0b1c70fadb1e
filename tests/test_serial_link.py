"""The host's end of the serial protocol, against the board's own C in a shared library, over a line that garbles bytes.

Time is counted, not waited for: a byte takes what it takes at 115,200 baud, and a line on which nothing comes lets the time
of a time-out pass at once.
"""

from __future__ import annotations

import ctypes
import random
import re
import struct
import subprocess
import zlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import tool

from mcugen.data import firmware_dir
from mcugen.diagnostics import McugenError
from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.ops.add import Add
from mcugen.targets.link import (
    ACK,
    DONE,
    FAIL,
    GREETING,
    HELLO,
    PUT,
    RUN,
    Patience,
    Session,
    cobs,
    fingerprint,
    firmware,
    frame,
    outputs_of,
    rows_as_bytes,
    uncobs,
    unframe,
)

HASH, OTHER = bytes(range(8)), bytes(range(1, 9))
NUMBERS, SHIFTS, SUMS, MICROSECONDS = 20, 3, 25, 1234  # of firmware/test/link_board.c
BYTE = 10 / 115_200  # seconds
BANNER = b"board: send 20 numbers, separated by commas\r\n"
STARTS = 1.5  # seconds that a board hears nothing for after a reset: its bootloader


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    built = tmp_path_factory.mktemp("link") / "board.so"
    folder = firmware_dir()
    sources = [folder / "test" / "link_board.c", folder / "link" / "mcugen_link.c"]
    subprocess.run([tool("gcc"), "-std=c99", "-O1", "-fPIC", "-shared", *sources, "-o", built], check=True, timeout=60)
    return ctypes.CDLL(str(built))


@dataclass
class Board:
    """The C, the wire and the clock.

    noise       of the bytes in each direction are changed, lost or doubled by another one
    reset_each  bytes to the board after which it is reset, again and again but for most_resets; 0 for never
    dies_after  bytes to the board after which it hears nothing any more
    swap        what a reset starts: the hash of another firmware
    """

    c: ctypes.CDLL
    noise: float = 0.0
    reset_each: int = 0
    most_resets: int = 1_000_000
    dies_after: float = float("inf")
    swap: bytes = HASH
    seed: int = 0
    now: float = 0.0
    deaf_until: float = 0.0
    came: int = 0
    resets: int = 0
    damaged: int = 0
    text: bytes = b""
    wire: deque[tuple[float, int]] = field(default_factory=deque)  # to the host: when, and which byte

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.start(HASH)

    def start(self, hash: bytes) -> None:
        self.c.board_start(hash)
        self.wire.clear()
        self.deaf_until = self.now + STARTS
        self.send(BANNER, self.deaf_until)

    def garbled(self, byte: int) -> list[int]:
        if self.dice.random() >= self.noise:
            return [byte]
        self.damaged += 1
        other = self.dice.randrange(256)
        return self.dice.choice([[other], [byte ^ 1 << self.dice.randrange(8)], [], [byte, other]])

    def send(self, data: bytes, start: float) -> None:
        for byte in data:
            start += BYTE
            self.wire.extend((start, one) for one in self.garbled(byte))

    def write(self, data: bytes) -> None:
        for byte in data:
            self.now += BYTE
            for one in self.garbled(byte):
                self.take(one)

    def take(self, byte: int) -> None:
        self.came += 1
        if self.reset_each and self.came % self.reset_each == 0 and self.resets < self.most_resets:
            self.resets += 1
            self.start(self.swap)
        if self.now < self.deaf_until or self.came > self.dies_after:
            return
        answer = (ctypes.c_uint8 * 64)()
        size = self.c.board_take(ctypes.c_uint8(byte), answer)
        self.text += bytes([byte]) if size < 0 else b""
        if size < 0 and byte == ord("\n"):
            self.send(b"error: a field is not a number\r\n", self.now)
        self.send(bytes(answer)[: max(size, 0)], self.now + 0.001)

    def read(self, seconds: float) -> bytes:
        until = self.now + seconds
        if not self.wire or self.wire[0][0] > until:
            self.now = until
            return b""
        self.now = max(self.now, self.wire[0][0])
        found = bytearray()
        while self.wire and self.wire[0][0] <= self.now:
            found.append(self.wire.popleft()[1])
        return bytes(found)

    def session(self, **options: object) -> Session:
        return Session(self, HASH, clock=lambda: self.now, **options)  # type: ignore[arg-type]


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and shifts of rows; most numbers are those of the row before, as those of neighbouring thresholds are."""
    rng = np.random.default_rng(0)
    numbers = np.cumsum(rng.integers(-9, 9, (count, NUMBERS)) * (rng.random((count, NUMBERS)) < 0.2), axis=0)
    return numbers.astype(np.float32), rng.integers(-100, 100, (count, SHIFTS)).astype(np.int8)


def expected(numbers: np.ndarray, shifts: np.ndarray) -> list[bytes]:
    sums = numbers[:, np.arange(SUMS) % NUMBERS] + shifts[:, np.arange(SUMS) % SHIFTS].astype(np.float32)
    return [i.astype("<i4").tobytes() + s.astype("<f4").tobytes() for i, s in zip(numbers.argmax(1), sums, strict=True)]


def wrong_answers(board: Board, count: int, **options: object) -> int:
    """How many rows came back with another answer than theirs; every row comes back."""
    numbers, shifts = rows(count)
    session = board.session(**options)
    wrong = 0
    for x, s, wanted in zip(numbers, shifts, expected(numbers, shifts), strict=True):
        found = session.predict(x.tobytes() + s.tobytes())
        wrong += found.outputs != wanted
        assert found.microseconds == ctypes.c_uint32.in_dll(board.c, "board_microseconds").value
    return wrong


def code_of(caught: pytest.ExceptionInfo[McugenError]) -> str:
    return caught.value.diagnostics[0].code


# --- frames


@given(st.binary(max_size=253))
def test_cobs(data: bytes) -> None:
    stuffed = cobs(data)
    assert 0 not in stuffed
    assert len(stuffed) == len(data) + 1
    assert uncobs(stuffed) == data


@given(st.binary(max_size=80))
def test_what_is_no_frame_is_none(data: bytes) -> None:
    found = uncobs(data)
    assert found is None or cobs(found) == data
    assert unframe(data) is None


@given(st.integers(0, 255), st.integers(0, 65_535), st.binary(max_size=54))
def test_frames(kind: int, number: int, payload: bytes) -> None:
    wire = frame(kind, number, payload)
    assert len(wire) <= 64
    assert wire[0] == wire[-1] == 0
    assert unframe(wire[1:-1]) == (kind, number, payload)


def test_the_example_of_the_documentation() -> None:
    text = (Path(__file__).parent.parent / "docs" / "serial-protocol.md").read_text()
    lines = re.findall(r"^    ([A-Z]+) +(00 [0-9a-f ]+ 00)$", text, re.MULTILINE)
    frames = {kind: unframe(bytes.fromhex(wire)[1:-1]) for kind, wire in lines}
    row = np.array([5.1, 3.5, 1.4, 0.2], "<f4").tobytes()
    label = bytes(4)
    greeting = bytes([1]) + bytes.fromhex("4863daf9bdad5b04") + struct.pack("<IIB", len(row), len(label), 48)
    assert frames == {
        "HELLO": (HELLO, 1, b""),
        "GREETING": (GREETING, 1, greeting),
        "PUT": (PUT, 2, struct.pack("<I", 0) + row),
        "ACK": (ACK, 2, b""),
        "RUN": (RUN, 3, struct.pack("<IB", zlib.crc32(row), 16)),
        "DONE": (DONE, 3, struct.pack("<II", 96, zlib.crc32(label)) + label),
        "FAIL": (FAIL, 3, b"\3"),
    }


def test_the_fingerprint_is_of_paths_and_texts() -> None:
    files = {"src/a.c": "int a;", "src/a.h": ""}
    assert len(fingerprint(files)) == 8
    assert fingerprint(files) == fingerprint(dict(reversed(files.items())))
    others = [{"src/a.c": "int b;", "src/a.h": ""}, {"src/a.c": "int a;src/a.h"}, {"src/a.": "cint a;", "src/a.h": ""}]
    assert fingerprint(files) not in [fingerprint(other) for other in others]


def test_rows_and_outputs_of_a_graph() -> None:
    builder = GraphBuilder("predict")
    a, b = (builder.input(name, TensorType((3,), DType.F32)) for name in "ab")
    builder.output(*builder.add(Add(), a, b))
    module = Module("sum", (builder.build(),))
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
    sent = rows_as_bytes(module, [x, y])
    assert sent == [x[i].tobytes() + y[i].tobytes() for i in range(2)]
    (found,) = outputs_of(module, [(x[i] + y[i]).tobytes() for i in range(2)])
    np.testing.assert_array_equal(found, x + y)


# --- sessions


def test_a_quiet_line(library: ctypes.CDLL) -> None:
    board = Board(library)
    assert wrong_answers(board, 200) == 0
    assert board.text == b""
    greeting = Board(library).session().open()
    assert (greeting.inputs, greeting.outputs, greeting.most) == (NUMBERS * 4 + SHIFTS, 4 + SUMS * 4, 48)
    assert greeting.hash == HASH


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_noise_takes_time_but_no_answer(library: ctypes.CDLL, noise: float, seed: int) -> None:
    board = Board(library, noise, seed=seed)
    assert wrong_answers(board, 200) == 0
    assert board.damaged > 200
    assert board.now < (120 if noise < 0.02 else 600)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("each", [1_777, 7_919])
def test_resets_heal(library: ctypes.CDLL, noise: float, each: int) -> None:
    board = Board(library, noise, reset_each=each)
    assert wrong_answers(board, 200) == 0
    assert board.resets > 2


def test_a_reset_at_every_place_of_a_row(library: ctypes.CDLL) -> None:
    for place in range(1, 200):
        board = Board(library, reset_each=place, most_resets=1)
        assert wrong_answers(board, 3) == 0
        assert board.resets == 1


@pytest.mark.parametrize(("noise", "each"), [(0.0, 0), (0.02, 0), (0.0, 2_003), (0.01, 4_001)])
def test_an_input_that_comes_in_rows(library: ctypes.CDLL, noise: float, each: int) -> None:
    """The board adds them up: one that comes twice, or to another input, would show."""
    high = 5
    wanted_rows = ctypes.c_uint16.in_dll(library, "board_rows")
    wanted_rows.value = high
    try:
        board = Board(library, noise, reset_each=each)
        numbers, shifts = rows(20 * high)
        session = board.session(rows=high, keeps=False)
        for at in range(0, 20 * high, high):
            parts = [numbers[i].tobytes() + shifts[at].tobytes() for i in range(at, at + high)]
            found = session.predict(b"".join(parts))
            (wanted,) = expected(numbers[at : at + high].sum(axis=0, keepdims=True), shifts[at : at + 1])
            assert found.outputs == wanted
            assert found.microseconds == high * MICROSECONDS
        assert board.resets > 2 or not each
    finally:
        wanted_rows.value = 0


def test_another_models_firmware_is_refused(library: ctypes.CDLL) -> None:
    board = Board(library)
    board.start(OTHER)
    with pytest.raises(McugenError) as caught:
        board.session(flash_it="mcugen flash this").open()
    assert code_of(caught) == "E0706"
    assert caught.value.diagnostics[0].help == "mcugen flash this"
    assert HASH.hex() in str(caught.value)
    assert OTHER.hex() in str(caught.value)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_another_models_firmware_after_a_reset_is_refused(library: ctypes.CDLL, noise: float) -> None:
    board = Board(library, noise, reset_each=5_000, swap=OTHER)
    with pytest.raises(McugenError) as caught:
        wrong_answers(board, 200)
    assert code_of(caught) == "E0706"
    assert board.resets == 1


def test_nothing_there(library: ctypes.CDLL) -> None:
    board = Board(library, dies_after=0)
    board.wire.clear()
    with pytest.raises(McugenError) as caught:
        board.session().open()
    assert code_of(caught) == "E0705"
    assert "nothing at the serial port speaks" in str(caught.value)
    assert 20 < board.now < 40  # as long as a bootloader may take that waits for silence


def test_a_program_that_speaks_something_else(library: ctypes.CDLL) -> None:
    class Chatter(Board):
        def read(self, seconds: float) -> bytes:
            self.now += 0.05
            return b"temperature 21.5\r\n\0\0\1\2\0"

    board = Chatter(library)
    with pytest.raises(McugenError) as caught:
        board.session().open()
    assert code_of(caught) == "E0705"
    assert board.now < 40


def test_a_board_that_stops(library: ctypes.CDLL) -> None:
    board = Board(library, dies_after=2_000)
    with pytest.raises(McugenError) as caught:
        wrong_answers(board, 200)
    assert code_of(caught) == "E0705"
    assert "stopped answering" in str(caught.value)
    assert board.now < 120


def test_a_line_that_only_garbles(library: ctypes.CDLL) -> None:
    board = Board(library)
    session = board.session(patience=Patience(stall=5.0))
    session.open()
    board.noise = 0.6
    with pytest.raises(McugenError) as caught:
        session.predict(bytes(83))
    assert code_of(caught) == "E0705"


def test_a_board_that_is_reset_before_every_run(library: ctypes.CDLL) -> None:
    class Weak(Board):
        def write(self, data: bytes) -> None:
            if (found := unframe(data[1:-1])) and found[0] == 3:
                self.c.board_start(HASH)
            super().write(data)

    with pytest.raises(McugenError) as caught:
        wrong_answers(Weak(library), 2)
    assert code_of(caught) == "E0705"
    assert "lost its input" in str(caught.value)


def test_another_version_of_the_protocol(library: ctypes.CDLL) -> None:
    class Newer(Board):
        def write(self, data: bytes) -> None:
            found = unframe(data[1:-1])
            assert found
            self.send(frame(GREETING, found[1], b"\2"), self.now)

    with pytest.raises(McugenError) as caught:
        Newer(library).session().open()
    assert code_of(caught) == "E0706"
    assert "version 2" in str(caught.value)


def test_a_request_that_the_board_refuses(library: ctypes.CDLL) -> None:
    class Strict(Board):
        def write(self, data: bytes) -> None:
            found = unframe(data[1:-1])
            assert found
            if found[0] == HELLO:
                super().write(data)
            else:
                self.send(frame(0xFF, found[1], b"\2"), self.now)

    with pytest.raises(McugenError) as caught:
        wrong_answers(Strict(library), 1)
    assert code_of(caught) == "E0706"


def test_late_answers_are_waited_for(library: ctypes.CDLL) -> None:
    """A prediction of 3 s that was thought to take 1 ms: the answer to the first of several same questions counts."""

    class Slow(Board):
        free: float = 0.0

        def send(self, data: bytes, start: float) -> None:
            found = unframe(data[1:-1])
            self.free = max(self.free, start) + (3.0 if found and found[0] == DONE else 0.0)
            super().send(data, self.free)

    microseconds = ctypes.c_uint32.in_dll(library, "board_microseconds")
    try:
        microseconds.value = 3_000_000
        assert wrong_answers(Slow(library), 5, slow=0.001) == 0
    finally:
        microseconds.value = MICROSECONDS


def test_the_firmware_travels(tmp_path: Path) -> None:
    """What a project gets is the C that these tests run."""
    for name, text in firmware().items():
        (tmp_path / name).write_text(text)
    done = subprocess.run([tool("gcc"), "-std=c99", "-fsyntax-only", tmp_path / "mcugen_link.c"], check=False)
    assert done.returncode == 0


# --- boards that talk too much, or lie


@dataclass
class Chatty:
    """A line on which every answer comes with text before and behind it in one read, as over USB."""

    board: Board

    def write(self, data: bytes) -> None:
        self.board.write(data)

    def read(self, seconds: float) -> bytes:
        came = self.board.read(seconds)
        while came and self.board.wire:  # all that is on its way, as one piece
            came += self.board.read(0.05)
        return b"free RAM: 1024\r\n" + came + b"still here\r\n" if came else came


def test_text_around_every_answer_costs_time_and_no_rows(library: ctypes.CDLL) -> None:
    board = Board(library)
    numbers, shifts = rows(20)
    session = Session(Chatty(board), HASH, clock=lambda: board.now)
    for x, s, wanted in zip(numbers, shifts, expected(numbers, shifts), strict=True):
        assert session.predict(x.tobytes() + s.tobytes()).outputs == wanted


class Liar:
    """A board that says what it likes: its greeting, and that a prediction took 71 minutes; then it is silent."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting, self.now, self.runs = greeting, 0.0, 0
        self.said = b""

    def write(self, data: bytes) -> None:
        found = unframe(data[1:-1])
        assert found is not None
        kind, number, _ = found
        answers = {HELLO: (GREETING, self.greeting), PUT: (ACK, b"")}
        if kind == RUN:
            self.runs += 1
            answers[RUN] = (DONE, struct.pack("<II", 0xFFFFFFFF, zlib.crc32(bytes(4))) + bytes(4))
        if self.runs < 2 and kind in answers:
            self.said += frame(answers[kind][0], number, answers[kind][1])

    def read(self, seconds: float) -> bytes:
        self.now += 0.001 if self.said else seconds
        came, self.said = self.said, b""
        return came


def greeting(inputs: int) -> bytes:
    return struct.pack("<B8sIIB", 1, HASH, inputs, 4, 48)


def test_what_a_board_says_of_its_time_is_not_waited_for() -> None:
    liar = Liar(greeting(4))
    session = Session(liar, HASH, clock=lambda: liar.now)
    assert session.predict(bytes(4)).microseconds == 0xFFFFFFFF
    with pytest.raises(McugenError) as caught:
        session.predict(b"1234")
    assert code_of(caught) == "E0705"
    assert liar.now < 300


@pytest.mark.parametrize("said", [greeting(0), greeting(17), greeting(2**32 - 1), greeting(4)[:1], greeting(4) + b"x"])
def test_a_greeting_that_does_not_go_with_the_model(said: bytes) -> None:
    liar = Liar(said)
    with pytest.raises(McugenError) as caught:
        Session(liar, HASH, clock=lambda: liar.now).predict(bytes(4))
    assert code_of(caught) == "E0706"
