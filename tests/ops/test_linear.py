"""linear: NumPy against compiled C in every width, link and output, on weights and floats of any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_op import assert_c_is_numpy
from sanitized import check_as_cpp, check_on_avr, hard_floats, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.fixed import SUM_BITS, WIDTHS, fixed, sizes_of
from mcugen.ir import Array, DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.linear import Linear
from mcugen.pairs import summed
from mcugen.targets.driver import Unit

FORMS = ("float32", "int16", "int8")
GUARDABLE = ("identity", "sigmoid", "softmax")  # links whose labels need no votes
UNO = Target(load_board("uno"))
NAMES = {"label": ["label"], "value": ["value"], "transform": ["transform"]}


@dataclass(frozen=True)
class Shape:
    """A random op to be made: its size, how far its weights are apart in powers of ten, and what is asked of it."""

    features: int
    rows: int
    output: str
    link: str = "identity"
    spread: int = 0
    bias: float = 1.0
    size: float = 1.0
    shift: float = 0.0
    zeros: float = 0.0  # the part of the features without weight


SHAPES = [
    Shape(1, 1, "label"),
    Shape(4, 1, "decision"),
    Shape(4, 1, "proba", "sigmoid"),
    Shape(4, 1, "proba", "clip"),
    Shape(4, 1, "value"),
    Shape(4, 1, "transform"),
    Shape(4, 3, "label", bias=0),
    Shape(30, 3, "decision", bias=0),
    Shape(4, 3, "proba", "softmax"),
    Shape(4, 3, "proba", "ovr"),
    Shape(4, 3, "proba", "ovr", shift=-200),  # every sigmoid is 0 in float32
    Shape(4, 3, "proba", "ovr", shift=-900),  # and in float64
    Shape(4, 3, "proba", "rest", shift=-200),
    Shape(4, 3, "proba", "rest", shift=-900),
    Shape(4, 3, "proba", "clip"),
    Shape(4, 3, "proba", "clip", shift=-9),  # all of them 0
    Shape(4, 5, "transform"),
    Shape(300, 3, "label"),  # more features than a byte counts
    Shape(3, 300, "proba", "softmax"),
    Shape(3, 300, "label"),
    Shape(8, 4, "decision", spread=30),
    Shape(8, 1, "label", spread=60),
    Shape(8, 4, "decision", size=1e-30),
    Shape(8, 4, "decision", size=1e-38, bias=0),
    Shape(8, 1, "value", size=1e30),
    Shape(8, 1, "value", size=1e-30, bias=1e30),
    Shape(8, 1, "value", size=1e30, bias=1e-30),
    Shape(8, 2, "transform", size=0),
    Shape(8, 2, "decision", size=0, bias=0),
    Shape(8, 2, "decision", zeros=0.5),
    Shape(8, 1, "label", zeros=0.9, spread=20),
    Shape(8, 3, "decision", zeros=0.5, bias=0),
    Shape(5, 3, "label", "ovo"),
    Shape(5, 6, "decision", "ovo"),
    Shape(5, 6, "decision", "ovo", spread=12),
    Shape(5, 6, "decision", "ovo_pairs"),
    Shape(5, 6, "label", "ovo_ties"),
    Shape(5, 45, "decision", "ovo_ties"),
    Shape(2, 257 * 128, "label", "ovo"),  # more votes than a byte counts
]


def made(shape: Shape, seed: int) -> Linear:
    """The op of a shape, not decided."""
    rng = np.random.default_rng(seed)
    apart = 10.0 ** rng.uniform(-shape.spread / 2, shape.spread / 2, shape.features)
    weights = rng.normal(size=(shape.rows, shape.features)) * apart * shape.size
    weights[:, rng.random(shape.features) < shape.zeros] = 0
    bias = rng.normal(size=shape.rows) * shape.bias + shape.shift
    return Linear(weights, bias, shape.output, shape.link)  # type: ignore[arg-type]


def decided(op: Linear, form: str) -> Linear:
    """The op in this form."""
    return Linear(op.weights, op.bias, op.output, op.link, form.split()[0], op.sizes, form.endswith("wide"))


def forms_of(shape: Shape) -> tuple[str, ...]:
    """The forms that a shape has."""
    forms = (*FORMS, "float32 wide")
    return (
        (*forms, "guarded", "guarded wide", *(["floats"] if 1e-20 < shape.size < 1e20 else []))
        if shape.output == "label" and shape.link in GUARDABLE
        else forms
    )


def unit(op: Linear, name: str) -> Unit:
    """The op as a model of its own."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((op.weights.shape[1],), DType.F32))
    names = NAMES.get(op.output, ["label", op.output])
    builder.add(op, x, names=names)
    for output in names:
        builder.output(output, tuple(range(op.classes)) if output == "label" else None)
    module = Module(name, (builder.build(),))
    return Unit(module, emit(module, plan(module, UNO), UNO))


