"""mlp: NumPy against compiled C in every width, on layers of any size and weights of any scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from row_op import BOARDS, FORMS, assert_same, assert_same_pairs, decided, rows_for, unit
from sanitized import check_as_cpp, check_on_avr, run_sanitized

from mcugen.boards import Numeric
from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.layers import Layers
from mcugen.op import same
from mcugen.ops.mlp import Mlp


@dataclass(frozen=True)
class Shape:
    """A random op to be made: features and rows of each layer, what is asked of it, and how large its weights are."""

    sizes: tuple[int, ...]
    output: str
    size: float = 1.0
    bias: float = 1.0
    spread: float = 0.0
    seen: bool = False


SHAPES = [
    Shape((1, 1, 1), "label"),
    Shape((4, 3, 1), "proba"),
    Shape((4, 8, 3), "label"),
    Shape((4, 8, 3), "proba", seen=True),
    Shape((9, 8, 1), "value"),
    Shape((9, 8, 1), "value", seen=True),
    Shape((9, 8, 5), "transform"),
    Shape((9, 8, 1), "transform", bias=0),
    Shape((9, 8, 5), "pairs"),  # the transform as sums of two floats
    Shape((9, 8, 1), "pairs", spread=3),
    Shape((9, 8, 5), "label", bias=0),
    Shape((5, 20, 10, 7, 3), "proba", seen=True),
    Shape((5, 20, 10, 7, 3), "label"),
    Shape((300, 5, 3), "label"),  # more features than a byte counts
    Shape((3, 300, 3), "label"),
    Shape((3, 5, 300), "proba"),
    Shape((8, 6, 4), "proba", size=1e-30),
    Shape((8, 6, 1), "value", size=1e12),
    Shape((8, 6, 1), "value", size=1e-12, bias=1e12),
    Shape((8, 6, 1), "value", size=1e12, bias=1e-12),
    Shape((8, 6, 4), "label", spread=12),
    Shape((8, 6, 4), "label", size=0),
]


def made(shape: Shape, seed: int) -> Mlp:
    """The op of a shape, not decided."""
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for columns, rows in zip(shape.sizes, shape.sizes[1:], strict=False):
        apart = 10.0 ** rng.uniform(-shape.spread / 2, shape.spread / 2, columns)
        weights.append(rng.normal(size=(rows, columns)) * apart * shape.size / np.sqrt(columns))
        biases.append(rng.normal(size=rows) * shape.bias)
    pairs = shape.output == "pairs"
    op = Mlp(Layers(tuple(weights), tuple(biases)), "transform" if pairs else shape.output, pairs=pairs)  # type: ignore[arg-type]
    usual = op.probe(50, rng)[0][1:10]
    return op.seen(usual) if shape.seen else op


def forms_of(shape: Shape) -> tuple[Numeric, ...]:
    """Those that it may be decided for: narrow integers have no more digits than floats."""
    return FORMS[:1] if shape.output == "pairs" else FORMS


@pytest.mark.parametrize("board", BOARDS)
def test_the_c_gives_numpys_answers(board: str) -> None:
    ops = [decided(made(shape, i), form, board) for i, shape in enumerate(SHAPES) for form in forms_of(shape)]
    inputs = [rows_for(op, op.features, 0) for op in ops]
    units = [unit(op, f"m{i}", op.features, op.output, board) for i, op in enumerate(ops)]
    for op, x, found in zip(ops, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        with np.errstate(all="ignore"):
            wanted = op.answers(x)
        if op.pairs:  # of numbers that floats hold
            held = np.abs(wanted[0][:, : op.rows]).max(axis=1) < 1e30
            wanted, found = (wanted[0][held],), [found[0][held]]
        (assert_same_pairs if op.pairs else assert_same)(wanted, found, op.describe())


def test_the_c_is_cpp_and_avr_too() -> None:
    ops = [decided(made(shape, i), form) for i, shape in enumerate(SHAPES) for form in forms_of(shape)]
    units = [unit(op, f"m{i}", op.features, op.output) for i, op in enumerate(ops)]
    check_as_cpp(units)
    check_on_avr(units)


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.output in ("value", "transform")], ids=str)
def test_sums_of_32_bits_are_as_exact_as_float32s(shape: Shape) -> None:
    """To 2**-22 of what the parts of the sums add up to without their signs, layer after layer."""
    op = made(shape, 3)
    x = op.probe(500, np.random.default_rng(0))[0]
    size = np.abs(x.astype(np.float64))
    for weights, bias in zip(op.layers.weights, op.layers.biases, strict=True):
        size = size @ np.abs(weights.T) + np.abs(bias)
    wanted = op.layers.scores(x.astype(np.float64))
    found = decided(op, "float32").answers(x)[0].reshape(wanted.shape)
    assert (np.abs(found - wanted) <= 2.0**-22 * size.max(axis=1, keepdims=True)).all()


def test_a_row_that_is_larger_than_those_seen_is_gone_through_again() -> None:
    op = made(Shape((4, 8, 1), "value"), 0)
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    op = op.seen(x)
    for size in (1.0, 1e3, 1e9):
        wanted = op.layers.scores(x.astype(np.float64) * size)[:, 0]
        found = decided(op, "float32").answers(x * np.float32(size))[0]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_what_it_refuses_and_what_is_the_same() -> None:
    op = made(SHAPES[2], 0)
    with pytest.raises(McugenError, match="mlp takes 4:f32, not 5:f32"):
        op.infer(TensorType((5,), DType.F32))
    assert same(op, made(SHAPES[2], 0))
    assert not same(op, made(SHAPES[2], 1))
    with pytest.raises(McugenError, match="E0303"):
        decided(made(Shape((100, 100, 3), "label"), 0), "float32")
