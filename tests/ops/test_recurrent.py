"""recurrent: LSTM, GRU and RNN over time, NumPy against compiled C."""

from __future__ import annotations

import pytest
from tensor_op import Case, case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.recurrent import ACTIVATIONS, GATES, Recurrent

USUAL = {
    "LSTM": (("Sigmoid", 0.0, 0.0), ("Tanh", 0.0, 0.0), ("Tanh", 0.0, 0.0)),
    "GRU": (("Sigmoid", 0.0, 0.0), ("Tanh", 0.0, 0.0)),
    "RNN": (("Tanh", 0.0, 0.0),),
}


def layer(
    function, time=3, batch=2, features=2, hidden=3, backwards=(False,), constant=(1, 2, 3), activations=None, **more
) -> Case:
    directions, rows = len(backwards), GATES[function] * hidden
    state = (directions, batch, hidden)
    shapes = [
        (time, batch, features),
        (directions, rows, features),
        (directions, rows, hidden),
        (directions, 2 * rows),
        state,
    ]
    shapes += [state, (directions, 3 * hidden)] if function == "LSTM" else []
    op = Recurrent(function, hidden, backwards, activations or (USUAL[function],) * directions, **more)
    return case(op, *shapes, constant=constant, low=-1.0, high=1.0)


@pytest.mark.parametrize("function", GATES)
def test_directions_and_options(function):
    ways = [(False,), (True,), (False, True)]
    cases = [layer(function, backwards=ways[i % 3], batch=1 + i % 2, clip=0.5 * (i == 3)) for i in range(4)]
    cases += [layer(function, constant=(), time=1, hidden=1)]
    cases += [layer("GRU", after_reset=True)] if function == "GRU" else []
    cases += [layer("LSTM", coupled=True)] if function == "LSTM" else []
    check(cases)


def test_every_activation():
    check([layer("RNN", activations=(((name, 0.7, 0.3),),)) for name in ACTIVATIONS])


@pytest.mark.parametrize(
    ("op", "shapes"),
    [(Recurrent("RNN", 2, (False,), (USUAL["RNN"],)), [(1, 1, 1), (1, 2, 1), (1, 2, 1), (1, 4), (1, 1, 2)])],
)
def test_what_is_refused(op, shapes):
    with pytest.raises(McugenError) as caught:
        op.infer(*(TensorType(shape, DType.F32) for shape in shapes))
    assert caught.value.diagnostics[0].code == "E0201"