def rows_for(op: Linear, seed: int) -> Array:
    """Rows that suit the weights, rows far larger and smaller, and rows of any bits."""
    rng = np.random.default_rng(seed)
    features = op.weights.shape[1]
    usual = op.probe(60, rng)[0]
    sizes = np.ldexp(1.0, rng.integers(-100, 100, (40, 1)))
    with np.errstate(over="ignore"):
        other = (rng.normal(size=(40, features)) * sizes).astype(np.float32)
    hard = hard_floats(rng, 60, (features,))
    return np.concatenate([usual, other, hard, np.zeros((1, features), np.float32)]).astype(np.float32)


def assert_same(op: Linear, x: Array, found: list[Array], what: str) -> None:
    """Labels to the bit, since sums are whole numbers; numbers to the three roundings of float32 that follow a sum, and
    probabilities to those and expf's."""
    wanted = op.answers(x)
    for one, other in zip(found, wanted, strict=True):
        if other.dtype.kind == "i":
            np.testing.assert_array_equal(one, other, err_msg=what)
        elif op.output == "proba":
            np.testing.assert_allclose(one, other, rtol=0, atol=2e-6, err_msg=what)
        else:
            np.testing.assert_allclose(one, other, rtol=3 * 2.0**-24, atol=1e-45, err_msg=what)


@pytest.mark.parametrize("seed", range(2))
def test_the_c_gives_numpys_answers(seed: int) -> None:
    ops = [
        decided(made(shape, 100 * seed + i), form)
        for i, shape in enumerate(SHAPES)
        for form in forms_of(shape)
        if shape.rows < 999 or form == "int8"
    ]
    inputs = [rows_for(op, seed) if op.rows < 999 else op.probe(5, np.random.default_rng(0))[0] for op in ops]
    ops[::2] = [
        replace(op.seen(x[:60]), delicate=op.delicate) if op.rows < 999 else op
        for op, x in zip(ops[::2], inputs[::2], strict=True)
    ]
    results = run_sanitized([unit(op, f"m{i}") for i, op in enumerate(ops)], [[x] for x in inputs])
    for op, x, found in zip(ops, inputs, results, strict=True):
        assert_same(op, x, found, op.describe())


def test_the_c_is_cpp_and_avr_too() -> None:
    units = [
        unit(decided(made(shape, i), form), f"m{i}{form.replace(' ', '_')}")
        for i, shape in enumerate(SHAPES)
        for form in forms_of(shape)
        if shape.rows < 999
    ]
    check_as_cpp(units)
    check_on_avr([unit for unit in units if not unit.module.name.endswith("floats")])  # which has no FPU


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("seen", [False, True])
def test_a_guarded_label_is_the_exact_one_next_to_every_boundary(rows: int, seen: bool) -> None:
    """Rows between two of different classes, ever nearer to where the label changes: sums of 16 bits alone get them wrong."""
    rng = np.random.default_rng(rows)
    weights, bias = rng.normal(size=(rows, 12)), rng.normal(size=rows)
    x = near_boundaries(weights, bias, rng)
    forms = {form: Linear(weights, bias, "label", "identity", form) for form in ("guarded", "float32", "int16")}
    labels = {form: (op.seen(x) if seen else op).answers(x)[0] for form, op in forms.items()}
    np.testing.assert_array_equal(labels["guarded"], labels["float32"])
    assert (labels["int16"] != labels["float32"]).mean() > 0.05
    scores = x.astype(np.float64) @ weights.T + bias
    exact = scores.argmax(axis=1) if rows > 1 else scores[:, 0] > 0
    best = np.sort(scores, axis=1)
    gap = best[:, -1] - best[:, -2] if rows > 1 else np.abs(scores[:, 0])
    np.testing.assert_array_equal(labels["guarded"][gap > 1e-6], exact[gap > 1e-6])


def near_boundaries(weights: Array, bias: Array, rng: np.random.Generator) -> Array:
    """Rows (n, 12) float32 found by halving the way between two rows whose labels differ, all steps of it."""

    def label(x: Array) -> Array:
        scores = x.astype(np.float64) @ weights.T + bias
        return scores.argmax(axis=1) if len(weights) > 1 else scores[:, 0] > 0

    one, other = (rng.normal(size=(300, 12)).astype(np.float32) for _ in range(2))
    differ = label(one) != label(other)
    one, other, found = one[differ], other[differ], []
    for _ in range(30):
        middle = ((one.astype(np.float64) + other) / 2).astype(np.float32)
        found.append(middle)
        same = (label(middle) == label(one))[:, None]
        one, other = np.where(same, middle, one), np.where(same, other, middle)
    return np.concatenate(found)


