"""Floats as integers of a scale, and back: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, and what the others share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.shape import reshaped
from mcugen.ir import DType
from mcugen.ops.dequantize import Dequantize
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.quantize import Quantize
from mcugen.ops.reduce import Reduce

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter


def along(call: Call, x: Operand, axis: int, rank: int) -> Operand:
    """A number for every slice along an axis, in a shape that is repeated over the others; one number as it is."""
    shape = call.tensors.type_of(x).shape
    if shape in ((), (1,)):
        return reshaped(call, x, ())
    if len(shape) > 1:
        return x
    wanted = [1] * rank
    wanted[axis] = shape[0]
    return reshaped(call, x, wanted)


def _blocks(call: Call) -> tuple[Operand, int, int]:
    """The input, and the axis and rank that its scales go along: cut into blocks where they are of blocks."""
    x, shape, scales = call.operand(0), call.type(0).shape, call.type(1).shape
    if scales in ((), (1,)):
        return x, 0, len(shape)
    axis = call.axis(call.attribute("axis", 1), len(shape))
    if len(scales) == 1:
        return x, axis, len(shape)
    size = call.attribute("block_size", 0) or -(-shape[axis] // scales[axis])
    if len(scales) != len(shape) or shape[axis] != scales[axis] * size:
        raise call.refused(f"scales {scales} do not cut {shape} into whole blocks", "use blocks of one size")
    return reshaped(call, x, (*shape[:axis], scales[axis], size, *shape[axis + 1 :])), axis, len(shape) + 1


def _spread(call: Call, x: Operand, axis: int, rank: int) -> Operand:
    """Scales or zero points as `_blocks` cut the input."""
    shape = call.tensors.type_of(x).shape
    blocks = len(shape) > 1
    return reshaped(call, x, (*shape[: axis + 1], 1, *shape[axis + 1 :])) if blocks else along(call, x, axis, rank)


def whole_number(call: Call, i: int, zero: int, axis: int = 0) -> Operand:
    """Operand i as int32 without its zero point, operand number `zero`."""
    found = call.add(Elementwise("Cast", DType.I32), call.operand(i))
    if not call.has(zero):
        return found
    rank = len(call.type(i).shape)
    less = along(call, call.add(Elementwise("Cast", DType.I32), call.operand(zero)), axis % max(rank, 1), rank)
    if isinstance(less, np.ndarray) and not less.any():
        return found
    return call.add(Elementwise("Sub"), found, less)


def dequantised_sum(call: Call, x: Operand, scales: tuple[int, int], scale: int, zero: int, axis: int = -1) -> Operand:
    """Integer sums times two scales, quantised with a third."""
    rank = len(call.tensors.type_of(x).shape)
    first, second, third = (along(call, call.operand(i), axis % rank, rank) for i in (*scales, scale))
    factor = call.add(Elementwise("Div"), call.add(Elementwise("Mul"), first, second), third)
    steps = call.add(Elementwise("Mul"), call.add(Elementwise("Cast", DType.F32), x), factor)
    return call.add(Quantize(), steps, np.ones((), np.float32), reshaped(call, call.operand(zero), ()))


def dequantised(call: Call, x: int, scale: int, zero: int, axis: int = 1) -> Operand:
    """Operand x as floats, with operands `scale` and `zero`; in the graph even where all are known, for the pass `layers`."""
    kind, rank = call.type(x), len(call.type(x).shape)
    less = call.operand(zero) if call.has(zero) else np.zeros((), kind.dtype.numpy)
    return _in_graph(call, call.operand(x), *(along(call, one, axis, rank) for one in (call.operand(scale), less)))


def dequantised_bias(call: Call, bias: int, first: int, second: int) -> Operand:
    """An `i32` bias, whose steps are the product of two scales, as floats."""
    one, another = (np.asarray(call.constant(i, "its scale"), np.float32).ravel() for i in (first, second))
    scale = one * another
    zero = np.zeros((), np.int32)
    return _in_graph(call, call.operand(bias), scale if len(scale) > 1 else scale.reshape(()), zero)


def is_narrow(call: Call, x: int, weights: int, axis: int) -> bool:
    """Whether the pass `layers` makes integers of a layer on operand x: of `i8`, or of `u8` that the caller does not see, with
    weights that are `i8` without their zero point, too.
    """
    kind, w = call.type(x).dtype, call.operand(weights)
    zero = call.operand(weights + 2) if call.has(weights + 2) else np.zeros((), np.int8)
    if isinstance(w, str) or isinstance(zero, str) or w.dtype != np.int8:
        return False
    moved = along(call, zero, axis % w.ndim, w.ndim)
    whole = w.astype(np.int16) - np.asarray(moved, np.int16)
    if kind is DType.I8:
        return bool(whole.min() >= -128 and whole.max() <= 127)
    inner = call.operand(x) not in call.tensors.outside and not call.tensors.outside.intersection(call.outputs)
    return kind is DType.U8 and inner and not zero.any()


def _in_graph(call: Call, *operands: Operand) -> Operand:
    known = all(not isinstance(one, str) for one in operands)
    return call.add_here(Dequantize(), *operands) if known else call.add(Dequantize(), *operands)


def quantised(call: Call, x: Operand, scale: int, zero: int) -> Operand:
    """Floats quantised with one scale and zero point, operands of these numbers."""
    less = call.operand(zero) if call.has(zero) else np.zeros((), np.uint8)
    return call.add(Quantize(), x, reshaped(call, call.operand(scale), ()), reshaped(call, less, ()))


def _quantize(call: Call) -> None:
    x, axis, rank = _blocks(call)
    if call.has(2):
        zero = _spread(call, call.operand(2), axis, rank)
    else:
        from onnx import helper

        kind = call.attribute("output_dtype", 0)
        zero = np.zeros((), helper.tensor_dtype_to_np_dtype(kind) if kind else np.uint8)
    found = call.add(Quantize(), x, _spread(call, call.operand(1), axis, rank), zero)
    call.gives(reshaped(call, found, call.type(0).shape))


def _dequantize(call: Call) -> None:
    """Constants too are dequantised in the graph, so that the pass `layers` finds the integers."""
    x, axis, rank = _blocks(call)
    kind = call.tensors.type_of(x).dtype
    zero = _spread(call, call.operand(2), axis, rank) if call.has(2) else np.zeros((), kind.numpy)
    found = _in_graph(call, x, _spread(call, call.operand(1), axis, rank), zero)
    call.gives(reshaped(call, found, call.type(0).shape))


def _dynamic(call: Call) -> None:
    """Scale and zero point from the range of the row at hand, 0 in it."""
    x, axes = call.operand(0), tuple(range(len(call.type(0).shape)))
    zero, whole = np.zeros((), np.float32), np.full((), 255, np.float32)
    low = call.add(Elementwise("Min"), reshaped(call, call.add(Reduce("Min", axes), x), ()), zero)
    high = call.add(Elementwise("Max"), reshaped(call, call.add(Reduce("Max", axes), x), ()), zero)
    scale = call.add(Elementwise("Div"), call.add(Elementwise("Sub"), high, low), whole)
    least = call.add(Elementwise("Div"), call.add(Elementwise("Sub"), zero, low), scale)
    bounded = call.add(Elementwise("Min"), call.add(Elementwise("Max"), least, zero), whole)
    rounded = call.add(Elementwise("Cast", DType.U8), call.add(Elementwise("Round"), bounded))
    call.gives(call.add(Quantize(), x, scale, rounded), scale, rounded)


CONVERTERS: Mapping[str, Converter] = {
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic,
    "QuantizeLinear": _quantize,
}
