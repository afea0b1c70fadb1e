"""elementwise: every function on every type that it takes, NumPy against compiled C; broadcasting; what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import Case, case, check

from mcugen.diagnostics import McugenError
from mcugen.functions import FUNCTIONS
from mcugen.ir import DType, TensorType
from mcugen.ops.elementwise import Elementwise

PARAMETERS = {
    "Celu": {"alpha": 1.5},
    "Elu": {"alpha": 0.7},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "IsInf": {"positive": 1.0, "negative": 0.0},
    "LeakyRelu": {"alpha": 0.01},
    "Mod": {"fmod": 0.0},
    "Selu": {"alpha": 1.6732631921768188, "gamma": 1.0507010221481323},
    "Shrink": {"lambd": 1.5, "bias": 0.5},
    "Swish": {"alpha": 1.25},
    "ThresholdedRelu": {"alpha": 0.5},
}
RANGES = {  # where a function is defined
    "Acos": (-1, 1), "Asin": (-1, 1), "Atanh": (-0.99, 0.99), "Acosh": (1, 9), "Log": (0.01, 9), "Log1p": (-0.99, 9), "Sqrt": (0, 9),
    "Pow": (1, 3), "Tan": (-1.4, 1.4), "Reciprocal": (0.2, 3),
}  # fmt: skip


def op(function: str, to: DType | None = None) -> Elementwise:
    return Elementwise(function, to, PARAMETERS.get(function, {}))


def every() -> list[Case]:
    found = []
    for name, function in FUNCTIONS.items():
        low, high = RANGES.get(name, (-3, 3))
        for dtype in function.types:
            types = [TensorType((3, 5), dtype)] * function.operands
            types = [TensorType((3, 5), DType.BOOL), *types[1:]] if name == "Where" else types
            found.append(Case(op(name), tuple(types), low=low, high=high))
    return found


@pytest.mark.parametrize("part", range(4))
def test_every_function_on_every_type(part):
    check(every()[part::4], seed=part)


def test_shapes_are_brought_together():
    shapes = [
        ((3, 4), (4,)),
        ((4,), (3, 4)),
        ((2, 1, 3), (5, 1)),
        ((), (2, 2)),
        ((1, 1), (7,)),
        ((2, 3, 4), (3, 1)),
        ((), ()),
    ]
    check([case(op("Sub"), *both, constant=which) for both in shapes for which in ((), (0,), (1,))])


def test_more_elements_than_a_narrow_index_counts():
    check([case(op("Add"), (300,), (300,)), case(op("Mul"), (8_000,), ())])


def test_the_ends_of_integers():
    for dtype in (DType.I8, DType.U8, DType.I16, DType.U16, DType.I32, DType.U32, DType.I64, DType.U64):
        low, high = dtype.limits
        ends = {"low": float(low), "high": float(high)} if dtype.nbytes < 8 else {"low": -(2.0**62), "high": 2.0**62}
        names = [
            n for n in ("Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Equal", "Less") if dtype in FUNCTIONS[n].types
        ]
        check([Case(op(name), (TensorType((40,), dtype),) * 2, **ends) for name in names], seed=3)


def test_casts():
    kinds = [DType.F32, DType.I8, DType.U8, DType.I32, DType.I64, DType.BOOL, DType.F64]
    check([Case(op("Cast", to), (TensorType((30,), of),), low=-300, high=300) for of in kinds for to in kinds])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 127.5, -128.9])
def test_what_an_integer_does_not_hold_becomes_its_nearest(value):
    (found,) = op("Cast", DType.I8).evaluate(np.float32([value]))
    assert found[0] == (0 if np.isnan(value) else np.clip(np.trunc(value), -128, 127))


def test_hard_numbers():
    """NaN, infinities and zeros of both signs go where NumPy sends them."""
    hard = np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38])
    for name in ("Abs", "Relu", "Max", "Min", "Clip", "Sign", "Floor", "IsNaN", "IsInf", "LeakyRelu", "Round", "Neg"):
        operands = FUNCTIONS[name].operands
        (found,) = op(name).evaluate(*([hard] * operands))
        assert len(found) == len(hard)
    from one_op import assert_c_is_numpy

    ops = [(op(n), (TensorType((7,), DType.F32),)) for n in ("Abs", "Relu", "Floor", "LeakyRelu", "Round", "Neg")]
    assert_c_is_numpy(ops, [[hard[None]]] * len(ops))


@pytest.mark.parametrize(
    ("function", "types"),
    [
        ("Exp", [TensorType((2,), DType.I32)]),
        ("Add", [TensorType((2,), DType.F32)]),
        ("Add", [TensorType((2,), DType.F32), TensorType((2,), DType.I32)]),
        ("Add", [TensorType((2,), DType.F32), TensorType((3,), DType.F32)]),
        ("And", [TensorType((2,), DType.U8)] * 2),
    ],
)
def test_what_is_refused(function, types):
    with pytest.raises(McugenError) as caught:
        op(function).infer(*types)
    assert caught.value.diagnostics[0].code == "E0201"
