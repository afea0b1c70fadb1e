"""Rows for a sketch that learns: sent over its serial line one by one, each when the one before has been answered.

A line is a class and numbers, or ? and numbers, or a word; the answer is one line, which for a row begins with the class that it was
taken for before it was learnt (docs/serial-protocol.md).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array
from mcugen.targets.link import Line

SHOWN = 100  # characters of an answer that an error shows
UNKNOWN = "?"  # in the place of a class: the row is only predicted


@dataclass(frozen=True)
class Patience:
    """How long a lesson waits, in seconds.

    banner  after opening: for the text of a sketch that the opening has reset
    asked   for an answer to each of the first questions: a bootloader may keep them for itself for some seconds
    still   of silence behind a text, when no more is to come
    answer  for the answer to a row
    """

    banner: float = 2.5
    asked: tuple[float, ...] = (1.0, 1.0, 2.0, 8.0)
    still: float = 0.3
    answer: float = 20.0


@dataclass
class Lesson:
    """A conversation with a sketch that learns."""

    line: Line
    patience: Patience = field(default_factory=Patience)
    _rest: bytes = b""

    def begin(self) -> None:
        """Wait until the sketch answers, which may only be starting. E0705 where nothing does."""
        if self._heard(self.patience.banner) is not None:
            self._hush()
        for seconds in self.patience.asked:
            self.line.write(b"stats\n")
            if self._heard(seconds) is not None:
                self._hush()
                return
        help = "flash a sketch that learns, such as `mcugen trainer --as platformio` writes; it may also be another board's port"
        raise error("E0705", "nothing at the serial port answers", help=help)

    def say(self, text: str) -> str:
        """The answer to a line. E0705 where none comes."""
        self.line.write(text.encode() + b"\n")
        found = self._heard(self.patience.answer)
        if found is None:
            help = "check the cable and the power supply, and that the sketch reads lines while it learns"
            raise error("E0705", f"the board gave no answer in {self.patience.answer:g} s", help=help)
        return found

    def learn(self, number: int, row: str) -> int:
        """What the board took a row for. E0110 where it refuses the row, E0705 where it answers something else."""
        said = self.say(row)
        if taken := re.match(r"(\d+)\b", said):
            return int(taken[1])
        if re.match(r"error\b|-\d", said):
            help = "give rows as the sketch takes them: it was made for so many numbers, of a type, and so many classes"
            raise error(
                "E0110", f"the board refuses row {number}: {row[:60]}", help=help, notes=[f"it says {said[:SHOWN]}"]
            )
        help = "teach it from the first row again; if it happens again, look after its power supply"
        raise error(
            "E0705",
            f"the board does not answer row {number}: was it reset?",
            help=help,
            notes=[f"it says {said[:SHOWN]}"],
        )

    def state(self) -> bytes:
        """All that the board has learnt. E0705 where the sketch does not say it."""
        said = self.say("state")
        if re.fullmatch(r"([0-9A-Fa-f]{2})+", said):
            return bytes.fromhex(said)
        help = "add the word `state` to it, as the sketch of `mcugen trainer --as platformio` has it, or teach it without --state"
        raise error("E0705", "the sketch does not say what it has learnt", help=help, notes=[f"it says {said[:SHOWN]}"])

    def _heard(self, seconds: float) -> str | None:
        """The next line that is not empty; None where none ends within so many seconds."""
        until = time.monotonic() + seconds
        while True:
            line, end, rest = self._rest.partition(b"\n")
            if end:
                self._rest = rest
                if text := line.decode(errors="replace").strip():
                    return text
                continue
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._rest += self.line.read(left)

    def _hush(self) -> None:
        """Let the sketch say all that it has to say; one that never stops is taken as it is."""
        until = time.monotonic() + 10 * self.patience.still
        while self.line.read(self.patience.still) and time.monotonic() < until:
            pass
        self._rest = b""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows to be sent: numbers (rows, features), and the class of each, -1 where it is unknown."""

    numbers: Array
    classes: Sequence[int]

    def texts(self, learnt: bool) -> Iterator[str]:
        """A line a row; where it is not to be learnt, without its class."""
        for numbers, one in zip(self.numbers, self.classes, strict=True):
            first = str(one) if learnt and one >= 0 else UNKNOWN
            yield ",".join([first, *(format(number, ".9g") for number in numbers)])


def classes_of(labels: Sequence[str], known: Sequence[str] | None) -> list[int]:
    """The class of each label: its place in `known`, or the whole number that it is; -1 for an empty one and for ?. E0110."""
    place = {label: at for at, label in enumerate(known or ())}
    return [-1 if label in ("", UNKNOWN) else _class(label, place) for label in labels]


def _class(label: str, place: Mapping[str, int]) -> int:
    if label in place:
        return place[label]
    if place:
        raise error("E0110", f"{label[:40]!r} is none of the classes", help=f"they are {', '.join(place)}")
    if re.fullmatch(r"\d{1,5}(\.0*)?", label, re.ASCII):
        return int(float(label))
    help = "name the classes in the order in which the trainer knows them: --classes A,B,..."
    raise error("E0110", f"the label {label[:40]!r} is no class's number", help=help)


@dataclass(frozen=True)
class Judged:
    """What rows were taken for, beside the classes that they have; rows whose class is unknown do not count."""

    said: Sequence[int]
    classes: Sequence[int]

    @property
    def known(self) -> int:
        """Rows whose class is known."""
        return sum(one >= 0 for one in self.classes)

    @property
    def right(self) -> int:
        """Of these, the ones that were taken for it."""
        return sum(said == one for said, one in zip(self.said, self.classes, strict=True))

    @property
    def accuracy(self) -> float:
        """The part of them; 0 where nothing is known."""
        return self.right / max(self.known, 1)

    def last(self, rows: int) -> Judged:
        """The same of the last rows alone."""
        return Judged(self.said[-rows:], self.classes[-rows:])

    @property
    def recall(self) -> dict[int, float]:
        """The part of each class's rows that was taken for it."""
        said, classes = np.array(self.said), np.array(self.classes)
        return {int(one): float(np.mean(said[classes == one] == one)) for one in np.unique(classes[classes >= 0])}

    @property
    def balanced(self) -> float:
        """The mean of `recall`; 0 where nothing is known."""
        return float(np.mean([*self.recall.values()])) if self.known else 0.0
