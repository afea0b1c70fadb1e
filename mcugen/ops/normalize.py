"""normalize: scikit-learn's Normalizer, and ONNX's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.rows import RowOp
from mcugen.templating import c_lit
from mcugen.work.loops import loop

Norm = Literal["l1", "l2", "max"]
SMALLEST = float(10 * np.finfo(np.float64).eps)  # what scikit-learn takes for no norm at all


@dataclass(frozen=True, eq=False)
class Normalize(RowOp):
    """y = x / norm(x): the sum of sizes (l1), the root of the sum of squares (l2), or the largest size (max).

    Input and output `f32` (features,). A row whose norm is under `smallest` stays as it is. Everything is worked out of x
    divided by its largest size, so that neither squares nor sums leave a float's range.
    """

    name: ClassVar[str] = "normalize"
    onnx: ClassVar[tuple[str, ...]] = ("ai.onnx.ml.Normalizer",)

    features: int
    norm: Norm = "l2"
    smallest: float = SMALLEST

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this norm needs
        return ("math.h",) if self.norm == "l2" else ()

    @property
    def width(self) -> int:
        return self.features

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x = np.asarray(inputs[0], np.float32)
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

    def describe(self) -> str:
        return f"features={self.features} norm={self.norm}"

    def macc(self, *inputs: TensorType) -> int:
        return self.features

    def work(self, target: Target, *inputs: TensorType) -> Work:
        return loop(self.width, self.norm)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        rows = rng.standard_normal((min(limit, 1_000), self.features))
        rows *= rng.choice([1e-30, 1e-14, 1e-3, 1, 1e3, 1e30], (len(rows), 1))
        return (np.where(rng.random(rows.shape) < 0.1, 0, rows).astype(np.float32),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "size": self.features,
            "norm": self.norm,
            "smallest": c_lit(np.float32(self.smallest)) if self.smallest else "",
        }
