"""ONNX Resize row by row: pixels that are moved, and sums of a few beside each other, along one axis or two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.ir import DType, Node
from mcugen.ops.contract import Contract
from mcugen.ops.pick import Pick
from mcugen.ops.reshape import Reshape
from mcugen.ops.resize_rows import ResizeRows, Taps
from mcugen.passes.layers.walk import Walk, is_planes

MOST = 4  # taps along an axis: those of bicubic interpolation
CLOSE = 1e-5  # to 1, which weights of a mean add up to


def resize(walk: Walk, node: Node) -> bool:
    """Rows and columns resized; two nodes, one for each, become one op. On pixels where a layer further on takes pixels, else channel
    by channel: then no large tensor is brought from one order to the other.
    """
    op = _resized(walk, node)
    if op is None:
        return False
    x, before = node.inputs[0], walk.before(node.inputs[0])
    first = _resized(walk, before) if before is not None and walk.once(x) else None
    both = _both(first, op) if first is not None else None
    if before is not None and both is not None:
        op, x = both, before.inputs[0]
    if walk.work.type_of(x).dtype not in ((DType.F32, DType.I8) if op.moves else (DType.F32,)):
        return False
    grows = op.rows.out * op.columns.out >= op.rows.size * op.columns.size
    if walk.on_pixels(node.name) and (grows or walk.twin(x)):
        (rows,) = walk.work.add(op, walk.rows_of(x), loc=node.loc, stem=f"{node.name}_rows")
        walk.gives(node, rows)
        return True
    if op.moves:
        return False
    shape = walk.shape(x)
    lines = Reshape((shape[1] * op.rows.size, op.columns.size, 1))
    (planes,) = walk.work.add(lines, x, loc=node.loc, stem=f"{node.name}_lines")
    (made,) = walk.work.add(replace(op, images=shape[1]), planes, loc=node.loc, stem=f"{node.name}_planes")
    walk.work.make(Node(Reshape(walk.shape(node.name)), (made,), node.outputs, node.loc))
    return True


def picked(walk: Walk, op: Pick, shape: tuple[int, ...]) -> ResizeRows | None:
    """Elements picked by rows and columns, every channel alike, on a twin; None where others are."""
    if not is_planes(shape) or op.fills:
        return None
    if any(len(m) != n or (m != np.arange(n)).any() for m, n in zip(op.maps[:2], shape, strict=False)):
        return None
    sizes, maps = walk.sides(shape[2:], 1), walk.sides(op.maps[2:], np.arange(1))
    rows, columns = (Taps.picked(size, indices) for size, indices in zip(sizes, maps, strict=True))
    return ResizeRows(rows, columns)


def _resized(walk: Walk, node: Node) -> ResizeRows | None:
    """What a node does to the twin of its input."""
    if isinstance(node.op, Pick):
        return picked(walk, node.op, walk.shape(node.inputs[0]))
    return _weighted(walk, node, node.op) if isinstance(node.op, Contract) else None


def _weighted(walk: Walk, node: Node, op: Contract) -> ResizeRows | None:
    """Means of a few elements along an axis, as the front-end has them: a matrix on the right, (out, size)."""
    shape = walk.shape(node.inputs[0])
    weights = walk.constant(node.inputs[1]) if len(op.letters) == 2 else None
    if weights is None or weights.ndim != 2 or not is_planes(shape) or walk.constant(node.inputs[0]) is not None:
        return None
    left, free, summed = op.letters[0], op.letters[1][0], op.letters[1][1]
    axis = left.find(summed)
    if len({*left, free}) != len(left) + 1 or axis < 2 or op.out != left.replace(summed, free):
        return None
    if weights.shape[1] != shape[axis] or not np.allclose(weights.sum(axis=1), 1, rtol=0, atol=CLOSE):
        return None
    taps = Taps.of(weights)
    if taps.count > MOST:
        return None
    high, wide = (Taps.picked(size, np.arange(size)) for size in walk.sides(shape[2:], 1))
    along = walk.sides(range(2, len(shape)), 0)
    return ResizeRows(high, taps) if axis == along[1] else ResizeRows(taps, wide)


def _both(first: ResizeRows, second: ResizeRows) -> ResizeRows | None:
    """One op for two, of which each changes another axis."""
    if first.columns.changes and not first.rows.changes and not second.columns.changes:
        return ResizeRows(second.rows, first.columns)
    if first.rows.changes and not first.columns.changes and not second.rows.changes:
        return ResizeRows(first.rows, second.columns)
    return None
