"""Functions of one number that are straight between knots, and the few floats that say as much of them as float32 can ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mcugen.ops.tree_ensemble.trees import float32_not_above

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Seen = Callable[[Floats], Floats]
MOVED = 1e-6  # of values, of 1 where they are larger: what leaving points out may move one by


@dataclass(frozen=True, eq=False)
class Curve:
    """A function of float64: straight from one knot to the next, where it may jump; beyond the outer ones it keeps their values.

    All (knots,) float64: `knots` that rise; what the function comes to at a knot from `below`, is `at` it, and begins with `above`.
    It is worked out as NumPy's `interp` does, to the last digit, with `both` as the mean from the knot below and from the one above.
    """

    knots: Floats
    below: Floats
    at: Floats
    above: Floats
    both: bool = False

    @classmethod
    def through(cls, knots: Floats, values: Floats) -> Curve:
        """One that does not jump."""
        return cls(knots, values, values, values)

    def of(self, x: Floats) -> Floats:
        """The function of x (n,); NaN of NaN."""
        last = len(self.knots) - 1
        behind = np.searchsorted(self.knots, x)
        low, high = np.maximum(behind - 1, 0), np.minimum(behind, last)
        width = np.where(high > low, self.knots[high] - self.knots[low], 1.0)
        slope = (self.below[high] - self.above[low]) / width
        found = slope * (x - self.knots[low]) + self.above[low]
        if self.both:
            found = 0.5 * (found - (slope * (self.knots[high] - x) - self.below[high]))
        found = np.where(behind == 0, self.below[0], np.where(behind > last, self.above[last], found))
        return np.where(np.isnan(x), np.nan, np.where(self.knots[high] == x, self.at[high], found))

    def answering(self, low: Floats, x: Floats, high: Floats, numbers: Floats, seen: Seen = np.asarray) -> Curve:
        """The curve that is at x (n,), which rise, what this one is at `numbers` beside them, and the same from the numbers `low` and `high`
        on that are next to each. Where that moves what is `seen` by less than MOVED, it stays as it is.
        """
        moved = np.abs(seen(self.of(numbers)) - seen(self.of(x))) > MOVED
        low, x, high, numbers = low[moved], x[moved], high[moved], numbers[moved]
        starts, ends = np.searchsorted(self.knots, low, side="right"), np.searchsorted(self.knots, high)
        hidden = np.zeros(len(self.knots) + 1, np.int64)  # knots between the floats below and above one of x
        np.add.at(hidden, starts, 1)
        np.add.at(hidden, ends, -1)
        kept = self.knots[np.cumsum(hidden)[:-1] == 0]
        knots = np.unique(
            np.concatenate([kept, low, high, x, numbers])
        )  # what is filled in may be such a number itself
        at = self.of(knots)
        below, above = at.copy(), at.copy()
        known = np.isin(knots, self.knots)
        place = np.searchsorted(self.knots, knots[known])
        below[known], above[known] = self.below[place], self.above[place]
        for one in (x, numbers):
            changed = np.searchsorted(knots, one)
            below[changed] = at[changed] = above[changed] = self.of(numbers)
        return replace(self, knots=knots, below=below, at=at, above=above)

    @cached_property
    def rises(self) -> bool:
        """Whether it never falls."""
        return bool((np.diff(np.stack([self.below, self.at, self.above], axis=1).ravel()) >= 0).all())

    def points(self, within: bool = False, seen: Seen = np.asarray) -> tuple[Singles, Floats]:
        """Points of float32 that rise, and the function there: straight between these it is what it is for every float32.

        A jump is two points with no float between them. Where a knot is no float32, the nearest stands for it if that moves no
        value by more than MOVED, else those on either side.

        within  no points beyond the outer knots; there may be none at all then
        seen    what is made of values (n,) in the end, which is what counts
        """
        beside, chosen = self._beside()
        if within:
            beside = beside[(beside >= self.knots[0]) & (beside <= self.knots[-1])]
            chosen = np.unique(np.concatenate([beside[:1], np.intersect1d(chosen, beside), beside[-1:]]))
        exact = seen(self.of(beside.astype(np.float64)))
        most = MOVED * min(1.0, float(np.abs(exact).max(initial=0.0)))
        for _ in beside:
            found = np.interp(beside, chosen, self.of(chosen.astype(np.float64)))
            off = np.abs(seen(found) - exact)
            if (off <= most).all():
                break
            chosen = np.union1d(chosen, beside[off > most])
        chosen = np.union1d(chosen, self._zeros(chosen))
        return chosen, self.of(chosen.astype(np.float64))

    def _beside(self) -> tuple[Singles, Singles]:
        """The floats on, or next to, all knots; and those of them that are needed at least: what is level stays so exactly."""
        low = float32_not_above(self.knots)
        jumps = (self.below != self.at) | (self.at != self.above)
        on = low == self.knots
        high = np.where(on & ~jumps, low, np.nextafter(low, np.float32(np.inf)))
        under = np.nextafter(low, np.float32(-np.inf))[on & jumps]
        level = self.below[1:] == self.above[:-1]
        kept = np.select([np.append(True, level), np.append(level, True)], [low, high], self.knots.astype(np.float32))
        needed = np.concatenate([kept, low[jumps], high[jumps], under])
        return np.unique(np.concatenate([low, high, under])), np.unique(needed)

    def _zeros(self, chosen: Singles) -> Singles:
        """The floats at which it becomes 0 between points: near 0 a number is as exact as it is small."""
        values = self.of(chosen.astype(np.float64))
        at = np.flatnonzero(values[:-1] * values[1:] < 0)
        x = chosen.astype(np.float64)
        return (x[at] - values[at] / (values[at + 1] - values[at]) * (x[at + 1] - x[at])).astype(np.float32)
