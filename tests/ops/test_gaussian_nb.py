"""gaussian_nb: NumPy against compiled C in every width, on means and deviations of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from row_op import BOARDS, FORMS, assert_same, assert_same_pairs, decided, rows_for, unit
from sanitized import check_as_cpp, check_on_avr, run_sanitized

from mcugen.boards import Numeric, Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.gaussian import NEVER, Gaussian, gaussian
from mcugen.ir import Array, DType, TensorType
from mcugen.ops.gaussian_nb import GaussianNB


@dataclass(frozen=True)
class Shape:
    """A random op to be made: its size, the size of its features, how far their deviations are apart (powers of ten), how
    many deviations the means are off 0, and how many classes have no prior."""

    features: int
    classes: int
    output: str
    size: float = 1.0
    apart: float = 0.5
    off: float = 3.0
    never: int = 0


SHAPES = [
    Shape(1, 2, "label"),
    Shape(4, 3, "label"),
    Shape(4, 3, "proba"),
    Shape(30, 2, "proba"),
    Shape(3, 1, "proba"),
    Shape(300, 3, "label"),  # more features than a byte counts
    Shape(3, 300, "proba"),
    Shape(6, 4, "label", size=1e-30),
    Shape(6, 4, "proba", size=1e30),
    Shape(6, 4, "proba", off=1e3),  # centers are taken off first
    Shape(6, 4, "label", off=1e5),
    Shape(8, 5, "proba", apart=4),  # scales of two kinds
    Shape(8, 5, "label", apart=5),
    Shape(6, 4, "proba", never=2),
    Shape(6, 4, "label", never=3),
    Shape(6, 4, "proba", apart=7, never=2),  # 64 bits
    Shape(6, 4, "label", apart=16),
    Shape(300, 3, "proba", apart=4),  # whose squares have to be shifted down
    Shape(6, 4, "proba", off=1e7),
    Shape(6, 2, "decision"),
    Shape(6, 4, "pairs", apart=4),  # decisions as sums of two floats
    Shape(3, 2, "pairs", off=1e3, never=1),
    Shape(40, 3, "pairs", apart=7),
]


def made(shape: Shape, seed: int) -> GaussianNB:
    """The op of a shape, not decided. Some features look alike to all classes, and do not count."""
    rng = np.random.default_rng(seed)
    apart = 10.0 ** rng.uniform(-shape.apart / 2, shape.apart / 2, (shape.classes, shape.features))
    deviation = apart * shape.size * 10.0 ** rng.uniform(-1, 1, shape.features)
    mean = rng.normal(size=deviation.shape) * deviation.max(axis=0) * 2 + deviation.max(axis=0) * shape.off
    alike = rng.random(shape.features) < 0.1
    mean[:, alike], deviation[:, alike] = mean[:1, alike], deviation[:1, alike]
    with np.errstate(divide="ignore"):
        prior = np.log(np.where(np.arange(shape.classes) < shape.never, 0.0, rng.random(shape.classes)))
    constant = prior - np.log(2 * np.pi * deviation**2).sum(axis=1) / 2
    pairs = shape.output == "pairs"
    return GaussianNB(mean, deviation**2, constant, "decision" if pairs else shape.output, pairs=pairs)  # type: ignore[arg-type]


def forms_of(shape: Shape) -> tuple[Numeric, ...]:
    """Those that it may be decided for: narrow integers have no more digits than floats."""
    return FORMS[:1] if shape.output == "pairs" else FORMS


@pytest.mark.parametrize("board", BOARDS)
def test_the_c_gives_numpys_answers(board: str) -> None:
    ops = [decided(made(shape, i), form, board) for i, shape in enumerate(SHAPES) for form in forms_of(shape)]
    narrow = [op.fixed for op in ops if isinstance(op.fixed, Gaussian)]
    assert {g.coarse for g in narrow} == {False, True}
    assert {len(g.centers) > 0 for g in narrow} == {False, True}
    assert {op.fixed.never for op in ops if op.fixed not in narrow} == {False, True}
    inputs = [rows_for(op, op.mean.shape[1], 0) for op in ops]
    units = [unit(op, f"m{i}", op.mean.shape[1], op.output, board) for i, op in enumerate(ops)]
    for op, x, found in zip(ops, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        finite = np.isfinite(x).all(axis=1)  # NaN less a center is a NaN whose bits are the processor's affair
        with np.errstate(all="ignore"):
            wanted = op.answers(x)
        if op.pairs:
            assert_same_pairs(wanted, found, op.describe())
            continue
        assert_same(tuple(w[finite] for w in wanted), [f[finite] for f in found], op.describe())


def test_the_c_is_cpp_and_avr_too() -> None:
    ops = [decided(made(shape, i), form) for i, shape in enumerate(SHAPES) for form in forms_of(shape)]
    units = [unit(op, f"m{i}", op.mean.shape[1], op.output) for i, op in enumerate(ops)]
    check_as_cpp(units)
    check_on_avr(units)


def scores_of(op: GaussianNB, x: Array) -> Array:
    """The scores of an op's integers, and those of float64, less each row's largest."""
    exact = op.scores(x.astype(np.float32))
    return np.stack([decided(op, "float32").fixed.scores(x), exact - exact.max(axis=1, keepdims=True)])


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.apart < 1 and s.classes < 99], ids=str)
def test_sums_of_32_bits_are_as_exact_as_1e_8_of_the_row(shape: Shape) -> None:
    """Means, scales and rows have 30 bits of a range that is at most 2**7 deviations: 2**-30 * 2**7 of a score's size."""
    op = made(shape, 7)
    x = op.probe(500, np.random.default_rng(0))[0]
    found, wanted = scores_of(op, x)
    size = 1 + np.abs(op.scores(x)).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        assert np.nanmax(np.abs(found - wanted) / size) < 1e-7


def test_a_class_without_a_prior_is_never_answered() -> None:
    op = made(Shape(3, 4, "proba", never=2), 0)
    assert (gaussian(op.mean, op.variance, op.constant, 32).constants == NEVER).tolist() == [True, True, False, False]
    index, proba = op.answers(op.mean.astype(np.float32))
    assert index.min() >= 2
    assert (proba[:, :2] == 0).all()


def test_what_it_refuses() -> None:
    op = made(Shape(3, 4, "label"), 0)
    with pytest.raises(McugenError, match="gaussian_nb takes 3:f32, not 4:f32"):
        op.infer(TensorType((4,), DType.F32))
    large = made(Shape(300, 40, "label"), 0)
    with pytest.raises(McugenError, match=r"E0303.*48,000 B"):
        decided(large, "float32")
    assert decided(large, "int16").quantised
    assert decided(large, "float32", "nano33ble").form == "float32"
    assert large.forms(Target(load_board("uno")))[0].name == "float32"
