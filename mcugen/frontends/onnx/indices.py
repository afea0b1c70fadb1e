"""What goes by indices: gathers, scatters, TopK, running sums, one-hot codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.frontends.onnx.call import Call
from mcugen.frontends.onnx.shape import reshaped
from mcugen.ir import DType
from mcugen.ops.cumulate import Cumulate
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.indexed import Indexed
from mcugen.ops.scatter import Scatter
from mcugen.ops.strided import Strided
from mcugen.ops.top_k import TopK

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter


def _gather(call: Call) -> None:
    axis = call.axis(call.attribute("axis", 0), len(call.type(0).shape))
    call.gives(call.add(Indexed(call.op, axis), call.operand(0), call.operand(1)))


def _gather_nd(call: Call) -> None:
    call.gives(call.add(Indexed("GatherND", call.attribute("batch_dims", 0)), call.operand(0), call.operand(1)))


def _scatter(call: Call) -> None:
    elements = call.op != "ScatterND"
    axis = call.axis(call.attribute("axis", 0), len(call.type(0).shape)) if elements else 0
    op = Scatter("ScatterElements" if elements else "ScatterND", axis, call.attribute("reduction", "none"))
    call.gives(call.add(op, *(call.operand(i) for i in range(3))))


def _top_k(call: Call) -> None:
    (k,) = call.integers(1, "k", [0]) or [0]
    axis = call.axis(call.attribute("axis", -1), len(call.type(0).shape))
    call.gives(*call.add_all(TopK(k, axis, bool(call.attribute("largest", 1))), call.operand(0)))


def _cumulate(call: Call) -> None:
    (axis,) = np.ravel(call.constant(1, "axis"))
    op = Cumulate(
        call.op,
        call.axis(int(axis), len(call.type(0).shape)),
        bool(call.attribute("exclusive", 0)),
        bool(call.attribute("reverse", 0)),
    )
    call.gives(call.add(op, call.operand(0)))


def _one_hot(call: Call) -> None:
    """Equal to the axis's own index, or that much before its end."""
    shape, depth = call.type(0).shape, int(np.ravel(call.constant(1, "depth"))[0])
    axis = call.axis(call.attribute("axis", -1), len(shape) + 1)
    whole = call.add(Elementwise("Cast", DType.I64), call.operand(0))
    spread = reshaped(call, whole, (*shape[:axis], 1, *shape[axis:]))
    own = np.arange(depth, dtype=np.int64).reshape((-1,) + (1,) * (len(shape) - axis))
    same = call.add(Elementwise("Equal"), spread, own)
    behind = call.add(Elementwise("Equal"), spread, own - depth)
    hot = call.add(Elementwise("Or"), same, behind)
    off, on = (reshaped(call, call.add(Strided((1,), (1,), i), call.operand(2)), ()) for i in range(2))
    call.gives(call.add(Elementwise("Where"), hot, on, off))


CONVERTERS: Mapping[str, Converter] = {
    "CumProd": _cumulate,
    "CumSum": _cumulate,
    "Gather": _gather,
    "GatherElements": _gather,
    "GatherND": _gather_nd,
    "OneHot": _one_hot,
    "Scatter": _scatter,
    "ScatterElements": _scatter,
    "ScatterND": _scatter,
    "TopK": _top_k,
}
