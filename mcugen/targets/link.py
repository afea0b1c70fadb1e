"""The host's end of the serial protocol: a model on a board as a function, over a line that garbles bytes and a board that resets.

Frames are COBS between zero bytes, with a CRC-32; docs/serial-protocol.md has every byte, firmware/link the board's end.
"""

from __future__ import annotations

import hashlib
import struct
import time
from binascii import crc32
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mcugen.data import firmware_dir
from mcugen.diagnostics import McugenError, error
from mcugen.interface import as_given
from mcugen.ir import Array, Module, Storage

VERSION = 1
HASH_SIZE = 8
DATA_BYTES = 48  # of input or output in a frame, at most: a greeting says how many the board takes
FIRST_BYTES, LEAST_BYTES = 16, 8  # of a session, and on a noisy line
FLASH_IT = "flash it: `mcugen flash MODEL --board BOARD`, with the same options"
HELLO, PUT, RUN, GET = 0x01, 0x02, 0x03, 0x04
GREETING, ACK, DONE, DATA, FAIL = 0x81, 0x82, 0x83, 0x84, 0xFF
WRONG_REQUEST, OUT_OF_RANGE, OTHER_INPUT = 1, 2, 3
ATTEMPTS = 12  # runs of one row that may end with a lost input or a changed output before the board is given up
GREETINGS = 50  # of a board that answers, but not with a greeting
CRC_SECONDS = 1e-5  # a byte, on the slowest board


