"""pick: elements by an index along each axis: ONNX Pad, Resize (nearest), Tile, Gather of constants, https://onnx.ai/onnx/operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import error
from mcugen.ir import Array, TensorType
from mcugen.loops import strides_of
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Pick(Op):
    """y[i, j, ...] = x[maps[0][i], maps[1][j], ...], and `fill` where an index is -1.

    Input of any type, output of its type; `maps` has an array of indices for every axis. E0201 where one leaves the input.
    """

    name: ClassVar[str] = "pick"
    onnx: ClassVar[tuple[str, ...]] = ("Pad", "Upsample")
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    maps: tuple[npt.NDArray[np.int64], ...]
    fill: float = 0.0

    @property
    def fills(self) -> bool:
        """Whether some elements are none of the input's."""
        return any(bool((indices < 0).any()) for indices in self.maps)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        shape = inputs[0].shape if len(inputs) == 1 else ()
        outside = [m for m, n in zip(self.maps, shape, strict=False) if m.min() < -1 or m.max() >= n]
        if len(inputs) != 1 or len(shape) != len(self.maps) or outside:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"pick has indices that {found} does not have", help="pick inside the tensor")
        return (TensorType(tuple(len(m) for m in self.maps), inputs[0].dtype),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        found = inputs[0][np.ix_(*self.maps)] if self.maps else inputs[0]
        for axis, indices in enumerate(self.maps):
            missing = (indices < 0).reshape((-1,) + (1,) * (len(self.maps) - axis - 1))
            found = np.where(missing, np.asarray(self.fill).astype(found.dtype), found)
        return (np.asarray(found.astype(inputs[0].dtype)),)

    def describe(self) -> str:
        return f"axes={','.join(str(i) for i, m in enumerate(self.maps) if (np.diff(m) != 1).any() or len(m) == 1)}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (out,) = self.infer(*inputs)
        shape = inputs[0].shape
        walked = zip(self.maps, shape, strides_of(shape), strides_of(out.shape), strict=True)
        axes = [
            {
                "number": number,
                "size": len(indices),
                "first": int(indices[0]) if (np.diff(indices) == 1).all() and indices[0] >= 0 else None,
                "indices": np.where(indices < 0, count, indices).tolist(),
                "hole": count if (indices < 0).any() else None,
                "stride": stride,
                "out": step,
            }
            for number, (indices, count, stride, step) in enumerate(walked)
        ]
        return {"axes": axes, "fill": self.fill, "total": max(inputs[0].size, out.size)}
