"""A simulator's serial port on its standard input and output: a sketch in it as on a line."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mcugen.diagnostics import McugenError

ENDING = 5.0  # seconds that a simulator may take to end, once it has closed its output


@dataclass(frozen=True)
class PipedLine:
    """A running simulator as a line of bytes (`mcugen.targets.link.Line`).

    crashed  the error to raise where it has ended, of its exit status and what it said of it
    """

    process: subprocess.Popen[bytes]
    crashed: Callable[[int, str], McugenError]

    def write(self, data: bytes) -> None:
        """Send all of it."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
        except OSError as problem:
            raise self._ended() from problem

    def read(self, seconds: float) -> bytes:
        """What has come, at least one byte; empty where none came for so many seconds."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ready:
            return b""
        came = os.read(self.process.stdout.fileno(), 4096)
        if not came:
            raise self._ended()
        return came

    def _ended(self) -> McugenError:
        assert self.process.stderr is not None
        try:
            status = self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return self.crashed(status, self.process.stderr.read().decode(errors="replace").strip())


@contextmanager
def piped(command: Sequence[str], crashed: Callable[[int, str], McugenError]) -> Iterator[PipedLine]:
    """A simulator that runs until the block is left, and its line."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        try:
            yield PipedLine(process, crashed)
        finally:
            process.kill()
