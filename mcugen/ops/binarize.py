"""binarize: scikit-learn's Binarizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Work
from mcugen.ops.tree_ensemble.trees import float32_not_above
from mcugen.rows import Numbers, RowOp
from mcugen.work.loops import loop


@dataclass(frozen=True, eq=False)
class Binarize(RowOp):
    """y = 1 where x > threshold, else 0, element by element; 0 where x is NaN.

    Input and output `f32` (features,), which may share a buffer. The threshold, or one for each feature (features,), is float64:
    for float32 x it is compared as the largest float32 that is not above it.
    """

    name: ClassVar[str] = "binarize"
    in_place: ClassVar[int | None] = 0

    features: int
    threshold: float | npt.NDArray[np.float64] = 0.0

    @property
    def width(self) -> int:
        return self.features

    @property
    def _threshold(self) -> npt.NDArray[np.float32]:
        return float32_not_above(self._limits)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return ((np.asarray(inputs[0], np.float32) > self._threshold).astype(np.float32),)

    def source(self, at: int, *inputs: TensorType) -> tuple[int, int] | None:
        return 0, at

    def exactly(self, at: int, x: Array) -> Array:
        return np.asarray(np.asarray(x, np.float64) > self._limits[at], np.float64)

    def describe(self) -> str:
        least, most = self._limits.min(), self._limits.max()
        return f"features={self.features} threshold={least:g}{f'..{most:g}' if least < most else ''}"

    @property
    def _limits(self) -> npt.NDArray[np.float64]:
        return np.asarray(np.broadcast_to(np.asarray(self.threshold, np.float64), (self.features,)))

    def work(self, target: Target, *inputs: TensorType) -> Work:
        limits = Numbers(self._threshold)
        return loop(self.width, tables=limits.nbytes)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        near = rng.choice([-1, 0, 1], (min(limit, 500), self.features))
        threshold = self._threshold
        around = np.nextafter(threshold, np.where(near < 0, -np.inf, np.inf).astype(np.float32))
        rows = np.where(near == 0, threshold, around).astype(np.float32)
        return (np.concatenate([rows, near.astype(np.float32) + threshold])[:limit],)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"size": self.features, "threshold": Numbers(self._threshold)}
