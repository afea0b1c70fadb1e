"""normalize: scikit-learn's Normalizer, and ONNX's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mcugen import pairs
from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import Floats, Pair
from mcugen.rows import RowOp
from mcugen.templating import c_lit
from mcugen.work.loops import loop

Norm = Literal["l1", "l2", "max"]
EXPONENT = np.uint32(0x7F800000)  # the bits of a float that are its power of two
SMALLEST = float(10 * np.finfo(np.float64).eps)  # what scikit-learn takes for no norm at all


@dataclass(frozen=True, eq=False)
class Normalize(RowOp):
    """y = x / norm(x): the sum of sizes (l1), the root of the sum of squares (l2), or the largest size (max).

    Input and output `f32` (features,). A row whose norm is under `smallest` stays as it is. Everything is worked out of x
    divided by its largest size, so that neither squares nor sums leave a float's range.

    With `pairs` the output is `f32` (2 features,), all y and then what their rounding took off (mcugen/pairs.py), and everything is
    worked out in pairs, of x divided by a power of two. With `of_pairs` the input is `f32` (2 features,), of the same kind.
    """

    name: ClassVar[str] = "normalize"
    onnx: ClassVar[tuple[str, ...]] = ("ai.onnx.ml.Normalizer",)

    features: int
    norm: Norm = "l2"
    smallest: float = SMALLEST
    pairs: bool = False
    of_pairs: bool = False

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this norm needs
        return ("math.h",) if self.norm == "l2" else ()

    @property
    def width(self) -> int:
        return 2 * self.features if self.of_pairs else self.features

    @property
    def height(self) -> int:
        return 2 * self.features if self.pairs else self.features

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        if self.pairs:
            return (self._in_pairs(x),)
        with np.errstate(all="ignore"):
            largest = np.float32(np.fmax.reduce(np.abs(x), initial=0))
            if largest == 0:
                return (x.copy(),)
            y = x / largest
            total = np.float32(1)
            if self.norm != "max":
                parts = np.abs(y) if self.norm == "l1" else y * y
                total = np.add.accumulate(parts, dtype=np.float32)[-1]  # one after the other, as the C adds
            total = np.sqrt(total) if self.norm == "l2" else total
            return (x.copy() if largest * total < np.float32(self.smallest) else y / total,)

    def _in_pairs(self, x: Floats) -> Floats:
        rest = x[self.features :] if self.of_pairs else np.zeros_like(x)
        x, zero = x[: self.features], np.zeros(1, np.float32)
        with np.errstate(all="ignore"):
            power = (np.fmax.reduce(np.abs(x), initial=np.float32(0), keepdims=True).view(np.uint32) & EXPONENT).view(
                x.dtype
            )
            given = np.concatenate([x, rest])
            if power == 0:
                return given
            y, left = x / power, rest / power
            size, size_rest = np.where(y < 0, -y, y), np.where(y < 0, -left, left)
            total = zero, zero
            for i in range(self.features):
                part = size[i : i + 1], size_rest[i : i + 1]
                if self.norm == "max":
                    total = part if part[0] > total[0] or (part[0] == total[0] and part[1] > total[1]) else total
                else:
                    total = pairs.total(total, pairs.product(part, part) if self.norm == "l2" else part)
            norm, norm_rest = _root(total) if self.norm == "l2" else total
            if power * norm < np.float32(self.smallest):
                return given
            whole = y / norm
            product = whole * norm
            missing = (y - product) - pairs.product_rest(whole, norm, product) + (left - whole * norm_rest)
            return np.concatenate(pairs.renewed(whole, missing / norm))

    def describe(self) -> str:
        return f"features={self.features} norm={self.norm}{' pairs' * self.pairs}{' of pairs' * self.of_pairs}"

    def macc(self, *inputs: TensorType) -> int:
        return self.features

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.features, self.norm, f"{self.norm} pairs" * self.pairs, "of pairs" * self.of_pairs)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        rows = rng.standard_normal((min(limit, 1_000), self.features))
        rows *= rng.choice([1e-30, 1e-14, 1e-3, 1, 1e3, 1e30], (len(rows), 1))
        rows = np.where(rng.random(rows.shape) < 0.1, 0, rows)
        return (np.concatenate(pairs.pair_of(rows), axis=1) if self.of_pairs else rows.astype(np.float32),)

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        return () if self.pairs or self.of_pairs else (y,)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "size": self.features,
            "pairs": self.pairs,
            "of_pairs": self.of_pairs,
            "norm": self.norm,
            "smallest": c_lit(np.float32(self.smallest)) if self.smallest else "",
        }


def _root(total: Pair) -> Pair:
    """The square root of a pair: a float's, and what a step of Newton's adds to it."""
    root = np.sqrt(total[0])
    product = root * root
    missing = (total[0] - product) - pairs.product_rest(root, root, product) + total[1]
    return pairs.renewed(root, missing / (root + root))
