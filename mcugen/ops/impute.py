"""impute: missing values filled in, as scikit-learn's SimpleImputer does."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf, isnan, nan
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.pairs import pair_of
from mcugen.rows import Numbers, RowOp, single
from mcugen.templating import c_floats
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Impute(RowOp):
    """y = fill where x is missing, else x, element by element.

    Missing is NaN, or the number `missing`; with `least` (features,) float64, NaN and what is smaller. fill (features,) float64; NaN there makes missing numbers known as missing to
    what comes after. Input and output `f32` (features,), which may share a buffer. With `pairs` the output is `f32` (2 features,),
    all y and then what their rounding took off (mcugen/pairs.py); with `of_pairs` the input is `f32` (2 features,), of the same kind.
    """

    name: ClassVar[str] = "impute"
    onnx: ClassVar[tuple[str, ...]] = ("ai.onnx.ml.Imputer",)
    in_place: ClassVar[int | None] = 0

    fill: npt.NDArray[np.float64]
    missing: float = nan
    least: npt.NDArray[np.float64] | None = None
    pairs: bool = False
    of_pairs: bool = False

    @property
    def features(self) -> int:
        """Numbers that may be missing."""
        return len(self.fill)

    @property
    def width(self) -> int:
        return 2 * self.features if self.of_pairs else self.features

    @property
    def height(self) -> int:
        return 2 * self.features if self.pairs else self.features

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        if self.pairs:
            fill, rest = pair_of(self.fill)
            x, left = x[: self.features], x[self.features :] if self.of_pairs else np.zeros_like(x)
            gone = self._gone(x)
            return (np.concatenate([np.where(gone, fill, x), np.where(gone, rest, left)]),)
        return (np.where(self._gone(x), single(self.fill), x),)

    def _gone(self, x: Array) -> npt.NDArray[np.bool_]:
        if self.least is None:
            return is_missing(x, self.missing)
        return np.asarray(~(np.asarray(x, np.float32) >= single(self.least)))

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return (0, at) if isnan(self.missing) and self.least is None and not (self.pairs or self.of_pairs) else None

    def exactly(self, at: int, x: Array) -> Array:
        return np.where(np.isnan(x), self.fill[at], x)

    def describe(self) -> str:
        pairs = " pairs" * self.pairs + " of pairs" * self.of_pairs
        least = " least" * (self.least is not None)
        return f"features={self.features} missing={self.missing:g}{least}{pairs}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        fill = Numbers(single(self.fill))
        rest = Numbers(pair_of(self.fill)[1]).nbytes if self.pairs else 0
        marker = "nan" if isnan(self.missing) and self.least is None else "marked"
        least = 0 if self.least is None else Numbers(single(self.least)).nbytes
        return loop(self.features, f"fill {fill.kind}", marker, tables=fill.nbytes + rest + least)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        around = np.nan_to_num(self.fill)
        rows = single(around + rng.standard_normal((min(limit, 2_000), self.features)) * (1 + np.abs(around)))
        rows = np.where(rng.random(rows.shape) < 0.2, np.float32(self.missing), rows)
        return (np.concatenate([rows, rows * np.float32(2.0**-25)], axis=1) if self.of_pairs else rows,)

    def back(self, y: Array, *inputs: TensorType) -> tuple[Array, ...]:
        return () if self.pairs or self.of_pairs else (y,)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (number,) = c_floats([self.missing])
        marker = (
            "" if isnan(self.missing) else f"(float){number}" if isinf(self.missing) else number
        )  # avr-libc's is a double
        fill, rest = pair_of(self.fill)
        return {
            "size": self.features,
            "fill": Numbers(fill),
            "missing": marker,
            "least": None if self.least is None else Numbers(single(self.least)),
            "rest": Numbers(rest) if self.pairs else None,
            "of_pairs": self.of_pairs,
        }


def is_missing(x: Array, missing: float) -> npt.NDArray[np.bool_]:
    """Where x is missing."""
    return np.asarray(np.isnan(x) if isnan(missing) else x == missing)