def test_the_graph_prints() -> None:
    text = str(unit(decided(made(SHAPES[6], 0), "int8"), "m").module.predict)
    assert "%label = linear(%x) {rows=3 output=label form=int8} : i32" in text


def test_a_transform_gives_pairs() -> None:
    plain = [made(Shape(5, rows, "transform"), rows) for rows in (1, 3)]
    ops = [replace(op, pairs=True, delicate=True, form="float32") for op in plain]
    given = [op.probe(40, np.random.default_rng(0))[0] for op in ops]
    assert_c_is_numpy([(op, (TensorType((5,), DType.F32),)) for op in ops], [[x] for x in given])
    for op, x in zip(ops, given, strict=True):
        exact = x.astype(np.float64) @ op.weights.T + op.bias
        found = summed(op.answers(x)[0])
        assert (np.abs(found - exact) <= 2.0**-45 * (np.abs(x) @ np.abs(op.weights).T + np.abs(op.bias))).all()


def test_made_rows_are_not_as_large_as_weights_are_small_that_all_classes_share() -> None:
    weights = np.array([[1.0, 1e-11], [-1.0, 1e-11], [0.5, 1e-11]])
    rows = {output: Linear(weights, np.zeros(3), output, link).probe(100, np.random.default_rng(0))[0] for output, link in (("label", "identity"), ("proba", "softmax"), ("decision", "identity"))}  # fmt: skip
    assert np.abs(rows["label"]).max() < 1e3
    assert np.abs(rows["proba"]).max() < 1e3
    assert np.abs(rows["decision"]).max() > 1e10


def test_each_number_of_a_transform_keeps_its_digits() -> None:
    """Those of a projection on directions of little spread, too."""
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    op = Linear(turn, -turn @ np.ones(3), "transform")
    for sizes, delicate in (([1, 1, 1], False), ([1, 1e-3, 1e-6], True)):
        rows = (rng.normal(size=(50, 3)) * sizes @ turn + 1).astype(np.float32)
        assert op.seen(rows).delicate == delicate


def test_types_are_checked() -> None:
    op = made(SHAPES[1], 0)
    assert op.infer(TensorType((4,), DType.F32)) == (TensorType((), DType.I32), TensorType((1,), DType.F32))
    with pytest.raises(McugenError, match="E0201"):
        op.infer(TensorType((5,), DType.F32))


def test_weights_larger_than_an_avr_takes_are_refused() -> None:
    op = made(Shape(30, 300, "label"), 0)
    with pytest.raises(McugenError, match=r"36,000 B|37,200 B") as caught:
        op.forms(UNO)
    assert "int16" in caught.value.diagnostics[0].help
    assert op.forms(replace(UNO, numeric="int16"))
    assert op.forms(Target(load_board("feather_nrf52840")))


SCALE = st.integers(-30, 30)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Array, Array, Array, Array | None]:
    """Weights, biases and rows of any scales, some of them 0, and rows that were seen before."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    features, rows = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    apart = 10.0 ** rng.uniform(-1, 1, features) ** draw(st.sampled_from([0, 1, 9]))
    weights = rng.normal(size=(rows, features)) * apart * 10.0 ** draw(SCALE)
    bias = rng.normal(size=rows) * 10.0 ** draw(SCALE) * draw(st.booleans())
    weights = np.where(rng.random(weights.shape) < draw(st.sampled_from([0.0, 0.5, 1.0])), 0, weights)
    sizes = 10.0 ** draw(SCALE) / (apart if draw(st.booleans()) else 1)
    with np.errstate(over="ignore", under="ignore"):
        x = (rng.normal(size=(20, features)) * sizes).astype(np.float32)
    x = np.where(rng.random(x.shape) < draw(st.sampled_from([0.0, 0.3])), 0, np.nan_to_num(x)).astype(np.float32)
    seen = x[:5] * np.float32(draw(st.sampled_from([1e-3, 1, 1e3]))) if draw(st.booleans()) else None
    return weights, bias, x, None if seen is None else np.nan_to_num(seen)


@settings(deadline=None, max_examples=200)
@given(matrices(), st.sampled_from(sorted(WIDTHS)))
def test_sums_never_overflow_and_stay_within_their_bound(made: tuple[Array, ...], form: str) -> None:
    """Whatever order a sum is taken in: its parts without their signs stay within its type. NumPy's float64 adds its own error."""
    weights, bias, x, seen = made
    f = fixed(weights, bias, WIDTHS[form], None if seen is None else sizes_of(seen))  # type: ignore[index, arg-type]
    q, top = f.load(x)
    assert np.abs(q).max() <= 1 << f.x_bits <= np.iinfo(np.int32 if f.width == 32 else np.int16).max
    assert np.abs(f.weights).max() < 1 << (f.width - 1)
    assert (
        max(sum(abs(int(a) * int(b)) for a, b in zip(row, w, strict=True)) for row in q for w in f.weights)
        < 1 << SUM_BITS[f.width]
    )
    assert -(2**15) < top.min() <= top.max() < 2**15
    found, exponents = f.sums(x)
    wanted = x.astype(np.float64) @ weights.T + bias
    slack = 2.0**-45 * (np.abs(x.astype(np.float64)) @ np.abs(weights).T + np.abs(bias)) + 1e-300
    normal = ((x == 0) | (np.abs(x) >= 2.0**-125)).all(axis=1)
    off = np.abs(np.ldexp(found.astype(np.float64), exponents[:, None]) - wanted)
    assert (off <= f.bound(x) + slack)[normal].all()


