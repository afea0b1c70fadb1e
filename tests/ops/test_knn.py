"""knn: NumPy against compiled C in every width, metric, vote and output, on points and floats of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from sanitized import check_as_cpp, check_on_avr, hard_floats, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.distance import middle_of
from mcugen.emit import emit
from mcugen.ir import Array, DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.knn import Knn, numbers_of
from mcugen.passes.select import choose
from mcugen.targets.driver import Unit

FORMS = ("float32", "int16", "int8")
BOARDS = ("mega2560", "feather_nrf52840")


@dataclass(frozen=True)
class Shape:
    """Random points to be made: how many, of what size, how far from 0, and what is asked of them."""

    points: int
    features: int
    neighbours: int
    output: str
    classes: int = 3
    votes: str = "uniform"
    metric: str = "euclidean"
    size: float = 1.0
    centre: float = 0.0
    far: bool = False
    sizes: float = 1.0  # of the numbers
    origin: float | None = None  # of a scaler in front
    levels: int = 0  # that each feature takes; 0 for as many as there are points


SHAPES = [
    Shape(1, 1, 1, "label", 1),
    Shape(20, 4, 1, "label"),
    Shape(20, 4, 20, "label"),
    Shape(60, 4, 5, "proba"),
    Shape(60, 4, 5, "proba", votes="distance"),
    Shape(60, 4, 5, "label", votes="distance", metric="manhattan"),
    Shape(60, 4, 5, "proba", metric="manhattan"),
    Shape(60, 4, 5, "label", metric="chebyshev"),
    Shape(60, 4, 5, "value", metric="chebyshev", votes="distance"),
    *(Shape(60, 4, 1, output, votes="distance") for output in ("label", "proba", "value")),  # nothing is weighed
    Shape(60, 4, 5, "value"),
    Shape(60, 4, 1, "value", sizes=1e30),
    Shape(60, 4, 7, "value", sizes=1e9),  # 32 bits are too few for their sums
    Shape(300, 3, 300, "value", sizes=1e6),  # more than a byte counts
    Shape(300, 3, 290, "proba", 300),
    Shape(40, 300, 3, "label"),
    Shape(12, 4096, 3, "label"),
    Shape(60, 4, 3, "label", size=1e-30),
    Shape(60, 4, 3, "label", size=1e-38),
    Shape(60, 4, 3, "label", size=1e30),
    Shape(60, 4, 3, "label", centre=1e6),
    Shape(60, 4, 3, "proba", centre=-1e20, size=1e15),
    Shape(60, 4, 3, "label", far=True),
    Shape(3000, 8, 3, "label", far=True),  # several tables
    Shape(3000, 8, 3, "label"),
    Shape(60, 4, 3, "label", origin=0.0),
    Shape(60, 4, 3, "proba", origin=-1e6),
    Shape(60, 4, 3, "label", origin=3.0, centre=1e3, size=1e-20, metric="manhattan"),
    Shape(60, 4, 3, "value", origin=1e-30, size=1e20, metric="chebyshev"),
    *(Shape(90, 7, 3, "label", levels=4, metric=metric) for metric in ("euclidean", "manhattan", "chebyshev")),
    Shape(90, 4, 3, "proba", levels=17, votes="distance", centre=1e6),
    Shape(300, 3, 3, "label", levels=256, size=1e-30),
    Shape(90, 4, 2, "value", levels=3, far=True),
    Shape(90, 5, 3, "label", levels=2, origin=3.0),
]


def made(shape: Shape, seed: int) -> Knn:
    """The op of a shape, not decided."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(shape.points, shape.features)) * shape.size + shape.centre
    if shape.levels:
        points = np.take_along_axis(points[: shape.levels], rng.integers(shape.levels, size=points.shape), axis=0)
    points[-1] = points[0]  # as far as another
    if shape.output == "value":
        answers = rng.normal(size=shape.points) * shape.sizes
    else:
        answers = rng.integers(0, shape.classes, shape.points)
    op = Knn(points, answers, shape.neighbours, shape.classes, shape.output, shape.votes, shape.metric)  # type: ignore[arg-type]
    if shape.origin is None:
        return op
    slope = 10.0 ** rng.uniform(-3, 3, shape.features)
    return replace(op, slope=slope, origin=shape.origin + rng.normal(size=shape.features))


