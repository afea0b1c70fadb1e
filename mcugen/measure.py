"""A model in its board's simulator: the same comparison as on the host, and the cycles and the stack of every call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcugen.compile import Compiled
from mcugen.ir import Array
from mcugen.targets import toolchain_for
from mcugen.verify import Proof, checked_rows, probe, prove

BUDGET = 400_000_000  # simulated cycles that a proof without data may take: about ten seconds
FEWEST, MOST = 200, 20_000  # rows of such a proof


@dataclass(frozen=True)
class Measured:
    """The simulator's counts over all rows: cycles of a call, and the deepest stack in bytes, return address included."""

    proof: Proof
    least: int
    mean: float
    most: int
    stack: int


def measure(compiled: Compiled, rows: Array | None = None, *, source: str = "") -> Measured:
    """Run the model on its board's simulator for rows (n, features), or for rows at its thresholds, as many as take seconds.

    E0901 for a board without a simulator, E0601 and E0701 where a tool is missing, E0501 and E0502 where it does not fit,
    E0702 where it crashes.
    """
    board = compiled.target.board
    toolchain = toolchain_for(board)
    data = probe(compiled.module, _limit(compiled)) if rows is None else checked_rows(rows, compiled.module)
    cycles: list[int] = []
    stacks: list[int] = []

    def run(inputs: Sequence[Array]) -> Sequence[Array]:
        (done,) = toolchain.run_rows([compiled.unit], [inputs], board)
        cycles.extend(done.cycles)
        stacks.extend(done.stacks)
        return done.outputs

    text = source or ("threshold rows" if rows is None else "rows")
    proof = prove(compiled.module, compiled.source.reference, data, run, on="simulator", source=text)
    return Measured(proof, min(cycles), sum(cycles) / len(cycles), max(cycles), max(stacks))


def _limit(compiled: Compiled) -> int:
    return max(FEWEST, min(MOST, BUDGET // max(compiled.report.cycles.value, 1)))