@pytest.mark.parametrize("form", FORMS)
def test_features_without_weight_do_not_count(form: str) -> None:
    """However large they are: they take no digit from the others."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3, 4)) * [1, 0, 1, 0]
    x = np.column_stack([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) * 1e30]).astype(np.float32)[:, [0, 2, 1, 3]]
    for bias in (np.zeros(3), np.ones(3)):
        op = Linear(weights, bias, "transform", "identity", form)
        wanted = x[:, ::2].astype(np.float64) @ weights[:, ::2].T + bias
        off = 2.0**-23 if form == "float32" else 2.0**-10 if form == "int16" else 2.0**-5
        np.testing.assert_allclose(op.answers(x)[0], wanted, rtol=0, atol=12 * off)
        none = Linear(np.zeros((3, 4)), bias, "transform", "identity", form)
        np.testing.assert_allclose(none.answers(x)[0], np.tile(bias, (50, 1)), rtol=1e-2 if form == "int8" else 1e-4)


@pytest.mark.parametrize("features", [3, 20_000, 65_535])
@pytest.mark.parametrize("form", FORMS)
def test_many_features_of_one_weight(form: str, features: int) -> None:
    f = fixed(np.full((1, features), 0.999), np.ones(1), WIDTHS[form])  # type: ignore[index]
    assert f.x_bits >= 24 if form == "float32" else f.x_bits > 4
    x = np.full((1, features), 1.999, np.float32)
    q, _ = f.load(x)
    assert int(np.abs(q[0]).astype(object) @ np.abs(f.weights[0]).astype(object)) < 1 << SUM_BITS[f.width]
    found, exponents = f.sums(x)
    assert abs(
        float(np.ldexp(float(found[0, 0]), int(exponents[0]))) - float(x[0].astype(np.float64).sum() * 0.999 + 1)
    ) <= f.bound(x)


@pytest.mark.parametrize("spread", [0, 6])
def test_a_float32_sum_is_better_than_one_of_floats(spread: int) -> None:
    """To 2**-26 of its largest part, where the roundings of a float32 dot product add up to far more."""
    op = decided(made(Shape(30, 4, "decision", spread=spread), 3), "float32")
    x = op.probe(500, np.random.default_rng(0))[0]
    parts = np.abs(x.astype(np.float64)[:, None, :] * op.weights).max(axis=(1, 2))
    off = np.abs(op.answers(x)[1] - (x.astype(np.float64) @ op.weights.T + op.bias))
    assert (off.max(axis=1) <= 2.0**-26 * parts + 2.0**-24 * np.abs(op.answers(x)[1]).max(axis=1)).all()


def test_rows_say_whether_32_bits_are_enough() -> None:
    """Where numbers are large, some are next to 0 nevertheless, and are to be right to 1e-5."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 6)).astype(np.float32)
    for size, output, wide in ((1.0, "value", False), (1e8, "value", True), (1e8, "label", False)):
        op = replace(Linear(rng.normal(size=(1, 6)) * size, np.ones(1), output), form="float32")  # type: ignore[arg-type]
        assert (op.seen(x).width == 64) == wide
    far = Linear(np.array([[1.1, -0.7, -0.39]]), np.array([0.1]), "label", form="float32")  # parts of 1e7 cancel
    assert far.seen((np.array([1, 1, 0.4 / 0.39]) * 1e7 + rng.normal(size=(50, 3))).astype(np.float32)).width == 64


@pytest.mark.parametrize("rows", [1, 3])
def test_numbers_of_features_that_nothing_is_known_of(rows: int) -> None:
    """Features of 1e4, whose parts cancel: neither the weights nor the intercepts show that there are such."""
    rng = np.random.default_rng(rows)
    weights = rng.normal(size=(rows, 4))
    weights -= weights.mean(axis=1, keepdims=True)
    x = (1e4 + rng.normal(size=(500, 4))).astype(np.float32)
    op = replace(Linear(weights, np.zeros(rows), "decision"), form="float32")
    exact = x.astype(np.float64) @ weights.T
    np.testing.assert_allclose(op.answers(x)[1], exact, rtol=1e-6, atol=1e-6)
    assert replace(op, output="label").width == 32