def unit(op: Knn, name: str, board: str = "mega2560") -> Unit:
    """The op as a model of its own."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((op.points.shape[1],), DType.F32))
    names = [op.output] if op.output in ("label", "value") else ["label", op.output]
    builder.add(op, x, names=tuple(names))
    for output in names:
        builder.output(output, tuple(range(op.classes)) if output == "label" else None)
    module = Module(name, (builder.build(),))
    target = Target(load_board(board))
    return Unit(module, emit(module, plan(module, target), target))


def rows_for(op: Knn, seed: int) -> Array:
    """Rows between the points and beyond them, rows far larger and smaller, and rows of any bits."""
    rng = np.random.default_rng(seed)
    features = op.points.shape[1]
    sizes = np.ldexp(1.0, rng.integers(-100, 100, (30, 1)))
    other = (rng.normal(size=(30, features)) * sizes).astype(np.float32)
    hard = hard_floats(rng, 30, (features,))
    return np.concatenate([op.probe(60, rng)[0], other, hard, np.zeros((1, features), np.float32)])


def cases(seed: int) -> list[Knn]:
    """Every shape, with seed 0 in every form, else in one."""
    shapes = [(shape, made(shape, 50 * seed + i)) for i, shape in enumerate(SHAPES)]
    forms = [FORMS if not seed else (FORMS[(i + seed) % 3],) for i in range(len(SHAPES))]
    forms = [FORMS[:1] if s.origin is not None else some for (s, _), some in zip(shapes, forms, strict=True)]
    decided = [(s, replace(op, form=form)) for (s, op), some in zip(shapes, forms, strict=True) for form in some]
    return [replace(op, form=form, far=s.far) for s, op in decided for form in coded(s, op)]


def coded(shape: Shape, op: Knn) -> list[str]:
    """The form of an op, with its points in the codings that those of few levels may have."""
    if not shape.levels or op.form == "int8":
        return [op.form]
    return [f"{op.form} {coding}" for coding in ("levels", "terms")[op.form == "int16" :]]


def assert_same(op: Knn, x: Array, found: list[Array], what: str) -> None:
    """The same neighbours to the bit, since distances are whole numbers; then labels where two totals of weights differ by
    1e-5 (votes: always), shares to 1e-6, numbers to what float32 rounds of the largest.
    """
    wanted = op.answers_to(x)
    if op.output == "value":
        weighed = op.votes == "distance"
        size = np.abs(op.answers[np.argsort(op.grid.distances(x)[0], axis=1, kind="stable")[:, : op.neighbours]]).max(
            axis=1
        )
        bits = 13 if op.quantised else 30
        scale = np.abs(wanted[0]) * 3e-7 + size * 1e-6 * weighed + np.abs(op.answers).max() * 2.0**-bits
        assert (np.abs(found[0] - wanted[0]) <= scale).all(), what
        return
    clear = np.ones(len(x), bool)
    if op.votes == "distance":
        best = np.sort(replace(op, output="proba").answers_to(x)[1], axis=1)
        clear = best[:, -1] - best[:, -2] > 1e-5
    np.testing.assert_array_equal(found[0][clear], wanted[0][clear], err_msg=what)
    if op.output == "proba":
        np.testing.assert_allclose(found[1], wanted[1], rtol=0, atol=2e-6, err_msg=what)


@pytest.mark.parametrize("board", BOARDS)
def test_the_c_gives_numpys_answers(board: str) -> None:
    ops = cases(BOARDS.index(board))
    units = [unit(op, f"m{i}", board) for i, op in enumerate(ops)]
    inputs = [rows_for(op, i) for i, op in enumerate(ops)]
    for op, x, found in zip(ops, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        assert_same(op, x, found, op.describe())


def test_the_c_is_cpp_and_avr_too() -> None:
    units = [unit(op, f"m{i}") for i, op in enumerate(cases(2)) if op.points.size < 40_000]
    check_as_cpp(units)
    check_on_avr(
        [one for one in units if not any("_FAR" in text for text in one.files.values())]
    )  # an Uno has no far flash


def test_without_a_form_it_is_float64() -> None:
    op = made(Shape(200, 5, 4, "label"), 1)
    x = rows_for(op, 0)[:60]
    far = np.square(x[:, None].astype(np.float64) - op.points).sum(axis=2)
    votes = op.answers[np.argsort(far, axis=1, kind="stable")[:, :4]]
    assert op.answers_to(x)[0].tolist() == [np.bincount(v).argmax() for v in votes]
    assert op.evaluate(x[0])[0] == op.answers_to(x[:1])[0][0]


def test_a_scaler_loses_less_than_a_step_however_far_off() -> None:
    rng = np.random.default_rng(0)
    for origin, size in ((0.0, 1.0), (1e4, 1.0), (-3e-20, 1e-20), (1e30, 1e28)):
        raw = (origin + rng.normal(size=(50, 3)) * size).astype(np.float32)
        slope, middle = rng.uniform(0.5, 2, 3) / size, np.full(3, origin) + rng.normal(size=3) * size
        scaled = (raw.astype(np.float64) - middle) * slope
        op = Knn(scaled, np.zeros(50, np.int64), 1, 1, "label", form="float32", slope=slope, origin=middle)
        assert op.grid.scaling
        steps, down = op.grid.load(raw)
        wanted = (scaled - middle_of(scaled)) / op.grid.step
        assert np.abs(np.ldexp(steps, down[:, None]) - wanted).max() < 1


def test_numbers_take_the_bits_that_their_means_need() -> None:
    assert numbers_of(np.array([1.0, -2.0]), 5, 32)[2] == 32
    assert numbers_of(np.array([1e9, -1e9 + 1]), 5, 32)[2] == 32  # whole numbers are exact
    assert numbers_of(np.array([1e9 / 3, -1e9 / 7]), 5, 32)[2] == 64  # a mean may be near 0
    assert numbers_of(np.array([1e9 / 3, 1e9 / 7]), 5, 32)[2] == 32  # it may not
    assert numbers_of(np.array([1e9 / 3, 1e9 / 7]), 5, 8)[2] == 16
    assert numbers_of(np.zeros(3), 3, 32)[0].tolist() == [0, 0, 0]


def test_large_tables_are_read_far_on_an_avr() -> None:
    op = made(Shape(2000, 10, 3, "label"), 0)
    assert replace_form(op, "float32", "mega2560").far
    assert not replace_form(op, "int16", "mega2560").far
    assert not replace_form(op, "float32", "feather_nrf52840").far
    assert len(replace_form(op, "float32", "mega2560").grid.blocks) == 3


def names_of_forms(op: Knn, board: str, numeric: str = "auto") -> list[str]:
    """What the forms of an op on a board are called."""
    return [form.name for form in op.forms(Target(load_board(board), numeric=numeric))]  # type: ignore[arg-type]


def test_few_levels_are_bytes_and_terms_are_looked_up_where_products_are_calls() -> None:
    few = made(Shape(900, 10, 3, "label", levels=17), 0)
    assert names_of_forms(few, "mega2560") == names_of_forms(few, "host") == ["float32", "float32 levels"]
    assert names_of_forms(few, "metro_m0") == ["float32", "float32 levels", "float32 terms"]
    wide = made(Shape(900, 100, 3, "label", levels=17), 0)  # 13,600 B of terms
    assert names_of_forms(wide, "metro_m0") == ["float32", "float32 levels"]
    assert names_of_forms(few, "metro_m0", "int8") == ["int8"]  # is bytes already
    assert names_of_forms(made(Shape(900, 10, 3, "label"), 0), "metro_m0") == ["float32"]
    plain, levels = (replace(few, form=form).grid.nbytes for form in ("float32", "float32 levels"))
    assert (plain, levels) == (900 * 10 * 4, 900 * 10 + 10 * 17 * 4)


def test_the_smallest_form_is_chosen_by_cost() -> None:
    few = made(Shape(900, 10, 3, "label", levels=17), 0)
    for optimize, wanted in (("size", "levels"), ("speed", "terms")):
        target = Target(load_board("metro_m0"), optimize, "float32")  # type: ignore[arg-type]
        assert choose(few.forms(target), target).name == f"float32 {wanted}"


def replace_form(op: Knn, form: str, board: str) -> Knn:
    """The op decided for a board and a number format."""
    target = Target(load_board(board), numeric=form)  # type: ignore[arg-type]
    return op.with_form(op.forms(target)[0], target)


def test_types_are_checked() -> None:
    op = made(SHAPES[1], 0)
    with pytest.raises(McugenError, match="E0201"):
        op.infer(TensorType((5,), DType.F32))
    assert "knn(%x) {points=20 neighbours=1 output=label}" in str(unit_graph(op))


def unit_graph(op: Knn) -> object:
    """The graph of the undecided op."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((op.points.shape[1],), DType.F32))
    builder.output(*builder.add(op, x))
    return builder.build()


@pytest.mark.parametrize("centre", [0.0, 1e3])
@pytest.mark.parametrize("form", ["float32", "int16"])
def test_a_row_that_is_a_point_is_at_distance_0(centre: float, form: str) -> None:
    """However much smaller some of its features are: such a neighbour outvotes all others."""
    points = np.random.default_rng(0).normal(size=(40, 5)) * 10.0 ** np.array([-3, -1, 0, 2, 3]) + centre
    points = points.astype(np.float32)
    op = Knn(points.astype(np.float64), np.arange(40) % 3, 3, 3, "proba", "distance", form=form)
    distances = op.grid.distances(points)[0]
    np.testing.assert_array_equal(np.diagonal(distances), 0)
