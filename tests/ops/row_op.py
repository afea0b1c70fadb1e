"""Ops that take a row of float32 and give a class or numbers: their C for a board, rows that try them, and what must agree."""

from __future__ import annotations

import numpy as np
from sanitized import hard_floats

from mcugen.boards import Numeric, Target, load_board
from mcugen.emit import emit
from mcugen.ir import Array, DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.op import Form, Op
from mcugen.pairs import summed
from mcugen.targets.driver import Unit

FORMS: tuple[Numeric, ...] = ("float32", "int16", "int8")
BOARDS = ("uno", "nano33ble")
NAMES = {"label": ["label"], "value": ["value"], "transform": ["transform"]}


def decided(op: Op, form: Numeric, board: str = "uno") -> Op:
    """The op in a form of its own, which the board asks for."""
    target = Target(load_board(board), numeric=form)
    (only,) = op.forms(target)
    assert isinstance(only, Form)
    return op.with_form(only, target)


def unit(op: Op, name: str, features: int, output: str, board: str = "uno") -> Unit:
    """The op as a model of its own."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((features,), DType.F32))
    names = NAMES.get(output, ["label", output])
    builder.add(op, x, names=names)
    for one in names:
        builder.output(one, tuple(range(1000)) if one == "label" else None)
    module, target = Module(name, (builder.build(),), arena="stack"), Target(load_board(board))
    return Unit(module, emit(module, plan(module, target), target))


def rows_for(op: Op, features: int, seed: int) -> Array:
    """Rows that suit the op, rows far larger and smaller, and rows of any bits."""
    rng = np.random.default_rng(seed)
    usual = op.probe(60, rng)[0]
    sizes = np.ldexp(1.0, rng.integers(-100, 100, (40, 1)))
    with np.errstate(over="ignore"):
        other = (rng.normal(size=(40, features)) * sizes).astype(np.float32)
        near = (usual * np.ldexp(1.0, rng.integers(-3, 6, (len(usual), 1)))).astype(np.float32)
    hard = hard_floats(rng, 60, (features,))
    return np.concatenate([usual, near, other, hard, np.zeros((1, features), np.float32)]).astype(np.float32)


def assert_same(wanted: tuple[Array, ...], found: list[Array], what: str) -> None:
    """Labels to the bit, since sums are whole numbers; probabilities to 2e-6, which is expf's and three roundings; numbers to
    the roundings of float32 that follow a sum: four of the last digit."""
    for one, other in zip(found, wanted, strict=True):
        if other.dtype.kind == "i":
            np.testing.assert_array_equal(one, other, err_msg=what)
        elif len(wanted) == 2 and (np.nan_to_num(other) <= 1).all() and (np.nan_to_num(other) >= 0).all():
            np.testing.assert_allclose(one, other, rtol=0, atol=2e-6, err_msg=what)
        else:
            np.testing.assert_allclose(one, other, rtol=4 * 2.0**-24, atol=1e-45, err_msg=what)


def assert_same_pairs(wanted: tuple[Array, ...], found: list[Array], what: str) -> None:
    """Labels to the bit; sums of two floats to what the C rounds that adds them up of parts, 2^-44 of them; also infinite ones."""
    for one, other in zip(found, wanted, strict=True):
        if other.dtype.kind == "i":
            np.testing.assert_array_equal(one, other, err_msg=what)
            continue
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(summed(one), summed(other), rtol=2.0**-44, atol=1e-37, err_msg=what)
