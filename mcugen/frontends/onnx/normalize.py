"""Normalisations, made of reductions and functions of single elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.shape import reshaped
from mcugen.ops.contract import Contract
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.reduce import Reduce

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter


def _two(call: Call, function: str, a: Operand, b: Operand) -> Operand:
    return call.add(Elementwise(function), a, b)


def _one(call: Call, function: str, a: Operand) -> Operand:
    return call.add(Elementwise(function), a)


def _number(value: float, like: Call) -> Operand:
    return np.asarray(value, like.type(0).dtype.numpy)


def _centred(call: Call, x: Operand, axes: tuple[int, ...]) -> tuple[Operand, Operand, Operand]:
    """x without its mean, the mean, and the variance."""
    mean = call.add(Reduce("Mean", axes), x)
    centred = _two(call, "Sub", x, mean)
    return centred, mean, call.add(Reduce("Mean", axes), _two(call, "Mul", centred, centred))


def _normalised(call: Call, x: Operand, axes: tuple[int, ...], epsilon: float) -> tuple[Operand, Operand, Operand]:
    """x with mean 0 and variance 1 along axes, the mean, and 1 / the deviation."""
    centred, mean, variance = _centred(call, x, axes)
    inverse = _one(call, "Reciprocal", _one(call, "Sqrt", _two(call, "Add", variance, _number(epsilon, call))))
    return _two(call, "Mul", centred, inverse), mean, inverse


def _layer(call: Call) -> None:
    rank = len(call.type(0).shape)
    axes = tuple(range(call.axis(call.attribute("axis", -1), rank), rank))
    found, mean, inverse = _normalised(call, call.operand(0), axes, call.attribute("epsilon", 1e-5))
    found = _two(call, "Mul", found, call.operand(1))
    call.gives(_two(call, "Add", found, call.operand(2)) if call.has(2) else found, mean, inverse)


def _rms(call: Call) -> None:
    x, rank = call.operand(0), len(call.type(0).shape)
    axes = tuple(range(call.axis(call.attribute("axis", -1), rank), rank))
    mean = call.add(Reduce("Mean", axes), _two(call, "Mul", x, x))
    root = _one(call, "Sqrt", _two(call, "Add", mean, _number(call.attribute("epsilon", 1e-5), call)))
    call.gives(_two(call, "Mul", _two(call, "Div", x, root), call.operand(1)))


def _per_channel(call: Call, x: Operand, i: int) -> Operand:
    """Operand i, a number for each channel, in a shape that is repeated over x."""
    rank = len(call.tensors.type_of(x).shape)
    return reshaped(call, call.operand(i), (call.type(i).size, *(1,) * (rank - 2)))


def _batch(call: Call) -> None:
    """A factor and a term for every channel; both known here where the parameters are. In training mode mean and variance are
    the row's own, and the running ones are outputs.
    """
    x, rank = call.operand(0), len(call.type(0).shape)
    scale, bias, mean, variance = (call.operand(i) for i in range(1, 5))
    running: list[Operand] = []
    if call.attribute("training_mode", 0):
        _, own_mean, own_variance = _centred(call, x, tuple(i for i in range(rank) if i != 1))
        shape = (call.tensors.type_of(mean).size,)
        found = [reshaped(call, one, shape) for one in (own_mean, own_variance)]
        momentum = call.attribute("momentum", 0.9)
        running = [_mixed(call, old, new, momentum) for old, new in zip((mean, variance), found, strict=True)]
        mean, variance = found
    deviation = _one(call, "Sqrt", _two(call, "Add", variance, _number(call.attribute("epsilon", 1e-5), call)))
    factor = _two(call, "Div", scale, deviation)
    term = _two(call, "Sub", bias, _two(call, "Mul", mean, factor))
    channels = (call.tensors.type_of(factor).size, *(1,) * (rank - 2))
    scaled = _two(call, "Mul", x, reshaped(call, factor, channels))
    call.gives(_two(call, "Add", scaled, reshaped(call, term, channels)), *running)


def _mixed(call: Call, old: Operand, new: Operand, momentum: float) -> Operand:
    """The old one with the new one mixed in."""
    kept = _two(call, "Mul", old, _number(momentum, call))
    return _two(call, "Add", kept, _two(call, "Mul", new, _number(1 - momentum, call)))


def _instance(call: Call) -> None:
    rank = len(call.type(0).shape)
    found, _, _ = _normalised(call, call.operand(0), tuple(range(2, rank)), call.attribute("epsilon", 1e-5))
    found = _two(call, "Mul", found, _per_channel(call, found, 1))
    call.gives(_two(call, "Add", found, _per_channel(call, found, 2)))


def _group(call: Call) -> None:
    """Scale and bias are of each group before operator set 21, of each channel from it on."""
    x, shape, groups = call.operand(0), call.type(0).shape, call.attribute("num_groups")
    size = int(np.prod(shape[1:])) // groups
    apart = reshaped(call, x, (shape[0], groups, size))
    found, _, _ = _normalised(call, apart, (2,), call.attribute("epsilon", 1e-5))
    if call.version < 21:
        found = _two(call, "Mul", found, reshaped(call, call.operand(1), (groups, 1)))
        call.gives(reshaped(call, _two(call, "Add", found, reshaped(call, call.operand(2), (groups, 1))), shape))
        return
    whole = reshaped(call, found, shape)
    whole = _two(call, "Mul", whole, _per_channel(call, whole, 1))
    call.gives(_two(call, "Add", whole, _per_channel(call, whole, 2)))


def _mean_variance(call: Call) -> None:
    axes = tuple(call.attribute("axes", [0, 2, 3]))
    centred, _, variance = _centred(call, call.operand(0), axes)
    deviation = _two(call, "Add", _one(call, "Sqrt", variance), _number(1e-9, call))
    call.gives(_two(call, "Div", centred, deviation))


def _lp(call: Call) -> None:
    """Divided by its norm; where that is 0, 0."""
    x = call.operand(0)
    axis = (call.axis(call.attribute("axis", -1), len(call.type(0).shape)),)
    norm = call.add(Reduce("L1" if call.attribute("p", 2) == 1 else "L2", axis), x)
    empty = call.add(Elementwise("Equal"), norm, _number(0, call))
    safe = call.add(Elementwise("Where"), empty, _number(1, call), norm)
    call.gives(_two(call, "Div", x, safe))


def _lrn(call: Call) -> None:
    """x / (bias + alpha / size * the sum of squares over neighbouring channels) ^ beta."""
    x, shape, size = call.operand(0), call.type(0).shape, call.attribute("size")
    squares = reshaped(call, _two(call, "Mul", x, x), (shape[0], shape[1], int(np.prod(shape[2:]))))
    channels = np.arange(shape[1])
    away = channels[:, None] - channels[None, :]
    near = (away >= -((size - 1) // 2)) & (away <= size // 2)
    factor = np.asarray(near.T * (call.attribute("alpha", 1e-4) / size), call.type(0).dtype.numpy)
    sums = call.add(Contract(("ck", "nks"), "ncs"), factor, squares)
    base = _two(call, "Add", sums, _number(call.attribute("bias", 1.0), call))
    power = _two(call, "Pow", base, _number(call.attribute("beta", 0.75), call))
    call.gives(_two(call, "Div", x, reshaped(call, power, shape)))


CONVERTERS: Mapping[str, Converter] = {
    "BatchNormalization": _batch,
    "GroupNormalization": _group,
    "InstanceNormalization": _instance,
    "LRN": _lrn,
    "LayerNormalization": _layer,
    "LpNormalization": _lp,
    "MeanVarianceNormalization": _mean_variance,
    "RMSNormalization": _rms,
}
