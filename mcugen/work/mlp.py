"""What a network's C is made of."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mcugen.boards import Target
from mcugen.fixed import Fixed, Integers
from mcugen.layers import Later, Network
from mcugen.op import Work
from mcugen.work import MOST_ROWS, Rows, joined, known_rows, loading, locals_, options, unrolled

if TYPE_CHECKING:
    from mcugen.ops.mlp import Mlp


def work(op: Mlp, target: Target) -> Work:
    """The row, the layers, and what is made of the last one."""
    net = op.fixed
    rows = known_rows(op.sizes, op.probe(MOST_ROWS, np.random.default_rng(0))[0])
    first, kind = net.layers[0], str(net.layers[0].width)
    load = loading(first, rows)
    wide = first.width == 32
    start = Work(
        0,
        {f"network {kind}": 1.0} | options(first, kind),
        load.parts(kind) | {f"call {kind}": 1.0},
        {f"network {kind}": 1.0},
    )
    arrays = _arrays(net)
    far = locals_(arrays.stack["arrays"], f"{kind} {op.output}", target)
    return joined(start, arrays, far, *_layers(net, rows, target, kind), _tail(op, "wide" if wide else "narrow"))


def _layers(net: Network, rows: Rows, target: Target, kind: str) -> list[Work]:
    """Products of every layer, and what becomes of the hidden ones' sums."""
    found = []
    for f in net.layers:
        columns = f.weights.shape[1]
        shape = dict(unrolled(columns, target, kind))
        found.append(Work(f.nbytes, {f"layer {kind}": 1.0} | shape, _products(f.weights.size, len(f.weights), kind)))
    for last, layer, (*_, downs) in zip(net.layers, net.layers[1:], [*net.steps(rows)][1:], strict=False):
        down, tries = float(downs.mean()), _tries(layer, downs)
        units = float(len(last.weights))
        again = _products(last.weights.size, len(last.weights), kind)
        runs = Counter({name: (tries - 1) * count for name, count in again.items()})
        runs.update({f"hidden {kind}": 1.0, f"units {kind}": tries * units, f"unit bits {kind}": tries * units * down})
        runs.update({f"unit last bits {kind}": tries * units * (float((downs % 8).mean()))})
        found.append(Work(0, {f"hidden {kind}": 1.0, f"ones {kind}": float(layer.bias)}, runs))
    return found


def _tries(layer: Fixed, downs: Integers) -> float:
    """How often a layer in 32 bits is worked out until its sums are shifted down far enough."""
    return 1 + float((downs > layer.down).mean()) if isinstance(layer, Later) and layer.width == 32 else 1.0


def _products(count: int, rows: int, kind: str) -> dict[str, float]:
    return {f"products {kind}": float(count), f"rows {kind}": float(rows)}


def _arrays(net: Network) -> Work:
    """Rows of every layer, and sums where they are narrow."""
    wide = net.layers[0].width == 32
    rows = sum(f.weights.shape[1] for f in net.layers) * (4 if wide else 2)
    sums = 0 if wide else 4 * sum(len(f.weights) for f in net.layers[:-1])
    return Work(stack={"arrays": float(rows + sums), "layers": float(len(net.layers))})


def _tail(op: Mlp, width: str) -> Work:
    kind = f"{op.output} {width} {'one' if op.rows == 1 else 'several'}"
    runs = {f"tail {kind}": 1.0} | ({f"rows {kind}": float(op.rows)} if op.rows > 1 else {})
    kept = (8 if width == "wide" else 4) * op.rows if op.output == "proba" and op.rows > 1 else 0
    return Work(0, {f"tail {kind}": 1.0}, runs, {f"tail {kind}": 1.0, "kept": float(kept)})
