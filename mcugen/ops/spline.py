"""spline: the basis functions of a feature's splines, of which few are not 0 at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Form, Work
from mcugen.rows import RowOp, single
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
LARGEST = np.finfo(np.float32).max
JUMP = 1e-3  # of 1, which functions add up to: more than they change from one float to the next


@dataclass(frozen=True, eq=False)
class Pieces:
    """One feature: between its edges it has a piece each, (pieces,), and one edge less, float32 that rise.

    A piece begins on its edge. In it, with u = (x - origin) · scale, the basis functions from `first` on are the polynomials of u
    in `blocks` (pieces, functions, powers), from the constant up; the others are 0. With a `period`, x is first taken to
    start + (x - start) modulo period.
    """

    edges: Singles
    origin: Singles
    scale: Singles
    first: npt.NDArray[np.int64]
    blocks: Floats
    start: float = 0.0
    period: float = 0.0


@dataclass(frozen=True, eq=False)
class Spline(RowOp):
    """The basis functions of each feature's spline, polynomials between knots, in float32.

    features  a feature's pieces each, all with as many functions and powers, all periodic or none
    each      functions of a feature, of which the first `kept` are given
    zeros     whether NaN gives 0 for all, else NaN
    level     whether infinity counts as the largest number, since beyond the outer edges nothing changes

    Input `f32` (features,), output `f32` (features · kept,), all of the first feature first.
    """

    name: ClassVar[str] = "spline"

    features: tuple[Pieces, ...]
    each: int
    kept: int
    zeros: bool = False
    level: bool = False

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this one needs
        return ("math.h",) * self.periodic + ("float.h",) * self.level

    @property
    def width(self) -> int:
        return len(self.features)

    @property
    def height(self) -> int:
        return self.width * self.kept

    @property
    def periodic(self) -> bool:
        """Whether features are taken into a period."""
        return self.features[0].period > 0

    @property
    def jumps(self) -> bool:
        """Whether a function is not where the piece before it ended: knots repeat."""
        return any(self._jumps(one) for one in self.features)

    def _jumps(self, pieces: Pieces) -> bool:
        for i, edge in enumerate(pieces.edges.astype(np.float64)):
            ends = np.zeros((2, self.each))
            for side, at in enumerate((i, i + 1)):
                u = (edge - pieces.origin[at]) * float(pieces.scale[at])
                for j, block in enumerate(pieces.blocks[at]):
                    ends[side, (pieces.first[at] + j) % self.each] = np.polynomial.polynomial.polyval(u, block)
            if np.abs(ends[0] - ends[1]).max() > JUMP:
                return True
        return False

    @cached_property
    def blocks(self) -> tuple[Singles, npt.NDArray[np.int64]]:
        """The different polynomials, and which each piece has: knots at equal distances have the same."""
        every = single(np.concatenate([one.blocks for one in self.features]))
        kept, index = np.unique(every.reshape(len(every), -1), axis=0, return_inverse=True)
        return kept.reshape(-1, *every.shape[1:]), index.ravel()

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        starts = np.cumsum([0, *(len(one.scale) for one in self.features)])
        with np.errstate(all="ignore"):
            found = [self._one(value, *one) for value, *one in zip(x, self.features, starts, strict=False)]
        return (np.concatenate(found),)

    def _one(self, x: np.float32, pieces: Pieces, start: int) -> Singles:
        found = np.zeros(self.each, np.float32)
        if np.isnan(x):
            return np.full(self.kept, np.float32(0 if self.zeros else np.nan))
        if self.level:
            x = np.clip(x, -LARGEST, LARGEST)
        if self.periodic:
            period = np.float32(pieces.period)
            x = x - np.float32(pieces.start)
            x = x - np.floor(x / period) * period
        at = int((pieces.edges <= x).sum())
        u = (x - pieces.origin[at]) * pieces.scale[at]
        blocks, index = self.blocks
        block = blocks[index[start + at]]
        value = block[:, -1]
        for power in reversed(range(block.shape[1] - 1)):
            value = value * u + block[:, power]
        for i, one in enumerate(value):
            found[(pieces.first[at] + i) % self.each] = one
        return found[: self.kept]

    def describe(self) -> str:
        _, functions, powers = self.blocks[0].shape
        kind = f" periodic{' zeros' * self.zeros}" if self.periodic else " zeros" * self.zeros + " level" * self.level
        return f"features={self.width} functions={self.kept} of {functions} degree={powers - 1}{kind}"

    def forms(self, target: Target) -> tuple[Form, ...]:
        check_tables([4 * self.blocks[0].size], target, self.smaller())
        return ()

    def smaller(self) -> tuple[str, ...]:
        return ("use fewer knots (`n_knots`), or knots at equal distances",)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        counts = [len(one.scale) for one in self.features]
        blocks, _ = self.blocks
        tables = (
            4 * blocks.size + sum(counts) * (4 + 4 + 4 + 2 + 2) + 2 * (self.width + 1) + 8 * self.width * self.periodic
        )
        more = {"halvings": sum(log2(count) for count in counts), "products": float(self.width * blocks[0].size)}
        return loop(self.width, "periodic" * self.periodic, tables=tables, more={**more, "outputs": float(self.height)})

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Numbers between the outer edges, on all of them, and somewhat beyond."""
        count = min(limit, 2_000)
        return (np.stack([self._near(one, count, rng) for one in self.features], axis=1),)

    @staticmethod
    def _near(one: Pieces, count: int, rng: np.random.Generator) -> Singles:
        edges = one.edges.astype(np.float64) + one.start if len(one.edges) else np.array([one.start])
        low, width = edges[0], max(float(np.ptp(edges)), one.period, float(np.abs(edges).max()) * 2.0**-20)
        found = np.where(rng.random(count) < 0.2, rng.choice(edges, count), low + width * rng.uniform(-0.5, 1.5, count))
        return single(found)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        blocks, index = self.blocks
        lowest = np.array([np.finfo(np.float32).min], np.float32)  # below it, no piece begins
        return {
            "size": self.width,
            "each": self.each,
            "kept": self.kept,
            "zeros": self.zeros,
            "level": self.level,
            "wraps": bool(any((one.first + blocks.shape[1] > self.each).any() for one in self.features)),
            "starts": np.cumsum([0, *(len(one.scale) for one in self.features)]).tolist(),
            "edges": np.concatenate([np.concatenate([lowest, one.edges]) for one in self.features]),
            "origin": np.concatenate([one.origin for one in self.features]),
            "scale": np.concatenate([one.scale for one in self.features]),
            "first": np.concatenate([one.first for one in self.features]).tolist(),
            "block": index.tolist(),
            "blocks": blocks,
            "start": single([one.start for one in self.features]) if self.periodic else None,
            "period": single([one.period for one in self.features]) if self.periodic else None,
        }
