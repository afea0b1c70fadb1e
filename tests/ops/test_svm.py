"""svm: NumPy against compiled C in every width, kernel and output, on vectors and floats of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sanitized import check_as_cpp, check_on_avr, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.fixed import Floats
from mcugen.ir import Array, DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.svm import Kernel, Svm, pairs_of
from mcugen.ops.svm.integers import coefficients_of
from mcugen.ops.svm.machine import coupled, places, scores
from mcugen.targets.driver import Unit

FORMS = ("float32", "int16", "int8")
BOARDS = ("mega2560", "feather_nrf52840")
# What a value of a kernel may be off in a form, as part of the largest, beside the vectors' own rounding: see value.c.j2.
OFF = {"float32": 2.0**-24, "int16": 2.0**-11, "int8": 2.0**-11}


@dataclass(frozen=True)
class Shape:
    """A random machine: its kernel, size and what is asked of it; classes 0 is a number, 1 outliers."""

    kernel: Kernel
    vectors: int
    features: int
    classes: int
    output: str
    ties: bool = False
    of_pairs: bool = False
    size: float = 1.0
    centre: float = 0.0
    coefficient: float = 1.0
    far: bool = False
    spread: int = 0  # of the features, in powers of ten
    levels: int = 0  # that each feature takes; 0 for as many as there are vectors


RBF = Kernel("rbf", 0.2)
POLY = Kernel("poly", 0.3, 0.5, 3)
SIGMOID = Kernel("sigmoid", 0.2, -0.3)
SHAPES = [
    Shape(RBF, 1, 1, 2, "label"),
    Shape(RBF, 30, 4, 2, "decision"),
    Shape(RBF, 30, 4, 2, "proba"),
    Shape(RBF, 30, 4, 0, "value"),
    Shape(RBF, 30, 4, 1, "decision"),
    Shape(RBF, 60, 4, 4, "label"),
    Shape(RBF, 60, 4, 4, "decision"),
    Shape(RBF, 60, 4, 4, "decision", of_pairs=True),
    Shape(RBF, 60, 4, 4, "label", ties=True),
    Shape(RBF, 60, 4, 4, "proba"),
    Shape(RBF, 40, 4, 30, "decision"),  # more pairs than a byte counts
    Shape(RBF, 300, 3, 3, "label"),
    Shape(RBF, 20, 300, 3, "decision"),
    Shape(Kernel("rbf", 1e9), 30, 4, 2, "decision"),  # narrower than the grid
    Shape(Kernel("rbf", 1e-12), 30, 4, 2, "decision"),
    Shape(Kernel("rbf", 0.0), 30, 4, 2, "decision"),
    Shape(Kernel("rbf", 1e40), 30, 4, 3, "decision", size=1e-20),
    Shape(Kernel("rbf", 1e-40), 30, 4, 3, "decision", size=1e20),
    Shape(RBF, 30, 4, 3, "decision", centre=1e5),
    Shape(RBF, 30, 4, 0, "value", coefficient=1e8),  # 32 bits behind the point
    Shape(Kernel("rbf", 0.08), 40, 3, 2, "decision", coefficient=100.0),  # the same, with a shift of more than 24
    Shape(RBF, 2000, 8, 3, "label", far=True),
    Shape(RBF, 2000, 8, 3, "decision"),
    Shape(RBF, 90, 7, 2, "decision", levels=4),
    Shape(RBF, 90, 4, 6, "decision", levels=17, centre=1e5),
    Shape(Kernel("rbf", 1e40), 300, 3, 3, "decision", levels=200, size=1e-20),
    Shape(RBF, 90, 5, 0, "value", levels=3, coefficient=1e8, far=True),
    Shape(POLY, 30, 4, 2, "decision"),
    Shape(POLY, 60, 4, 4, "decision"),
    Shape(POLY, 60, 4, 4, "label"),
    Shape(Kernel("poly", 1.0, 0.0, 1), 60, 4, 3, "proba"),
    Shape(Kernel("poly", 1.0, 0.0, 2), 20, 4, 0, "value", size=1e-8),
    Shape(Kernel("poly", 0.1, 1.0, 9), 20, 4, 0, "value"),
    Shape(SIGMOID, 30, 4, 2, "decision"),
    Shape(POLY, 30, 4, 3, "decision", spread=12),  # features of sizes of their own
    Shape(SIGMOID, 60, 4, 4, "decision"),
    Shape(SIGMOID, 30, 4, 1, "label"),
    Shape(Kernel("sigmoid", 3.0, 0.0), 30, 4, 3, "proba", size=10),
    Shape(Kernel("sigmoid", 0.5, 0.25), 30, 4, 3, "proba"),  # an intercept in the products beside probabilities
]


def made(shape: Shape, seed: int) -> Svm:
    """The op of a shape, not decided."""
    rng = np.random.default_rng(seed)
    count, pairs = shape.vectors, pairs_of(shape.classes)
    vectors = rng.normal(size=(count, shape.features)) * shape.size + shape.centre
    if shape.levels:
        vectors = np.take_along_axis(vectors[: shape.levels], rng.integers(shape.levels, size=vectors.shape), axis=0)
    vectors *= 10.0 ** rng.uniform(-shape.spread, 0, shape.features)
    counts = rng.multinomial(count, np.full(shape.classes, 1 / shape.classes)) if shape.classes > 1 else np.zeros(0)
    coefficients = rng.normal(size=(count, max(1, shape.classes - 1))) * shape.coefficient
    coefficients[rng.random(coefficients.shape) < 0.3] = 0.0
    sigmoids = np.stack([-1 - rng.random(pairs), rng.normal(size=pairs) / 3]) if shape.output == "proba" else None
    return Svm(
        shape.kernel,
        vectors,
        counts.astype(np.int64),
        coefficients,
        rng.normal(size=pairs),
        shape.output,  # type: ignore[arg-type]  # one of them
        shape.ties,
        shape.of_pairs,
        sigmoids,
    )


def unit(op: Svm, name: str, board: str = "mega2560") -> Unit:
    """The op as a model of its own."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((op.vectors.shape[1],), DType.F32))
    names = [op.output] if op.output in ("label", "value") else ["label", op.output]
    builder.add(op, x, names=tuple(names))
    for output in names:
        builder.output(output, tuple(range(op.classes)) if output == "label" else None)
    module = Module(name, (builder.build(),))
    target = Target(load_board(board))
    return Unit(module, emit(module, plan(module, target), target))


