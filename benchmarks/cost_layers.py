"""Layers of networks, to be measured: hand-made ones of several sizes, each with its inputs and its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from mcugen.functions import FUNCTIONS
from mcugen.ir import DType
from mcugen.loops import strides_of
from mcugen.op import Op
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.add_steps import AddSteps
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.dequantize import Dequantize
from mcugen.ops.elementwise import MEASURED, Elementwise
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.quantize import Quantize
from mcugen.ops.softmax import Softmax
from mcugen.ops.strided import Strided
from mcugen.windows import Window

ROWS = 3  # what a layer takes hardly depends on its input
CONVOLUTIONS = 360
MOST = 300_000  # multiply-accumulates of one: small processors take their time
Made = tuple[Op, list[Any], list[Any]]  # an op, its inputs (rows, *its shape) each, and constants that are inputs, too
STEPS = AddSteps((0.03, 0.04, 0.05), (3, -9, 5))


def conv_rows() -> Iterator[Made]:
    """Dense layers and depthwise ones, of integers and floats; on whole images, on few pixels, and fully connected."""
    rng = np.random.default_rng(11)
    for number in range(CONVOLUTIONS):
        kind = DType.F32 if number % 3 == 0 else DType.I8
        depthwise, connected = rng.random(2) < (0.25, 0.2)
        ins = int(rng.choice([4, 8, 12, 16, 24, 32] if depthwise else [1, 2, 3, 4, 6, 8, 10, 16, 24, 32, 48]))
        outs = ins if depthwise else int(rng.choice([2, 4, 6, 8, 12, 16, 20, 32]))
        outs += int(not depthwise and number % 8 == 4)
        if connected and not depthwise:
            ins *= int(rng.choice([1, 4, 8, 10]))
        line = Window(1, 1), Window(1, 1)
        rows, columns = line if connected and not depthwise else _windows(depthwise, rng)
        op = ConvRows(rows, columns, ins if depthwise else 1)
        op = replace(op, low=0.0) if number % 4 < 2 else op
        made = _convolution(op, ins, outs, kind, number, rng)
        if rows.out * columns.out * made[2][0].size <= MOST:
            yield made


def _windows(depthwise: bool, rng: np.random.Generator) -> tuple[Window, Window]:
    """Of both axes: one pixel, or several with and without padding."""
    kernel = (3, 3) if depthwise else [(1, 1), (3, 3), (3, 3), (5, 5), (7, 3), (1, 3)][rng.integers(6)]
    stride, pads = int(rng.integers(1, 3)), bool(rng.integers(3))
    sizes = (int(size) for size in rng.integers(5, 15, 2))
    rows, columns = (
        Window(max(size, k), k, stride, 1, k // 2 * pads, k // 2 * pads) for size, k in zip(sizes, kernel, strict=True)
    )
    return rows, columns


def _convolution(
    op: ConvRows, ins: int, outs: int, kind: DType, number: int, rng: np.random.Generator
) -> Made:  # fmt: skip
    shape = (outs, op.rows.kernel, op.columns.kernel, ins // op.groups)
    adds = rng.random() < 0.2 and not op.depthwise
    given = [(op.rows.size, op.columns.size, ins), *([(op.rows.out, op.columns.out, outs)] if adds else [])]
    if kind is DType.F32:
        tables = [rng.uniform(-1, 1, shape).astype(np.float32), rng.uniform(-1, 1, outs).astype(np.float32)]
        behind = [np.maximum(_floats(one, rng), 0) for one in given]  # a ReLU: products of 0 are faster without an FPU
        return replace(op, adds=adds), behind, tables
    by_float = rng.random() < 0.15
    factors = rng.uniform(0.2, 1, outs) / np.prod(shape[1:]) ** 0.5 / 80
    tables = [
        rng.integers(-100, 101, shape, dtype=np.int8),
        rng.integers(-4000, 4001, outs, dtype=np.int32),
        factors.astype(np.float32) if by_float else np.rint(factors * 2.0**32).astype(np.int32),
    ]
    scaled = (STEPS if by_float else AddScaled(1 << 19, 3 << 18, -12345, 20, low=-90)) if adds else None
    made = replace(op, zero=-7, to=5, adds=adds, scaled=scaled, by_float=by_float)
    return made, [_bytes(one, rng) for one in given], tables


def _bytes(shape: Sequence[int], rng: np.random.Generator) -> Any:
    return rng.integers(-128, 128, (ROWS, *shape), dtype=np.int8)


def _floats(shape: Sequence[int], rng: np.random.Generator) -> Any:
    return rng.normal(size=(ROWS, *shape)).astype(np.float32)


def pool_rows() -> Iterator[Made]:
    rng = np.random.default_rng(12)
    forms = [("max", None), ("average", None), ("average", (0.03, 0.04))]
    for number, (function, scales), ins, size in product(range(5), forms, (1, 4, 16, 40), (2, 5, 8, 12)):
        kernel, stride, pad = [(2, 2, 0), (3, 2, 1), (size, 1, 0), (3, 1, 1), (size, 1, 0)][number]
        rows = Window(max(size, kernel), kernel, stride, 1, pad, pad)
        columns = Window(3, 3) if number == 4 else rows
        for make in (_bytes,) if scales else (_bytes, _floats):
            factor = 1 / (rows.kernel * columns.kernel)
            op = PoolRows(function, rows, columns, factor, -5 * (make is _bytes), 3, scales)
            yield op, [make((rows.size, columns.size, ins), rng)], []


def sums(op: Op) -> Callable[[], Iterator[Made]]:
    def made() -> Iterator[Made]:
        rng = np.random.default_rng(13)
        for size in (4, 20, 100, 255, 256, 500, 1000):
            yield op, [_bytes((size,), rng), _bytes((size,), rng)], []

    return made


def softmax() -> Iterator[Made]:
    rng = np.random.default_rng(14)
    for function, size in product(("Softmax", "LogSoftmax", "Hardmax"), (2, 5, 10, 12, 30, 100, 300)):
        yield Softmax(function, (1,)), [_floats((1, size), rng)], []
        yield Softmax(function, (1,)), [_floats((3, size // 2), rng)], []


def scales(op: Op, *, to: bool) -> Callable[[], Iterator[Made]]:
    """Of a whole tensor, and of every channel."""

    def made() -> Iterator[Made]:
        rng = np.random.default_rng(15)
        for size, each in product((1, 5, 12, 60, 200, 400), (False, True)):
            shape = (3, size) if each else (size,)
            of = (3, 1) if each else ()
            tables = [np.full(of, 0.05, np.float32), np.full(of, 3, np.int8)]
            yield op, [(_floats if to else _bytes)(shape, rng)], tables

    return made


def strided() -> Iterator[Made]:
    rng = np.random.default_rng(16)
    for shape, make in product(((3, 8, 8), (1, 16, 5), (4, 3, 12), (16, 9, 2), (7, 7)), (_bytes, _floats)):
        order = (1, 2, 0) if len(shape) == 3 else (1, 0)
        whole = strides_of(shape)
        op = Strided(tuple(shape[i] for i in order), tuple(whole[i] for i in order), 0)
        yield op, [make(shape, rng)], []
        yield Strided(shape[:-1], whole[:-1], 1), [make(shape, rng)], []


PARAMETERS: dict[str, dict[str, float]] = {
    "Elu": {"alpha": 0.7},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.01},
    "Selu": {"alpha": 1.673263, "gamma": 1.050701},
}


def elementwise() -> Iterator[Made]:
    """Of a whole tensor, and with other operands that are one number or one for every channel."""
    rng = np.random.default_rng(17)
    for function, size, each in product(sorted(MEASURED), (2, 9, 60, 300), (False, True)):
        shape = (size // 2, 2) if each else (size,)
        operands = FUNCTIONS[function].operands
        limits = [np.full((2,) if each else (), bound, np.float32) for bound in (-0.5, 0.75)]
        yield Elementwise(function, None, PARAMETERS.get(function, {})), [_floats(shape, rng)], limits[: operands - 1]
        if operands == 2:
            yield Elementwise(function), [_floats(shape, rng), _floats(shape, rng)], []


LAYERS: dict[str, Callable[[], Iterator[Made]]] = {
    "add_scaled": sums(AddScaled(1 << 19, 3 << 18, -12345, 20, low=-90)),
    "add_steps": sums(STEPS),
    "conv_rows": conv_rows,
    "elementwise": elementwise,
    "dequantize": scales(Dequantize(), to=False),
    "pool_rows": pool_rows,
    "quantize": scales(Quantize(), to=True),
    "softmax": softmax,
    "strided": strided,
}
