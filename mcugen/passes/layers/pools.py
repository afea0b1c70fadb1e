"""Pools on pixel-major tensors."""

from __future__ import annotations

from math import prod

from mcugen.ir import DType, Node
from mcugen.ops.pool import Pool
from mcugen.ops.pool_rows import PoolRows
from mcugen.passes.layers.dense import ONE
from mcugen.passes.layers.walk import Walk, is_planes

TAKEN = {"max": (DType.F32, DType.I8), "average": (DType.F32,)}


def pool(walk: Walk, node: Node) -> bool:
    """A pool over one or two axes, where its input has a twin."""
    if not isinstance(node.op, Pool):
        return False
    x = node.inputs[0]
    if walk.twin(x) is None or walk.work.type_of(x).dtype not in TAKEN.get(node.op.function, ()):
        return False
    op = pool_rows(walk, node.op, walk.shape(x))
    if op is None:
        return False
    (rows,) = walk.work.add(op, walk.rows_of(x), loc=node.loc, stem=f"{node.name}_rows")
    walk.gives(node, rows)
    return True


def pool_rows(walk: Walk, op: Pool, shape: tuple[int, ...]) -> PoolRows | None:
    """The same pool on a twin; None where a mean's divisor changes, or places are asked for."""
    if not is_planes(shape) or op.indices or op.function not in TAKEN:
        return None
    rows, columns = walk.sides(op.windows, ONE)
    if op.function == "max":
        return PoolRows("max", rows, columns)
    counts = op.counts
    if (counts != counts.flat[0]).any():
        return None
    return PoolRows("average", rows, columns, 1 / float(counts.flat[0]) if prod(counts.shape) else 1.0)
