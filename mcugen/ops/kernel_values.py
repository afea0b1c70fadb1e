"""kernel_values: the kernel of a row and each support vector, for sums in which float32 and integers of 32 bits cancel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import e, factorial, log, log2
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen import pairs
from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Form, Work
from mcugen.ops.svm.machine import Kernel
from mcugen.ops.tree_ensemble.forms import AVR_NEAR
from mcugen.pairs import Pair, difference_rest, pair_of, product_rest, renewed, total
from mcugen.rows import RowOp, single
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]

NOTHING = 100.0  # a power of two below that of -NOTHING counts as 0
TERMS = 11  # of the series of e, for at most ln(2) / 2: what is left out is below 2**-47


@dataclass(frozen=True, eq=False)
class KernelValues(RowOp):
    """y[k] = exp(-gamma |x - t_k|²), or (gamma x·t_k + coef0)^degree, as sums of two floats (mcugen/pairs.py).

    Input `f32` (features,), output `f32` (2 vectors,): all values, then what their rounding took off. vectors (vectors, features)
    float64, kept as pairs. A value is off by about 2^-43 of itself, and of the product's parts where it is a power; values
    below 2^-100 are 0. With `of_pairs` the input is `f32` (2 features,), sums of two floats, too.
    """

    name: ClassVar[str] = "kernel_values"
    includes: ClassVar[tuple[str, ...]] = ("math.h",)

    kernel: Kernel
    vectors: Floats
    of_pairs: bool = False

    @property
    def features(self) -> int:
        """Numbers that a vector has."""
        return int(self.vectors.shape[1])

    @property
    def width(self) -> int:
        return 2 * self.features if self.of_pairs else self.features

    @property
    def height(self) -> int:
        return 2 * len(self.vectors)

    @cached_property
    def _up(self) -> float:
        """The power of two that brings distances to where the kernel falls."""
        return float(2.0 ** np.clip(np.frexp(np.sqrt(self.kernel.gamma or 1.0))[1], -120, 120))

    @cached_property
    def _points(self) -> Pair:
        factor = self._up if self.kernel.name == "rbf" else self.kernel.gamma
        return pair_of(self.vectors * factor)

    @cached_property
    def _factor(self) -> Pair:
        """What a scaled square is multiplied with to give the power of two."""
        return pair_of(self.kernel.gamma / self._up**2 * log2(e))

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        with np.errstate(all="ignore"):
            found = self._powers(self._squares(x)) if self.kernel.name == "rbf" else self._polynomials(x)
        return (np.concatenate(found).astype(np.float32),)

    def _squares(self, x: npt.NDArray[np.float32]) -> Pair:
        at, rest = self._points
        x = x * np.float32(self._up)
        sums = _zeros(len(at))
        for i in range(self.features):
            off = x[i] - at[:, i]
            missing = difference_rest(np.full_like(off, x[i]), at[:, i], off) - rest[:, i]
            if self.of_pairs:
                missing = missing + x[self.features + i]
            square = off * off
            sums = total(sums, (square, product_rest(off, off, square) + (np.float32(2) * off + missing) * missing))
        return sums

    def _powers(self, squares: Pair) -> Pair:
        a = pairs.product(squares, self._factor)
        near = a[0] < np.float32(NOTHING)
        a = tuple(np.where(near, part, np.float32(0)) for part in a)  # type: ignore[assignment]  # of two
        whole = np.floor(a[0] + np.float32(0.5))
        t = pairs.product(renewed(whole - a[0], -a[1]), pair_of(log(2)))
        first, rest = _series()
        value = (np.full_like(whole, first[-1]), np.full_like(whole, rest[-1]))
        for k in range(TERMS - 1, -1, -1):
            value = total(pairs.product(value, t), (np.full_like(whole, first[k]), np.full_like(whole, rest[k])))
        down = -whole.astype(np.int64)
        return tuple(np.where(near, np.ldexp(part, down), np.float32(0)) for part in value)  # type: ignore[return-value]

    def _polynomials(self, x: npt.NDArray[np.float32]) -> Pair:
        at, rest = self._points
        first, second = pair_of(np.full(len(at), self.kernel.coef0))
        sums: Pair = (first, second)
        for i in range(self.features):
            product = x[i] * at[:, i]
            left = product_rest(np.full_like(product, x[i]), at[:, i], product) + x[i] * rest[:, i]
            if self.of_pairs:
                left = left + x[self.features + i] * at[:, i]
            sums = total(sums, (product, left))
        value = sums
        for _ in range(1, self.kernel.degree):
            value = pairs.product(value, sums)
        return value

    def describe(self) -> str:
        return f"kernel={self.kernel} vectors={len(self.vectors)}{' of pairs' if self.of_pairs else ''}"

    def macc(self, *inputs: TensorType) -> int:
        return int(self.vectors.size)

    def forms(self, target: Target) -> tuple[Form, ...]:
        near = 8 * self.vectors.size <= AVR_NEAR  # both tables are
        check_tables(
            [(4 if near else 8) * self.vectors.size],
            target,
            ("scale the features first, as with `make_pipeline(StandardScaler(), SVC())`",),
        )
        return ()

    def work(self, target: Target, *inputs: TensorType) -> Work:
        tables = 8 * self.vectors.size + 8 * (TERMS + 1) * (self.kernel.name == "rbf")
        name = self.kernel.name
        more = {f"vectors {name}": float(len(self.vectors)), f"elements {name}": float(self.vectors.size)}
        return loop(self.vectors.size, kinds=(name,), tables=tables, more=more)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Vectors, rows between two of them, and rows beyond them."""
        first, second = (self.vectors[rng.integers(len(self.vectors), size=min(limit, 500))] for _ in range(2))
        beyond = first + rng.standard_normal(first.shape) * np.ptp(self.vectors, axis=0)
        rows = np.concatenate([first, first + (second - first) * rng.random((len(first), 1)), beyond])
        rows = rng.permutation(rows)[:limit]
        return (np.concatenate(pair_of(rows), axis=1) if self.of_pairs else single(rows),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return self.probe(limit, rng)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        first, rest = self._points
        series, series_rest = _series()
        log_two, offset = pair_of(log(2)), pair_of(self.kernel.coef0)
        return {
            "kernel": self.kernel.name,
            "degree": self.kernel.degree,
            "features": self.features,
            "of_pairs": self.of_pairs,
            "vectors": len(self.vectors),
            "points": first.reshape(-1),
            "rests": rest.reshape(-1),
            "series": np.stack([series, series_rest], axis=-1).reshape(-1),
            "terms": TERMS,
            "up": np.float32(self._up),
            "factor": self._factor,
            "log2": log_two,
            "offset": offset,
            "nothing": np.float32(NOTHING),
        }


def _series() -> Pair:
    """1 / k! from k = 0 on."""
    return pair_of([1 / factorial(k) for k in range(TERMS + 1)])


def _zeros(count: int) -> Pair:
    return np.zeros(count, np.float32), np.zeros(count, np.float32)
