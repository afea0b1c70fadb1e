"""Layers between DequantizeLinear and QuantizeLinear, in integers from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mcugen.ir import Node
from mcugen.op import Op
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.add_steps import AddSteps
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.dequantize import Dequantize
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.pick import Pick
from mcugen.ops.pool import Pool
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.quantize import Quantize
from mcugen.ops.reduce import Reduce
from mcugen.ops.reshape import Reshape
from mcugen.ops.strided import Strided
from mcugen.passes.layers.dense import given, placed
from mcugen.passes.layers.pools import pool_rows
from mcugen.passes.layers.resizes import picked
from mcugen.passes.layers.walk import Floats, Layer, Steps, Walk, is_planes
from mcugen.requantise import USUAL, factors_of, float_factors
from mcugen.windows import Window

MOST = 1 << 31
NOTHING = Steps("", 0.0, 0)  # added to what is only scaled
LARGEST = 1e30  # scale of a sum in floats, which then is finite
TAPS = 1 << 16  # of a sum of products of 15 bits
WHOLE = 1e-3  # how near to whole numbers weights are that were made of some


def quantised(walk: Walk, node: Node) -> bool:
    """A layer, a sum, a mean or a movement of `i8` whose result is quantised to `i8`; whether it became integers."""
    if not isinstance(node.op, Quantize):
        return False
    scale, zero = (walk.constant(name) for name in node.inputs[1:])
    if scale is None or zero is None or scale.size != 1 or zero.size != 1 or zero.dtype != np.int8:
        return False
    to = Steps(node.name, float(np.ravel(scale)[0]), int(np.ravel(zero)[0]))
    if not (np.isfinite(to.scale) and to.scale > 0):
        return False
    return any(way(walk, node, to) for way in (_layer, _sum, _mean, _moved))


def _layer(walk: Walk, node: Node, to: Steps) -> bool:
    layer = walk.layers.get(node.inputs[0])
    if layer is None:
        return False
    x, steps = walk.steps(layer.x), _weight_steps(walk, layer)
    if x is None or steps is None:
        return False
    whole = layer.weights / steps[:, None, None, None]
    weights = np.rint(whole)
    if (
        not np.isfinite(whole).all()
        or np.abs(whole - weights).max() > WHOLE
        or not -128 <= weights.min() <= weights.max() <= 127
    ):
        return False
    flat = weights.astype(np.int64).reshape(len(weights), -1)
    bias = np.rint(np.clip(layer.bias / (x.scale * steps), -(2.0**62), 2.0**62)).astype(np.int64)
    if walk.by_float:
        single = np.float32(x.scale) * steps.astype(np.float32) / np.float32(to.scale)  # in the order of onnxruntime's
        pair = float_factors(single.astype(np.float64), bias, flat)
        found = None if pair is None else (*pair, USUAL)
    else:
        found = factors_of(x.scale * steps / to.scale, bias, flat)
    if found is None:
        return False
    factors, bias32, shift = found
    folded = np.abs(bias32.astype(np.int64) - x.zero * flat.sum(axis=1)) + 128 * np.abs(flat).sum(axis=1)
    if folded.max() >= MOST or flat.shape[1] >= TAPS:
        return False
    place, ordered = placed(walk, x.q, replace(layer, weights=weights))
    op = ConvRows(layer.rows, layer.columns, layer.groups, *_bounds(layer.low, layer.high, to), x.zero, to.zero)
    op = replace(op, by_float=walk.by_float, shift=shift)
    tables = {"weights": ordered.astype(np.int8), "bias": bias32, "factors": factors}
    names = [walk.work.const(f"{node.name}_{what}", data) for what, data in tables.items()]
    (rows, *_) = walk.work.add(op, place, *names, loc=node.loc, stem=f"{node.name}_rows")
    given(walk, node, layer, rows)
    return True


def _bounds(low: float, high: float, to: Steps) -> tuple[float, float]:
    """Bounds of floats as those of integers."""
    least, most = (float(np.rint(np.clip(bound / to.scale, -1e6, 1e6))) + to.zero for bound in (low, high))
    return min(max(least, -128.0), 127.0), max(min(most, 127.0), -128.0)


def _weight_steps(walk: Walk, layer: Layer) -> Floats | None:
    """The scale of each output channel's weights, (M,), where they are dequantised `i8`."""
    node = walk.before(layer.weights_from) if layer.weights_from else None
    if node is None or not isinstance(node.op, Dequantize):
        return None
    q, scale, zero = (walk.work.constant(name) for name in node.inputs)
    if q is None or scale is None or zero is None or q.dtype != np.int8 or scale.size not in (1, len(layer.weights)):
        return None
    return np.array(np.broadcast_to(np.asarray(scale, np.float64).ravel(), (len(layer.weights),)))


def _sum(walk: Walk, node: Node, to: Steps) -> bool:
    before, low = walk.before(node.inputs[0]), -np.inf
    if (
        before is not None
        and isinstance(before.op, Elementwise)
        and before.op.function == "Relu"
        and walk.once(before.name)
    ):
        before, low = walk.before(before.inputs[0]), 0.0
    if (
        before is None
        or not isinstance(before.op, Elementwise)
        or before.op.function != "Add"
        or not walk.once(before.name)
    ):
        return False
    a, b = (walk.steps(name) for name in before.inputs)
    if a is None or b is None or walk.shape(a.q) != walk.shape(b.q):
        return False
    op = _added(walk, a, b, to, low)
    if op is None:
        return False
    _on(walk, node, op, op, (a.q, b.q))
    return True


