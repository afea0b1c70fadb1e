"""What makes fewer numbers of many: reductions, ArgMax and ArgMin, the softmax family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.shape import reshaped
from mcugen.ops.arg_reduce import ArgReduce
from mcugen.ops.reduce import MEANINGS, Reduce
from mcugen.ops.softmax import Softmax

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter


def reduced(call: Call, function: str, x: Operand, axes: tuple[int, ...], keep: bool = True) -> Operand:
    """A reduction, its axes left out where they are not kept."""
    found = call.add(Reduce(function, axes), x)
    shape = call.tensors.type_of(found).shape
    return found if keep else reshaped(call, found, tuple(n for a, n in enumerate(shape) if a not in axes))


def _reduce(call: Call) -> None:
    rank = len(call.type(0).shape)
    given = call.integers(1, "axes", [])
    axes = tuple(sorted({call.axis(a, rank) for a in given or ()}))
    if not axes and call.attribute("noop_with_empty_axes", 0):
        call.gives(call.operand(0))
        return
    axes = axes or tuple(range(rank))
    keep = bool(call.attribute("keepdims", 1))
    call.gives(reduced(call, call.op.removeprefix("Reduce"), call.operand(0), axes, keep))


def _arg(call: Call) -> None:
    shape = call.type(0).shape
    axis = call.axis(call.attribute("axis", 0), len(shape))
    found = call.add(ArgReduce(call.op, axis, bool(call.attribute("select_last_index", 0))), call.operand(0))
    keep = bool(call.attribute("keepdims", 1))
    made = found if keep else reshaped(call, found, shape[:axis] + shape[axis + 1 :])
    if call.tensors.type_of(made).size == 1:  # the class, where the network is a classifier
        call.tensors.is_class(made, made, tuple(range(shape[axis])))
    call.gives(made)


def _softmax(call: Call) -> None:
    """Before operator set 13 along all axes from `axis` on, then along one."""
    rank = len(call.type(0).shape)
    axis = call.axis(call.attribute("axis", 1 if call.version < 13 else -1), rank)
    axes = tuple(range(axis, rank)) if call.version < 13 else (axis,)
    call.gives(call.add(Softmax(call.op, axes), call.operand(0)))


CONVERTERS: Mapping[str, Converter] = {
    **dict.fromkeys((f"Reduce{name}" for name in MEANINGS), _reduce),
    "ArgMax": _arg,
    "ArgMin": _arg,
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _softmax),
}
