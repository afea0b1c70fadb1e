"""Every preprocessing op on a simulated AVR and on a Cortex-M4F: what NumPy gives, without static RAM; and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from one_op import alone

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.ir import DType, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.op import Op
from mcugen.ops.affine import Affine
from mcugen.ops.average import Average
from mcugen.ops.binarize import Binarize
from mcugen.ops.cast import Cast
from mcugen.ops.concat import Concat
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.lookup import Lookup
from mcugen.ops.missing import Missing
from mcugen.ops.normalize import Normalize
from mcugen.ops.one_hot import OneHot
from mcugen.ops.one_vs_one import OneVsOne
from mcugen.ops.one_vs_rest import OneVsRest
from mcugen.ops.polynomial import Polynomial
from mcugen.ops.vote import INDEX, Vote
from mcugen.passes import run
from mcugen.rows import vector
from mcugen.targets import toolchain_for
from mcugen.targets.driver import Unit

RNG = np.random.default_rng(0)
THIRDS = (np.array([-0.75, 0.25, 2.5]),) * 9
SMALL_INT = TensorType((9,), DType.I16)
CASES: list[tuple[Op, tuple[TensorType, ...]]] = [
    (Affine(RNG.normal(size=9) * 9, RNG.uniform(1, 3, 9), low=-2.0, high=3.0), (vector(9),)),
    (Binarize(9, 0.3), (vector(9),)),
    (Impute(RNG.normal(size=9)), (vector(9),)),
    (Missing(9), (vector(9),)),
    (
        Lookup(THIRDS, ((np.arange(3.0)[:, np.newaxis]),) * 9, np.full((9, 1), -1.0), np.full((9, 1), -2.0)),
        (vector(9),),
    ),
    (Lookup(THIRDS, (RNG.normal(size=(4, 2)),) * 9, np.zeros((9, 2))), (vector(9),)),
    (OneHot((3, 2, 4, 3, 3, 5, 2, 2, 3)), (vector(9),)),
    (Gather(300, np.array([299, 0, 256])), (vector(300),)),
    (Concat(), (vector(3), vector(5))),
    (Cast(), (SMALL_INT,)),
    (Normalize(9, "l1"), (vector(9),)),
    (Normalize(9, "max"), (vector(9),)),
    (Polynomial(4, 3), (vector(4),)),
    (Vote(3, ((0, 1, 2), (0, 2)), np.array([1, 1.5], np.float32)), (INDEX,) * 2),
    (Average(np.full(2, 0.5, np.float32), "proba", 3), (vector(3),) * 2),
    (OneVsRest(4, "label"), (vector(4),)),
    (OneVsOne(4, "decision"), (vector(6),)),
]


def rows_for(type: TensorType) -> Any:
    if type.dtype is DType.I32:
        return RNG.integers(0, 2, 12).astype(np.int32)
    rows = RNG.normal(size=(12, *type.shape)) * (1000 if type.dtype is DType.I16 else 3)
    return rows.astype(type.dtype.numpy)


@pytest.mark.parametrize("name", ["uno", "feather_nrf52840"])
def test_the_simulated_board_gives_numpys_numbers(name: str) -> None:
    """Soft floats of AVR round as NumPy does, but for a last digit of a division or a root."""
    target = Target(load_board(name))
    units, inputs = [], []
    for i, (op, types) in enumerate(CASES):
        module = run(Module(f"m{i}", (alone(op, *types),), arena="stack"), target)
        units.append(Unit(module, emit(module, plan(module, target), target)))
        given = [rows_for(type) for type in types]
        if isinstance(op, Impute | Missing | Lookup):
            given[0][::2, 1] = np.nan
        if isinstance(op, Lookup | OneHot):  # categories, and columns
            given[0][::3] = np.floor(given[0][::3] * 4) / 4 if isinstance(op, Lookup) else np.floor(given[0][::3])
        inputs.append(given)
    done = toolchain_for(target.board).run_rows(units, inputs, target.board)
    for (op, types), given, ran in zip(CASES, inputs, done, strict=True):
        for row in range(12):
            for out, wanted in zip(ran.outputs, op.evaluate(*(one[row] for one in given)), strict=True):
                np.testing.assert_allclose(out[row], wanted, rtol=3e-7, atol=1e-9, err_msg=f"{op.name} row {row}")
        cost = op.cost(target, *types)
        assert max(ran.stacks) <= cost.stack + 60, op.name
        assert np.mean(ran.cycles) < 3 * cost.cycles + 200, op.name