def _added(walk: Walk, a: Steps, b: Steps, to: Steps, low: float = -np.inf) -> AddScaled | AddSteps | None:
    """The op for a sum, with as many bits behind the point as 32 bits hold; None where those are too few."""
    if walk.by_float:
        if max(a.scale, b.scale) > LARGEST:
            return None
        least, most = _bounds(low, np.inf, to)
        return AddSteps((a.scale, b.scale, to.scale), (a.zero, b.zero, to.zero), int(least), int(most))
    for shift in range(24, 7, -1):
        first, second = (round(one.scale / to.scale * 2**shift) for one in (a, b))
        term = (to.zero << shift) - a.zero * first - b.zero * second + (1 << shift - 1)
        if 128 * (first + second) + abs(term) < MOST:
            least, most = _bounds(low, np.inf, to)
            return AddScaled(first, second, term, shift, int(least), int(most))
    return None


def _mean(walk: Walk, node: Node, to: Steps) -> bool:
    before = walk.before(node.inputs[0])
    flat = before is not None and isinstance(before.op, Reshape)  # as ReduceMean without keepdims is
    if before is not None and flat and walk.once(before.name):
        before = walk.before(before.inputs[0])
    if before is None or not isinstance(before.op, Pool | Reduce) or not walk.once(before.name):
        return False
    x = walk.steps(before.inputs[0])
    op = _mean_rows(walk, before.op, walk.shape(before.inputs[0]))
    if x is None or op is None or (flat and op.rows.out * op.columns.out != 1):
        return False
    factor = float(np.float32(x.scale / to.scale * op.factor))
    if not np.isfinite(factor) or x.scale > LARGEST:
        return False
    if walk.by_float:
        op = replace(op, zero=x.zero, to=to.zero, scales=(x.scale, to.scale))
    else:
        op = replace(op, factor=factor, zero=x.zero, to=to.zero)
    (rows,) = walk.work.add(op, walk.rows_of(x.q), loc=node.loc, stem=f"{node.name}_rows")
    if is_planes(walk.shape(node.name)) and not flat:
        walk.gives(node, rows)
    else:
        walk.work.make(Node(Reshape(walk.shape(node.name)), (rows,), (node.name,), node.loc))
    return True


def _mean_rows(walk: Walk, op: Pool | Reduce, shape: tuple[int, ...]) -> PoolRows | None:
    """A mean on twins, ReduceMean over all pixels too; None for others."""
    if isinstance(op, Pool):
        return pool_rows(walk, op, shape) if op.function == "average" else None
    if op.function != "Mean" or not is_planes(shape) or sorted(op.axes) != [*range(2, len(shape))]:
        return None
    high, wide, _ = walk.pixels(shape)
    return PoolRows("average", Window(high, high), Window(wide, wide), 1 / (high * wide))


def _moved(walk: Walk, node: Node, to: Steps) -> bool:
    """Elements of the same steps that are only moved, or chosen among."""
    before = walk.before(node.inputs[0])
    if before is None or not isinstance(before.op, Reshape | Strided | Join | Pick | Pool):
        return False
    if isinstance(before.op, Pool) and before.op.function != "max":
        return False
    given = [walk.steps(name) for name in before.inputs]
    known = [one for one in given if one is not None]
    if len(known) != len(given) or len(before.outputs) != 1:
        return False
    if isinstance(before.op, Join):
        return _joined(walk, node, before.op, known, to)
    if (known[0].scale, known[0].zero) != (to.scale, to.zero):
        return False
    if isinstance(before.op, Pool):
        op = pool_rows(walk, before.op, walk.shape(before.inputs[0]))
        if op is None:
            return False
        (rows,) = walk.work.add(op, walk.rows_of(known[0].q), loc=node.loc, stem=f"{node.name}_rows")
        walk.gives(node, rows)
        return True
    if isinstance(before.op, Pick):
        if before.op.fills:
            return False
        on_twin = picked(walk, before.op, walk.shape(known[0].q)) if walk.on_pixels(node.name) else None
        _on(walk, node, before.op, on_twin, [known[0].q])
        return True
    _on(walk, node, before.op, None, [known[0].q])
    return True


def _joined(walk: Walk, node: Node, op: Join, parts: Sequence[Steps], to: Steps) -> bool:
    """Tensors after each other, brought to the steps of the result."""
    scaled = [None if (one.scale, one.zero) == (to.scale, to.zero) else _added(walk, one, NOTHING, to) for one in parts]
    if any(
        one is None and (part.scale, part.zero) != (to.scale, to.zero) for one, part in zip(scaled, parts, strict=True)
    ):
        return False
    on_twins = op.axis == 1 and is_planes(walk.shape(node.name)) and all(walk.twin(one.q) for one in parts)
    names = [walk.rows_of(one.q) if on_twins else one.q for one in parts]
    for i, one in enumerate(scaled):
        if one is not None:
            (names[i],) = walk.work.add(one, names[i], names[i], loc=node.loc, stem=f"{node.name}_part")
    if on_twins:
        (rows,) = walk.work.add(replace(op, axis=2), *names, loc=node.loc, stem=f"{node.name}_rows")
        walk.gives(node, rows)
    else:
        walk.work.make(Node(op, tuple(names), node.outputs, node.loc))
    return True


def _on(walk: Walk, node: Node, op: Op, on_twins: Op | None, names: Sequence[str]) -> None:
    """An op on integers as what the node gives: on twins where there is such an op and all have one."""
    if on_twins is not None and is_planes(walk.shape(node.name)) and all(walk.twin(name) for name in names):
        twins = [walk.rows_of(name) for name in names]
        (rows,) = walk.work.add(on_twins, *twins, loc=node.loc, stem=f"{node.name}_rows")
        walk.gives(node, rows)
    else:
        walk.work.make(Node(op, tuple(names), node.outputs, node.loc))
