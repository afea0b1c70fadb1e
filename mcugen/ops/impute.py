"""impute: missing values filled in, as scikit-learn's SimpleImputer does."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan, nan
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import Numbers, RowOp, single
from mcugen.templating import c_lit
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Impute(RowOp):
    """y = fill where x is missing, else x, element by element.

    Missing is NaN, or the number `missing`. fill (features,) float64; NaN there makes missing numbers known as missing to
    what comes after. Input and output `f32` (features,), which may share a buffer.
    """

    name: ClassVar[str] = "impute"
    onnx: ClassVar[tuple[str, ...]] = ("ai.onnx.ml.Imputer",)
    in_place: ClassVar[int | None] = 0

    fill: npt.NDArray[np.float64]
    missing: float = nan

    @property
    def width(self) -> int:
        return len(self.fill)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
        return (np.where(is_missing(x, self.missing), single(self.fill), x),)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return (0, at) if isnan(self.missing) else None

    def exactly(self, at: int, x: Array) -> Array:
        return np.where(np.isnan(x), self.fill[at], x)

    def describe(self) -> str:
        return f"features={self.width} missing={self.missing:g}"

    def work(self, target: Target, *inputs: TensorType) -> Work:
        fill = Numbers(single(self.fill))
        return loop(self.width, f"fill {fill.kind}", "nan" if isnan(self.missing) else "marked", tables=fill.nbytes)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        around = np.nan_to_num(self.fill)
        rows = around + rng.standard_normal((min(limit, 2_000), self.width)) * (1 + np.abs(around))
        return (np.where(rng.random(rows.shape) < 0.2, np.float32(self.missing), single(rows)),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        marker = "" if isnan(self.missing) else c_lit(np.float32(self.missing))
        return {"size": self.width, "fill": Numbers(single(self.fill)), "missing": marker}


def is_missing(x: Array, missing: float) -> npt.NDArray[np.bool_]:
    """Where x is missing."""
    return np.asarray(np.isnan(x) if isnan(missing) else x == missing)