def rows_for(op: Svm, seed: int) -> Array:
    """Rows between the vectors and beyond them, rows somewhat larger and smaller, and zeros."""
    rng = np.random.default_rng(seed)
    features = op.vectors.shape[1]
    reach = 30 if op.kernel.name != "poly" else 3
    sizes = np.ldexp(np.abs(op.vectors).max(), rng.integers(-reach, reach, (30, 1)))
    other = (rng.normal(size=(30, features)) * sizes).astype(np.float32)
    return np.concatenate([op.probe(90, rng)[0], other, np.zeros((1, features), np.float32)])


def cases(seed: int) -> list[Svm]:
    """Every shape, with seed 0 in every form, else in one."""
    shapes = [(shape, made(shape, 70 * seed + i)) for i, shape in enumerate(SHAPES)]
    forms = [FORMS if not seed else (FORMS[(i + seed) % 3],) for i in range(len(SHAPES))]
    decided = [(s, replace(op, form=form)) for (s, op), some in zip(shapes, forms, strict=True) for form in some]
    return [replace(op, form=form, far=s.far) for s, op in decided for form in coded(s, op)]


def coded(shape: Shape, op: Svm) -> list[str]:
    """The form of an op with its vectors in the codings that it may have, of few levels in those only."""
    few = ["levels", "terms"][op.form == "int16" :] if shape.levels and op.form != "int8" else []
    products = op.kernel.name == "rbf" and op.form == "float32" and not shape.far and (shape.levels or op.kernel != RBF)
    return [op.form] * (not few) + [f"{op.form} {coding}" for coding in few + ["products"] * bool(products)]


def bound(op: Svm, x: Array) -> Floats:
    """How far the C's scores (n, pairs) may be off NumPy's of the same integers: the values' bits, and the coefficients'."""
    values = np.abs(op.values(x))
    largest = np.maximum(1.0, values) if op.kernel.name == "rbf" else np.maximum(values.max(axis=1, keepdims=True), 1.0)
    sizes = np.zeros((len(op.coefficients), op.pairs))
    pair = places(op.counts)[0] if op.pairs > 1 else np.zeros(op.coefficients.shape, np.intp)
    np.put_along_axis(sizes, pair, np.abs(op.coefficients), axis=1)
    off = (
        OFF["float32"]
        if op.kernel.name != "rbf"
        else 2.0**-29
        if op.form.startswith("float32") and op.powers.fine == 32
        else OFF[op.form.split(" ")[0]]
    )
    return off * ((largest * np.ones_like(values)) @ (sizes + sizes.max()) + np.abs(op.intercepts))