class Line(Protocol):
    """A serial line: bytes out, bytes in. Both raise E0703 when it is gone."""

    def write(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def read(self, seconds: float) -> bytes:
        """What has come in, at least one byte; empty where none came for so many seconds."""
        ...


@dataclass(frozen=True)
class Patience:
    """How long a session waits, in seconds.

    banner    after opening: for the text of a board that the opening has reset
    greetings  after each HELLO in turn. A bootloader may keep the first bytes for itself and start the sketch only after
              seconds of silence (the Mega's: 7 to 8), so the last ones are long
    first     for an answer while none has come yet; afterwards it follows the answers
    stall     without any answer to the request, beside 4 times what the prediction is thought to take
    """

    banner: float = 2.5
    greetings: tuple[float, ...] = (0.2, 0.2, 0.2, 0.3, 0.3, 0.5, 0.5, 1.0, 1.0, 2.5, 10.0, 12.0)
    first: float = 0.3
    stall: float = 60.0


@dataclass(frozen=True)
class Greeting:
    """What a board says of itself: its model's hash, bytes of a row's input and output, data bytes of a frame at most."""

    version: int
    hash: bytes
    inputs: int
    outputs: int
    most: int


@dataclass(frozen=True)
class Answer:
    """The outputs of one row as they lie in the board's memory, and the microseconds that the board measured."""

    outputs: bytes
    microseconds: int


def fingerprint(files: Mapping[str, str]) -> bytes:
    """The 8 bytes that tell a model's C from another's: of the SHA-256 over all paths and texts."""
    digest = hashlib.sha256()
    for path, text in sorted(files.items()):
        for part in (path.encode(), text.encode()):
            digest.update(struct.pack("<Q", len(part)) + part)
    return digest.digest()[:HASH_SIZE]


def firmware() -> dict[str, str]:
    """The C of the board's end, {name: text}."""
    folder = firmware_dir() / "link"
    return {name: (folder / name).read_text(encoding="utf-8") for name in ("mcugen_link.c", "mcugen_link.h")}


# ---- frames ---------------------------------------------------------------------------------------------------------


def cobs(data: bytes) -> bytes:
    """Fewer than 254 bytes without a zero among them, one byte longer (consistent overhead byte stuffing)."""
    return b"".join(bytes([len(run) + 1]) + run for run in data.split(b"\0"))


def uncobs(data: bytes) -> bytes | None:
    """The bytes that `cobs` was given; None where no bytes give these."""
    found, at = bytearray(), 0
    if 0 in data:
        return None
    while at < len(data):
        code = data[at]
        found += data[at + 1 : at + code] + b"\0"
        at += code
    return bytes(found[:-1]) if found and at == len(data) else None


def frame(kind: int, number: int, payload: bytes = b"") -> bytes:
    """A frame as it goes over the wire, both its zeros included."""
    body = struct.pack("<BH", kind, number) + payload
    return b"\0" + cobs(body + struct.pack("<I", crc32(body))) + b"\0"


def unframe(piece: bytes) -> tuple[int, int, bytes] | None:
    """Type, sequence number and payload of what stood between two zeros; None where that is no whole frame."""
    body = uncobs(piece)
    if body is None or len(body) < 7 or body[-4:] != struct.pack("<I", crc32(body[:-4])):
        return None
    return body[0], int.from_bytes(body[1:3], "little"), body[3:-4]


# ---- a session ------------------------------------------------------------------------------------------------------


@dataclass
class Session:
    """A conversation with one board about one model.

    expected  the hash that the board has to greet with
    slow      seconds that a prediction is thought to take
    flash_it  what the user is told to do where the board has another firmware
    rows      that an input comes in, one after the other; 0 where it comes whole
    keeps     whether the board still has its input after a prediction
    """

    line: Line
    expected: bytes
    slow: float = 0.0
    flash_it: str = FLASH_IT
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], float] = time.monotonic  # seconds
    rows: int = 0
    keeps: bool = True
    greeting: Greeting | None = None
    _rest: bytes = b""
    _number: int = 0
    _heard: int = 0  # bytes in all
    _garbled: int = 0  # frames that came damaged
    _slowest: float | None = None  # seconds that a prediction took at most, by the board's clock
    _piece: int = FIRST_BYTES  # bytes of data that a frame is given: the noisier the line, the fewer
    _easy: int = 0  # requests in a row that were answered at once
    _has: list[int | None] = field(default_factory=list)  # the bytes of input that the board has, None for unknown ones
    _quick: deque[float] = field(default_factory=lambda: deque(maxlen=16))  # seconds of late answers that need no run

    def open(self) -> Greeting:
        """Greet the board, which may only be starting. E0705 where nothing answers, E0706 with another firmware."""
        self._listen(self.patience.banner)
        found = self._greet()
        if found is None:
            help = f"{self.flash_it}; it may also be another board's port, or a program of your own that runs there"
            raise error("E0705", "nothing at the serial port speaks mcugen's protocol", help=help)
        return found

    def predict(self, row: bytes) -> Answer:
        """The outputs for a row: all inputs one after the other. E0703, E0705 where the board stops answering, E0706."""
        greeting = self.greeting or self.open()
        size = len(row) // max(self.rows, 1)
        if size != greeting.inputs:
            message = f"the board takes rows of {greeting.inputs:,} bytes, the model has {size:,}"
            raise error("E0706", message, help=self.flash_it)
        parts = [row[at : at + size] for at in range(0, len(row), size)] if self.rows else [row]
        for _ in range(ATTEMPTS):
            found = self._run_all(parts, greeting)
            if found is not None:
                return found
            self._has.clear()
            if self._greet() is None:  # it was reset, and may be another board by now
                raise self._silent()
        help = "check its power supply and its cable; whatever resets it keeps it from answering"
        raise error("E0705", f"the board lost its input {ATTEMPTS} times in a row", help=help)

    def _run_all(self, parts: Sequence[bytes], greeting: Greeting) -> Answer | None:
        """Every part of an input in turn: the outputs after the last, and the microseconds of all."""
        microseconds, found = 0, None
        for number, part in enumerate(parts):
            if not self.keeps:
                self._has.clear()
            self._bring(part)
            found = self._run(part, greeting, number, last=number == len(parts) - 1)
            if found is None:
                return None
            microseconds += found.microseconds
        return None if found is None else Answer(found.outputs, microseconds)

    def _bring(self, row: bytes) -> None:
        """Send what the board has not: rows that follow each other differ in little."""
        self._has = self._has or [None] * len(row)
        for at in range(len(row)):
            if self._has[at] != row[at]:
                part = row[at : at + self._piece]
                self._has[at : at + len(part)] = [None] * len(part)
                self._ask(PUT, ACK, struct.pack("<I", at) + part)
                self._has[at : at + len(part)] = part

    def _run(self, row: bytes, greeting: Greeting, number: int, last: bool) -> Answer | None:
        """None where the board has another input by now, or lost its outputs before all of them came; there are none before the
        `last` part of an input.
        """
        checks = CRC_SECONDS * (greeting.inputs + greeting.outputs)
        run = max(0.5, 2 * self.slow) if self._slowest is None else 1.5 * self._slowest
        asked = self.clock()
        which = struct.pack("<H", number) if self.rows else b""
        done = self._ask(RUN, DONE, struct.pack("<IB", crc32(row), self._piece if last else 0) + which, run + checks)
        if done is None or len(done) < 8:
            return None
        microseconds, check = struct.unpack_from("<II", done)
        # no longer than it took here, whatever the board says: the next wait follows it
        self._slowest = max(self._slowest or 0.0, min(microseconds / 1e6, self.clock() - asked))
        outputs = done[8:]
        if not last:
            return Answer(b"", microseconds)
        while len(outputs) < greeting.outputs:
            size = min(self._piece, greeting.outputs - len(outputs))
            found = self._ask(GET, DATA, struct.pack("<IB", len(outputs), size))
            if found is None or found[:4] != struct.pack("<I", len(outputs)) or len(found) != 4 + size:
                return None
            outputs += found[4:]
        whole = len(outputs) == greeting.outputs and crc32(outputs) == check
        return Answer(outputs, microseconds) if whole else None

    def _greet(self) -> Greeting | None:
        """None where nothing answers. A board that says anything at all is asked again soon, a silent one ever later."""
        silent, pauses = 0, self.patience.greetings * (2 if self.greeting else 1)
        for _ in range(GREETINGS):
            heard, number, start = self._heard, self._next(), self.clock()
            found = self._once(HELLO, number, b"", pauses[silent], restart=True)
            if found is not None and found[0] == GREETING and found[1]:
                self._quick.append(min(self.clock() - start, self.patience.first))
                self.greeting = self._checked(found[1])
                self._piece = min(self._piece, self.greeting.most)
                return self.greeting
            silent = silent + 1 if self._heard == heard else 0
            if silent == len(pauses):
                return None
        return None

    def _checked(self, payload: bytes) -> Greeting:
        if payload[0] != VERSION or len(payload) != struct.calcsize(_GREETING):
            message = f"the board speaks version {payload[0]} of the protocol, this mcugen version {VERSION}"
            if payload[0] == VERSION:
                message = f"the board's greeting has {len(payload)} bytes instead of {struct.calcsize(_GREETING)}"
            raise error("E0706", message, help=self.flash_it)
        found = Greeting(*struct.unpack(_GREETING, payload))
        if found.hash != self.expected:
            message = f"the board runs another model: {found.hash.hex()}, not {self.expected.hex()}"
            raise error("E0706", message, help=self.flash_it)
        return found

    def _ask(self, request: int, wanted: int, payload: bytes, run: float = 0.0) -> bytes | None:
        """The payload of the answer; None where the board says that it has another input. Sends until it comes.

        run  seconds that the board may work on it
        """
        number, until = self._next(), self.clock() + self.patience.stall + 4 * run
        while self.clock() < until:
            found = self._asked_often(request, number, payload, run)
            if found is not None and found[0] == wanted:
                return found[1]
            if found is not None and found[0] == FAIL:
                self._require_other_input(request, found[1])
                return None
            if self._greet() is None:
                break
        raise self._silent()

    def _asked_often(self, request: int, number: int, payload: bytes, run: float) -> tuple[int, bytes] | None:
        """Noise takes some answers; where it would have to be eight, the board has started again, and is to greet."""
        wait, start = self._usual() + run, self.clock()
        for attempt in range(8):
            garbled = self._garbled
            found = self._once(request, number, payload, wait)
            if found is not None:
                if attempt == 0 and not run:
                    self._quick.append(self.clock() - start)
                self._fit_pieces(attempt)
                return found
            wait *= 1.0 if self._garbled > garbled else 1.5
        return None

    def _fit_pieces(self, lost: int) -> None:
        """Halve the pieces where two answers were lost in a row, double them where eight requests lost none."""
        most = self.greeting.most if self.greeting else DATA_BYTES
        self._easy = 0 if lost else self._easy + 1
        if lost > 1:
            self._piece = max(LEAST_BYTES, self._piece // 2)
        elif self._easy == 8:
            self._easy, self._piece = 0, min(most, 2 * self._piece)

    def _require_other_input(self, request: int, why: bytes) -> None:
        if request == RUN and why[:1] == bytes([OTHER_INPUT]):
            return
        # the request came whole, so both ends do not mean the same by it
        message = f"the board refuses request {request} with code {why.hex() or 'none'}"
        raise error("E0706", message, help=self.flash_it)

    def _once(
        self, request: int, number: int, payload: bytes, seconds: float, restart: bool = False
    ) -> tuple[int, bytes] | None:
        """Send a request and wait for the answer that has its number: its type and payload.

        None after so many seconds, or as soon as something damaged came, which may have been the answer.

        restart  bytes that come first may be those of a board that starts: the wait ends soon after them
        """
        self.line.write(frame(request, number, payload))
        for came in self._frames(self.clock() + seconds, restart):
            damaged = False
            for piece in came:
                if piece is None:
                    damaged = True
                elif piece[1] == number and piece[0] >= 0x80:
                    return piece[0], piece[2]
            if damaged:
                return None
        return None

    def _next(self) -> int:
        self._number = (self._number + 1) & 0xFFFF
        return self._number

    def _usual(self) -> float:
        """Seconds after which an answer that needs no run is late."""
        return max(0.02, 2 * max(self._quick)) if self._quick else self.patience.first

    def _frames(self, until: float, restart: bool) -> Iterator[list[tuple[int, int, bytes] | None]]:
        """What comes until then, read by read: whole frames, and None for what stood where a frame stands and is none."""
        while (left := until - self.clock()) > 0:
            came = self.line.read(left)
            self._heard += len(came)
            if came and restart:
                until = min(until, self.clock() + self.patience.first)
            *pieces, rest = (self._rest + came).split(b"\0")
            self._rest = rest[-_LONGEST:]
            found = [unframe(piece) for piece in filter(None, pieces)]
            self._garbled += found.count(None)
            if found:
                yield found

    def _listen(self, seconds: float) -> None:
        """Until soon after the board has said something, or for so many seconds."""
        until = self.clock() + seconds
        while (left := until - self.clock()) > 0:
            if self.line.read(left):
                until = min(until, self.clock() + self.patience.first)

    def _silent(self) -> McugenError:
        help = "check the cable, press the board's reset button and try again; what it says: `mcugen monitor`"
        return error("E0705", "the board stopped answering", help=help)


_GREETING = f"<B{HASH_SIZE}sIIB"
_LONGEST = 256  # bytes that may be a frame not yet ended


# ---- rows -----------------------------------------------------------------------------------------------------------


def rows_as_bytes(module: Module, inputs: Sequence[Array]) -> list[bytes]:
    """Per row all inputs one after the other. Each input has shape (rows, *its own)."""
    values = module.predict.of(Storage.INPUT)
    given = as_given(module, [np.asarray(a, v.type.dtype.numpy) for a, v in zip(inputs, values, strict=True)])
    tables = [np.ascontiguousarray(a).reshape(len(a), -1).view(np.uint8) for a in given]
    return [row.tobytes() for row in np.concatenate(tables, axis=1)]


def outputs_of(module: Module, rows: Sequence[bytes]) -> list[Array]:
    """The outputs of rows, each of shape (rows, *its own)."""
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    found, at = [], 0
    for value in module.predict.of(Storage.OUTPUT):
        part = np.ascontiguousarray(table[:, at : at + value.type.nbytes])
        found.append(part.view(value.type.dtype.numpy).reshape(len(rows), *value.type.shape))
        at += value.type.nbytes
    return found
