"""kernel_values: the kernel of a row and each support vector, for sums in which float32 and integers of 32 bits cancel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import e, log, log2
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen import pairs
from mcugen.boards import AVR_NEAR, Target
from mcugen.ir import Array, TensorType
from mcugen.op import Form, Work
from mcugen.ops.svm.machine import Kernel
from mcugen.pairs import (
    NOTHING,
    TERMS,
    Pair,
    difference_rest,
    negative,
    pair_of,
    power_of_two,
    product_rest,
    quotient,
    renewed,
    root,
    series_of_e,
    total,
)
from mcugen.rows import RowOp, single
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]

LOG_TERMS = 10  # of the series of the logarithm, for at most (sqrt(2) - 1) / (sqrt(2) + 1): likewise
HALF = np.float32(0.5**0.5)
OF_PRODUCTS = ("poly", "sigmoid")


@dataclass(frozen=True, eq=False)
class KernelValues(RowOp):
    """y[k] = the kernel of x and t_k (mcugen/ops/svm/machine.py), as sums of two floats (mcugen/pairs.py).

    Input `f32` (features,), output `f32` (2 vectors,): all values, then what their rounding took off. vectors (vectors, features)
    float64, kept as pairs. A value is off by about 2^-43 of itself, and of the product's parts where it is a power; values
    of powers of e below 2^-100 are 0. With `of_pairs` the input is `f32` (2 features,), sums of two floats, too.
    """

    name: ClassVar[str] = "kernel_values"
    includes: ClassVar[tuple[str, ...]] = ("float.h", "math.h")

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

    @property
    def _of_products(self) -> bool:
        return self.kernel.name in OF_PRODUCTS

    @property
    def _linear(self) -> bool:
        """Whether distances are sums of differences, not of their squares."""
        return self.kernel.name == "laplacian"

    @cached_property
    def _up(self) -> float:
        """The power of two that brings distances to where the kernel falls."""
        size = (self.kernel.gamma or 1.0) ** (1 if self._linear else 0.5)
        return float(2.0 ** np.clip(np.frexp(size)[1], -120, 120))

    @cached_property
    def _points(self) -> Pair:
        return pair_of(self.vectors * (self.kernel.gamma if self._of_products else self._up))

    @cached_property
    def _factor(self) -> Pair:
        """What a scaled distance is multiplied with: to give the power of two, or what the kernel is a function of."""
        base = log2(e) if self.kernel.name in ("rbf", "laplacian") else 1.0
        return pair_of(self.kernel.gamma / self._up ** (1 if self._linear else 2) * base)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        with np.errstate(all="ignore"):
            found = self._polynomials(x) if self._of_products else self._of_distances(self._distances(x))
        return (np.concatenate(found).astype(np.float32),)

    def _of_distances(self, sums: Pair) -> Pair:
        name, far = self.kernel.name, pairs.product(sums, self._factor)
        if name in ("rbf", "laplacian"):
            return power_of_two(far)
        if name == "squares":
            return far
        if name == "rational":
            return power_of_two(pairs.product(_logarithms(total(far, pair_of(1))), pair_of(self.kernel.power)))
        d = root(far)
        fall = power_of_two(pairs.product(d, pair_of(log2(e))))
        if name == "matern1":
            return fall
        rise = total(d, pair_of(1))
        if name == "matern5":
            rise = total(rise, pairs.product(far, pair_of(1 / 3)))
        return pairs.product(fall, rise)

    def _distances(self, x: npt.NDArray[np.float32]) -> Pair:
        at, rest = self._points
        x = x * np.float32(self._up)
        sums = _zeros(len(at))
        for i in range(self.features):
            off = x[i] - at[:, i]
            missing = difference_rest(np.full_like(off, x[i]), at[:, i], off) - rest[:, i]
            if self.of_pairs:
                missing = missing + x[self.features + i]
            if self._linear:
                sums = total(sums, _absolute(renewed(off, missing)))
                continue
            square = off * off
            sums = total(sums, (square, product_rest(off, off, square) + (np.float32(2) * off + missing) * missing))
        return sums

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
        if self.kernel.name == "sigmoid":
            return _tangents(sums)
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
        tables = (
            8 * self.vectors.size + 8 * (TERMS + 1) * self._falls + 8 * LOG_TERMS * (self.kernel.name == "rational")
        )
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

    @property
    def _falls(self) -> bool:
        """Whether there are powers of e."""
        return self.kernel.name not in ("poly", "squares")

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        first, rest = self._points
        return {
            "kernel": self.kernel.name,
            "of_products": self._of_products,
            "linear": self._linear,
            "falls": self._falls,
            "degree": self.kernel.degree,
            "features": self.features,
            "of_pairs": self.of_pairs,
            "vectors": len(self.vectors),
            "points": first.reshape(-1),
            "rests": rest.reshape(-1),
            "series": np.stack(series_of_e(), axis=-1).reshape(-1),
            "terms": TERMS,
            "log_series": np.stack(_log_series(), axis=-1).reshape(-1),
            "log_terms": LOG_TERMS,
            "up": np.float32(self._up),
            "factor": self._factor,
            "power": pair_of(self.kernel.power),
            "log2": pair_of(log(2)),
            "log2e": pair_of(log2(e)),
            "two_log2e": pair_of(2 * log2(e)),
            "third": pair_of(1 / 3),
            "half": HALF,
            "offset": pair_of(self.kernel.coef0),
            "nothing": np.float32(NOTHING),
        }


def _logarithms(a: Pair) -> Pair:
    """The logarithm to base 2 of numbers from 1 on; infinity of infinity and of what is none."""
    finite = a[0] <= np.finfo(np.float32).max
    a = tuple(np.where(finite, part, np.float32(1)) for part in a)  # type: ignore[assignment]  # of two
    mantissa, exponent = np.frexp(a[0])
    exponent = exponent - (mantissa < HALF)
    m = np.ldexp(a[0], -exponent), np.ldexp(a[1], -exponent)
    t = quotient(total(m, pair_of(-1)), total(m, pair_of(1)))
    value = pairs.product(pairs.polynomial(_log_series(), pairs.product(t, t)), t)
    found = total(value, (exponent.astype(np.float32), np.float32(0)))  # type: ignore[arg-type]  # as wide
    return np.where(finite, found[0], np.float32(np.inf)), np.where(finite, found[1], np.float32(0))


def _tangents(a: Pair) -> Pair:
    """The hyperbolic tangent."""
    fall = power_of_two(pairs.product(_absolute(a), pair_of(2 * log2(e))))
    found = quotient(total(negative(fall), pair_of(1)), total(fall, pair_of(1)))
    return _where(a[0] < 0, negative(found), found)


def _absolute(a: Pair) -> Pair:
    return _where(a[0] < 0, negative(a), a)


def _where(asked: npt.NDArray[np.bool_], a: Pair, b: Pair) -> Pair:
    return np.where(asked, a[0], b[0]), np.where(asked, a[1], b[1])


def _log_series() -> Pair:
    """2 / ln(2) / (2 k + 1) from k = 0 on: log2 of (1 + t) / (1 - t) is t times the sum of these times t^2k."""
    return pair_of([2 / log(2) / (2 * k + 1) for k in range(LOG_TERMS)])


def _zeros(count: int) -> Pair:
    return np.zeros(count, np.float32), np.zeros(count, np.float32)