def assert_same(op: Svm, x: Array, found: list[Array], what: str) -> None:
    """Numbers within the bound, and labels wherever no score is that near to 0 (with ties: no sums that near to each other)."""
    score, off = op.scores(x), bound(op, x)
    if op.output == "value":
        assert (np.abs(found[0] - score[:, 0]) <= off[:, 0] + np.abs(score[:, 0]) * 2.0**-22).all(), what
        return
    wanted = op.answers(x)
    clear = (np.abs(score) > off).all(axis=1)
    if not op.ties:
        np.testing.assert_array_equal(found[0][clear], wanted[0][clear], err_msg=what)
    else:
        assert (found[0] != wanted[0])[clear].mean() < 0.05, what
    if op.output == "decision":
        sums = off.sum(axis=1, keepdims=True) if op.pairs > 1 and not op.of_pairs else off
        far = np.abs(found[1] - wanted[1]) > sums + np.abs(wanted[1]) * 2.0**-21 + 1e-6
        assert not far[clear].any(), what
    if op.output == "proba":
        steep = np.abs(op.sigmoids[0]).max() * off.max(axis=1, keepdims=True) * op.pairs + 2e-6
        far = np.abs(found[1] - wanted[1]) > steep
        assert far.any(axis=1).mean() < 0.02, what  # rows whose coupling ends a round sooner or later


@pytest.mark.parametrize("board", BOARDS)
def test_the_c_gives_numpys_answers(board: str) -> None:
    ops = cases(BOARDS.index(board))
    units = [unit(op, f"m{i}", board) for i, op in enumerate(ops)]
    inputs = [rows_for(op, i) for i, op in enumerate(ops)]
    for op, x, found in zip(ops, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        assert_same(op, x, found, op.describe())


def test_the_c_is_cpp_and_avr_too() -> None:
    units = [unit(op, f"m{i}") for i, op in enumerate(cases(2)) if op.vectors.size < 10_000]
    check_as_cpp(units)
    check_on_avr(
        [one for one in units if not any("_FAR" in text for text in one.files.values())]
    )  # an Uno has no far flash


def test_any_bits_are_answered() -> None:
    rng = np.random.default_rng(0)
    ops = [op for op in cases(3) if op.vectors.size < 1_000]
    rows = [rng.integers(0, 2**32, (40, op.vectors.shape[1]), dtype=np.uint32).view(np.float32) for op in ops]
    run_sanitized([unit(op, f"m{i}") for i, op in enumerate(ops)], [[x] for x in rows])


def test_pairs_are_in_libsvms_order() -> None:
    pair, own = places(np.array([2, 0, 1, 1]))
    assert own.tolist() == [0, 0, 2, 3]
    assert pair.tolist() == [[0, 1, 2], [0, 1, 2], [1, 3, 5], [2, 4, 5]]
    found = scores(np.ones((1, 4)), np.eye(4, 3), np.zeros(6), np.array([2, 0, 1, 1]))
    assert found.tolist() == [[1.0, 1.0, 0.0, 0.0, 0.0, 1.0]]


def test_coupled_probabilities_add_up() -> None:
    p = coupled(np.array([0.9, 0.8, 0.3]), 3)
    assert p.sum() == pytest.approx(1)
    assert p.argmax() == 0


def test_what_an_avr_cannot_hold() -> None:
    poly = made(Shape(POLY, 2000, 20, 3, "label"), 0)
    with pytest.raises(McugenError, match="E0303"):
        poly.forms(Target(load_board("mega2560"), numeric="float32"))
    rbf = replace(poly, kernel=RBF)
    target = Target(load_board("mega2560"), numeric="float32")
    assert rbf.with_form(rbf.forms(target)[0], target).far


def test_forms_are_of_the_vectors_and_the_board() -> None:
    few = made(Shape(RBF, 300, 10, 3, "label", levels=17), 0)
    names = {
        board: [f.name for f in few.forms(Target(load_board(board)))] for board in ("mega2560", "metro_m0", "host")
    }
    assert names["mega2560"] == ["float32", "float32 levels"]
    assert names["metro_m0"] == ["float32", "float32 levels", "float32 terms"]
    assert names["host"] == ["float32", "float32 levels", "float32 products"]
    assert [f.name for f in few.forms(Target(load_board("host"), numeric="int16"))] == ["int16", "int16 levels"]
    poly = replace(few, kernel=POLY)
    assert [f.name for f in poly.forms(Target(load_board("host")))] == ["float32"]


def test_large_coefficients_that_cancel_are_finer_than_their_sums_have_room_for() -> None:
    sizes, pair = np.random.default_rng(0).uniform(-1, 1, (31, 1)), np.zeros((31, 1), np.int64)
    large = coefficients_of(3_000 * sizes, np.array([0.5]), pair, True)
    unit = 2.0 ** (large.exponent + 31 - large.drop)
    assert large.drop > 0
    assert np.abs(large.integers * unit - 3_000 * sizes).max() < 2e-6
    assert np.abs(large.integers).max() < 2**31
    assert coefficients_of(sizes, np.array([0.5]), pair, True).drop == 0


def test_types_are_checked() -> None:
    op = made(SHAPES[1], 0)
    with pytest.raises(McugenError, match="E0201"):
        op.infer(TensorType((5,), DType.F32))
    assert op.describe() == "kernel=rbf vectors=30 pairs=1 output=decision"
    assert op.evaluate(np.zeros(4, np.float32))[0] in (0, 1)
