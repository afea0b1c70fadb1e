"""quadratic: NumPy against compiled C, on forms of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from row_op import BOARDS, assert_same, assert_same_pairs, decided, rows_for, unit
from sanitized import check_as_cpp, check_on_avr, run_sanitized

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.op import same
from mcugen.ops.quadratic import Quadratic
from mcugen.quadratic import Forms, quadratic
from mcugen.quadratic_wide import quadratic_wide


@dataclass(frozen=True)
class Shape:
    """A random op to be made: its features, the rows of each class, what is asked of it, the size of its features."""

    features: int
    rows: tuple[int, ...]
    output: str
    size: float = 1.0
    never: int = 0
    singular: float = 1.0  # a direction that has so much less of a deviation than others


SHAPES = [
    Shape(1, (1, 1), "label"),
    Shape(4, (4, 4, 4), "label"),
    Shape(4, (4, 4, 4), "proba"),
    Shape(4, (4, 4, 4), "decision"),
    Shape(4, (4, 4), "decision"),
    Shape(6, (3, 6, 2), "proba"),  # as many rows as a class has
    Shape(300, (2, 3), "label"),  # more features than a byte counts
    Shape(2, (1,) * 300, "proba"),
    Shape(5, (5, 5, 5), "proba", size=1e-30),
    Shape(5, (5, 5, 5), "decision", size=1e30),
    Shape(5, (5, 5, 5), "proba", never=1),
    *(Shape(4, (4, 4, 4), output, singular=1e-6) for output in ("label", "proba", "decision")),  # 64 bits
    Shape(4, (4, 4), "decision", singular=1e-6),
    Shape(4, (4, 4, 3), "decision", singular=1e-6, never=1),
    Shape(6, (3, 6, 2), "proba", singular=1e-6, size=1e-20, never=1),
    Shape(20, (20, 18), "proba", singular=1e-6),  # whose sums are shifted down
    Shape(4, (4, 4, 4), "pairs"),  # decisions as sums of two floats
    Shape(4, (4, 4), "pairs", singular=1e-6),
    Shape(4, (4, 4, 3), "pairs", singular=1e-6, never=1),
]


def made(shape: Shape, seed: int) -> Quadratic:
    """The op of a shape."""
    rng = np.random.default_rng(seed)
    matrices = [rng.normal(size=(rows, shape.features)) / shape.size for rows in shape.rows]
    for matrix in matrices:
        matrix[0] /= shape.singular
    offsets = [matrix @ (rng.normal(size=shape.features) * shape.size) for matrix in matrices]
    with np.errstate(divide="ignore"):
        constants = np.log(np.where(np.arange(len(shape.rows)) < shape.never, 0.0, rng.random(len(shape.rows))))
    sizes = np.full(shape.features, int(np.frexp(5 * shape.size)[1]) + 126)
    pairs, model = shape.output == "pairs", Forms(tuple(matrices), tuple(offsets), constants)
    return Quadratic(model, sizes, "decision" if pairs else shape.output, pairs=pairs)  # type: ignore[arg-type]


@pytest.mark.parametrize("board", BOARDS)
def test_the_c_gives_numpys_answers(board: str) -> None:
    ops = [decided(made(shape, i), "float32", board) for i, shape in enumerate(SHAPES)]
    inputs = [rows_for(op, op.model.features, 0) for op in ops]
    units = [unit(op, f"m{i}", op.model.features, op.output, board) for i, op in enumerate(ops)]
    for op, x, found in zip(ops, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        with np.errstate(all="ignore"):
            wanted = op.answers(x)
        if op.pairs:
            assert_same_pairs(wanted, found, op.describe())
            continue
        if op.output != "decision":
            assert_same(wanted, found, op.describe())
            continue
        np.testing.assert_array_equal(found[0], wanted[0])
        # the largest constant is added, or one sum taken off another, after the scores were rounded
        np.testing.assert_allclose(found[1], wanted[1], rtol=1e-6, atol=1e-6, err_msg=op.describe())


def test_64_bits_are_as_exact_as_float64() -> None:
    """A direction of a millionth of the others' deviation, of rows a hundred times as far out."""
    op = made(Shape(4, (4, 4, 4), "decision", singular=1e-6), 3)
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32) * np.float32(100)
    exact = op.model.scores(x.astype(np.float64))
    np.testing.assert_allclose(quadratic_wide(op.model).scores(x)[2], exact, rtol=1e-13)
    assert np.abs(quadratic(op.model, op.sizes).scores(x) / exact - 1).max() > 1e-6  # what 32 bits lose


def test_the_c_is_cpp_and_avr_too() -> None:
    ops = [decided(made(shape, i), "float32") for i, shape in enumerate(SHAPES)]
    units = [unit(op, f"m{i}", op.model.features, op.output) for i, op in enumerate(ops)]
    check_as_cpp(units)
    check_on_avr(units)


@pytest.mark.parametrize("shape", [s for s in SHAPES if not s.never and len(s.rows) < 9 and s.singular == 1], ids=str)
def test_its_integers_are_exact_to_their_roundings(shape: Shape) -> None:
    """Each square's root is off by a step at most, which comes from the roundings of 30-bit integers."""
    op = made(shape, 3)
    x = np.random.default_rng(0).normal(size=(300, shape.features)).astype(np.float32) * np.float32(shape.size)
    narrow = quadratic(op.model, op.sizes)
    found, wanted = narrow.scores(x), op.model.scores(x.astype(np.float64))
    roots = np.stack([np.abs(z).sum(axis=1) for z in op.model.distances(x.astype(np.float64))], axis=1)
    step = narrow.step
    assert step < 1e-4
    assert (np.abs(found - wanted) <= 2 * step * roots + max(shape.rows) * step**2 + 1e-6).all()


def test_what_it_refuses_and_what_is_the_same() -> None:
    op = made(SHAPES[1], 0)
    with pytest.raises(McugenError, match="quadratic takes 4:f32, not "):
        op.infer(TensorType((5,), DType.F32))
    assert same(op, made(SHAPES[1], 0))
    assert not same(op, made(SHAPES[1], 1))
    with pytest.raises(McugenError, match="E0303"):
        decided(made(Shape(100, (100, 100), "label"), 0), "float32")
