"""What AVR does by hand in sums of products (templates/fixed.c.j2): the numbers that NumPy gives, on floats of any kind."""

from __future__ import annotations

import itertools

import numpy as np
from one_op import alone
from sanitized import hard_floats

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.ir import Module
from mcugen.memory.plan import plan
from mcugen.ops.linear import Linear
from mcugen.rows import vector
from mcugen.targets import toolchain_for
from mcugen.targets.driver import Unit

TARGET = Target(load_board("uno"))
CASES = list(itertools.product(("int16", "int8", "float32"), (1, 3), (1, 4, 30), (0, 1, 9), (False, True)))


def made(form: str, rows: int, features: int, spread: int, seen: bool) -> Linear:
    rng = np.random.default_rng(rows * features)
    weights = rng.normal(size=(rows, features)) * 10.0 ** rng.uniform(-spread, spread, features)
    op = Linear(weights, rng.normal(size=rows), "transform", "identity", form)
    return op.seen(rng.normal(size=(50, features)).astype(np.float32)) if seen else op


def test_avr_gives_numpys_numbers(require: object) -> None:
    require("avr-gcc", "simavr")  # type: ignore[operator]
    rng = np.random.default_rng(0)
    ops = [made(*case) for case in CASES]
    inputs = []
    for op in ops:
        n = op.weights.shape[1]
        sizes = np.ldexp(1.0, rng.integers(-20, 20, (12, 1)))
        usual = (rng.normal(size=(12, n)) * sizes).astype(np.float32)
        inputs.append([np.concatenate([usual, hard_floats(rng, 8, (n,)), np.zeros((1, n), np.float32)])])
    modules = [Module(f"m{i}", (alone(op, vector(op.weights.shape[1])),), arena="stack") for i, op in enumerate(ops)]
    units = [Unit(module, emit(module, plan(module, TARGET), TARGET)) for module in modules]
    for first in range(0, len(units), 6):
        some = slice(first, first + 6)
        done = toolchain_for(TARGET.board).run_rows(units[some], inputs[some], TARGET.board)
        for op, (x,), ran in zip(ops[some], inputs[some], done, strict=True):
            wanted = op.answers(x)[0]
            found = np.asarray(ran.outputs[0]).reshape(wanted.shape)
            np.testing.assert_allclose(found, wanted, rtol=3e-7, atol=1e-37, err_msg=op.describe())
