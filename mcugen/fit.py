"""Which boards a model fits: it is read once, then taken through passes, plan and report for every board."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcugen.boards import Board, Numeric, Optimize, Target, all_boards
from mcugen.compile import settle
from mcugen.diagnostics import Diagnostic, McugenError
from mcugen.frontends import Source
from mcugen.ram import Ram
from mcugen.report import Report, require_fit


@dataclass(frozen=True)
class Verdict:
    """A model on one board: its report, or None where the model cannot be emitted for it at all, and what is in the way."""

    board: Board
    report: Report | None
    problems: tuple[Diagnostic, ...] = ()

    @property
    def fits(self) -> bool | None:
        """Whether nothing is in the way; None where that hangs on the framework's share, which is unknown."""
        return self.report.fits if self.report and not self.problems else False


def fit(
    source: Source,
    optimize: Optimize = "auto",
    numeric: Numeric = "auto",
    boards: Iterable[Board] | None = None,
    ram: tuple[Ram, ...] = (),
) -> tuple[Verdict, ...]:
    """The verdict for every board that comes with mcugen (or for `boards`), by name; `host` is none. Nothing is built."""
    real = (board for board in all_boards() if board.arch != "host")
    return tuple(_judged(source, board, optimize, numeric, ram) for board in boards or real)


def _judged(source: Source, board: Board, optimize: Optimize, numeric: Numeric, ram: tuple[Ram, ...]) -> Verdict:
    try:
        target = Target(board, optimize, numeric, ram=ram)
    except McugenError as problem:  # a memory that is larger than the board's
        return Verdict(board, None, problem.diagnostics)
    return judge(source, target)


def judge(source: Source, target: Target) -> Verdict:
    """The verdict for one board. What is not about the board was refused when the model was read."""
    found = None
    try:
        found = settle(source, target).report
        require_fit(found, source.loc)
    except McugenError as problem:
        return Verdict(target.board, found, problem.diagnostics)
    return Verdict(target.board, found)
