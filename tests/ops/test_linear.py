"""linear: NumPy against compiled C in every width, link and output, on weights and floats of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sanitized import check_as_cpp, check_on_avr, hard_floats, run_sanitized

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.ir import Array, DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.linear import Linear
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
    bias = rng.normal(size=shape.rows) * shape.bias + shape.shift
    return Linear(weights, bias, shape.output, shape.link)  # type: ignore[arg-type]


def decided(op: Linear, form: str) -> Linear:
    """The op in this form."""
    return Linear(op.weights, op.bias, op.output, op.link, form, op.sizes)


def forms_of(shape: Shape) -> tuple[str, ...]:
    """The forms that a shape has."""
    return (*FORMS, "guarded") if shape.output == "label" and shape.link in GUARDABLE else FORMS


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
    ops[::2] = [op.seen(x[:60]) for op, x in zip(ops[::2], inputs[::2], strict=True)]
    results = run_sanitized([unit(op, f"m{i}") for i, op in enumerate(ops)], [[x] for x in inputs])
    for op, x, found in zip(ops, inputs, results, strict=True):
        assert_same(op, x, found, op.describe())


def test_the_c_is_cpp_and_avr_too() -> None:
    units = [
        unit(decided(made(shape, i), form), f"m{i}{form}")
        for i, shape in enumerate(SHAPES)
        for form in forms_of(shape)
        if shape.rows < 999
    ]
    check_as_cpp(units)
    check_on_avr(units)


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
