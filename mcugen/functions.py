"""What functions of single elements mean in NumPy, by their ONNX names, https://onnx.ai/onnx/operators.

Each takes the parameters of its node (`p`) and its operands, and answers in the type of the first unless it compares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcugen.ir import DType

Numbers = Any  # arrays of the operands' dtypes: NumPy's own functions are generic over them
Parameters = Mapping[str, float]

FLOATS = (DType.F32, DType.F64)
SIGNED = (DType.I8, DType.I16, DType.I32, DType.I64)
UNSIGNED = (DType.U8, DType.U16, DType.U32, DType.U64)
INTEGERS = SIGNED + UNSIGNED
NUMBERS = FLOATS + INTEGERS
BOOL = (DType.BOOL,)
EVERY = NUMBERS + BOOL


@dataclass(frozen=True)
class Function:
    """A function of one element of each operand: how many operands, of which types, its meaning, and whether it answers yes
    or no."""

    operands: int
    types: tuple[DType, ...]
    meaning: Callable[..., Numbers]
    asks: bool = False


def _one(meaning: Callable[[Numbers], Numbers], types: tuple[DType, ...] = FLOATS) -> Function:
    return Function(1, types, lambda p, x: meaning(x))


def _two(meaning: Callable[..., Numbers], types: tuple[DType, ...] = NUMBERS) -> Function:
    return Function(2, types, lambda p, x, y: meaning(x, y))


def _asked(meaning: Callable[..., Numbers], types: tuple[DType, ...] = EVERY) -> Function:
    return Function(2, types, lambda p, x, y: meaning(x, y), asks=True)


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Numbers) -> Numbers:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _divided(x: Numbers, y: Numbers) -> Numbers:
    """Towards zero for integers; what is divided by 0 becomes 0."""
    if x.dtype.kind == "f":
        return x / y
    quotient = np.abs(x.astype(object)) // np.maximum(np.abs(y.astype(object)), 1)
    signed = np.where((x < 0) != (y < 0), -quotient, quotient)
    return _wrapped(np.where(y == 0, 0, signed), x.dtype)


def _modulo(p: Parameters, x: Numbers, y: Numbers) -> Numbers:
    if x.dtype.kind == "f":
        return np.fmod(x, y) if p["fmod"] else np.mod(x, y)
    safe = np.where(y == 0, 1, y)
    return np.where(y == 0, 0, np.fmod(x, safe) if p["fmod"] else np.mod(x, safe)).astype(x.dtype)


def _power(p: Parameters, x: Numbers, y: Numbers) -> Numbers:
    if x.dtype.kind == "f":
        return np.power(x, y.astype(np.float64) if y.dtype.kind != "f" else y)
    return np.power(x.astype(np.float64), y.astype(np.float64))


def _wrapped(x: Numbers, dtype: np.dtype[Any]) -> Numbers:
    """Integers as the type holds them, modulo its size."""
    bits = 8 * dtype.itemsize
    return (x & ((1 << bits) - 1)).astype(np.dtype(f"u{dtype.itemsize}")).astype(dtype) if bits else x


def _clip(p: Parameters, x: Numbers, low: Numbers, high: Numbers) -> Numbers:
    return np.minimum(np.maximum(x, low), high)


def _swish(p: Parameters, x: Numbers) -> Numbers:
    return x * _sigmoid(p["alpha"] * x)


def _gelu_tanh(x: Numbers) -> Numbers:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _is_infinite(p: Parameters, x: Numbers) -> Numbers:
    return (np.isposinf(x) & bool(p["positive"])) | (np.isneginf(x) & bool(p["negative"]))


# Of one operand, and never falling as it grows, where there is an answer; where there is none it is too small.
RISING = frozenset(
    ["Acosh", "Asinh", "Atan", "Ceil", "Exp", "Expm1", "Floor", "Log", "Log1p", "Round", "Sign", "Sinh", "Sqrt", "Tanh"]
)
# Without an operator of their name in ONNX.
OURS = frozenset(["Expm1", "GeluTanh", "Log1p"])
FUNCTIONS: Mapping[str, Function] = {
    "Abs": _one(np.abs, NUMBERS),
    "Acos": _one(np.arccos),
    "Acosh": _one(np.arccosh),
    "Asin": _one(np.arcsin),
    "Asinh": _one(np.arcsinh),
    "Atan": _one(np.arctan),
    "Atanh": _one(np.arctanh),
    "Cast": _one(lambda x: x, EVERY),
    "Ceil": _one(np.ceil),
    "Celu": Function(1, FLOATS, lambda p, x: np.maximum(x, 0) + np.minimum(0, p["alpha"] * np.expm1(x / p["alpha"]))),
    "Cos": _one(np.cos),
    "Cosh": _one(np.cosh),
    "Elu": Function(1, FLOATS, lambda p, x: np.where(x > 0, x, p["alpha"] * np.expm1(np.minimum(x, 0)))),
    "Erf": _one(_erf),
    "Exp": _one(np.exp),
    "Expm1": _one(np.expm1),
    "Floor": _one(np.floor),
    "Gelu": _one(lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2)))),
    "GeluTanh": _one(_gelu_tanh),
    "HardSigmoid": Function(1, FLOATS, lambda p, x: np.maximum(0, np.minimum(1, p["alpha"] * x + p["beta"]))),
    "HardSwish": _one(lambda x: x * np.maximum(0, np.minimum(1, x / 6 + 0.5))),
    "IsInf": Function(1, FLOATS, _is_infinite, asks=True),
    "IsNaN": Function(1, FLOATS, lambda p, x: np.isnan(x), asks=True),
    "LeakyRelu": Function(1, FLOATS, lambda p, x: np.where(x < 0, p["alpha"] * x, x)),
    "Log": _one(np.log),
    "Log1p": _one(np.log1p),
    "Mish": _one(lambda x: x * np.tanh(_softplus(x))),
    "Neg": _one(lambda x: 0 - x if x.dtype.kind != "f" else -x, FLOATS + SIGNED),
    "Not": _one(np.logical_not, BOOL),
    "Reciprocal": _one(lambda x: 1 / x),
    "Relu": _one(lambda x: np.where(x < 0, np.zeros_like(x), x), FLOATS + SIGNED),
    "Round": _one(np.rint),
    "Selu": Function(1, FLOATS, lambda p, x: p["gamma"] * np.where(x > 0, x, p["alpha"] * np.expm1(np.minimum(x, 0)))),
    "Shrink": Function(
        1,
        NUMBERS,
        lambda p, x: np.where(x < -p["lambd"], x + p["bias"], np.where(x > p["lambd"], x - p["bias"], 0)),
    ),
    "Sigmoid": _one(_sigmoid),
    "Sign": _one(np.sign, NUMBERS),
    "Sin": _one(np.sin),
    "Sinh": _one(np.sinh),
    "Softplus": _one(_softplus),
    "Softsign": _one(lambda x: x / (1 + np.abs(x))),
    "Sqrt": _one(np.sqrt),
    "Swish": Function(1, FLOATS, _swish),
    "Tan": _one(np.tan),
    "Tanh": _one(np.tanh),
    "ThresholdedRelu": Function(1, FLOATS, lambda p, x: np.where(x > p["alpha"], x, 0)),
    "Add": _two(np.add),
    "And": _two(np.logical_and, BOOL),
    "BitwiseAnd": _two(np.bitwise_and, INTEGERS),
    "BitwiseNot": _one(np.bitwise_not, INTEGERS),
    "BitwiseOr": _two(np.bitwise_or, INTEGERS),
    "BitwiseXor": _two(np.bitwise_xor, INTEGERS),
    "Div": _two(_divided),
    "Equal": _asked(np.equal),
    "Greater": _asked(np.greater, NUMBERS),
    "GreaterOrEqual": _asked(np.greater_equal, NUMBERS),
    "Less": _asked(np.less, NUMBERS),
    "LessOrEqual": _asked(np.less_equal, NUMBERS),
    "Max": _two(np.maximum),
    "Min": _two(np.minimum),
    "Mod": Function(2, NUMBERS, _modulo),
    "Mul": _two(np.multiply),
    "Or": _two(np.logical_or, BOOL),
    "PRelu": _two(lambda x, slope: np.where(x < 0, slope * x, x), FLOATS + SIGNED),
    "Pow": Function(2, NUMBERS, _power),
    "Sub": _two(np.subtract),
    "Xor": _two(np.logical_xor, BOOL),
    "Clip": Function(3, NUMBERS, _clip),
    "Where": Function(3, EVERY, lambda p, asked, x, y: np.where(asked, x, y)),
}

# NumPy's functions of one operand, by their names there.
UFUNCS: Mapping[str, str] = {
    "absolute": "Abs", "arccos": "Acos", "arccosh": "Acosh", "arcsin": "Asin", "arcsinh": "Asinh", "arctan": "Atan",
    "arctanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "exp": "Exp", "expm1": "Expm1", "fabs": "Abs",
    "floor": "Floor", "log": "Log", "log1p": "Log1p", "negative": "Neg", "reciprocal": "Reciprocal", "rint": "Round",
    "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "square": "Mul", "tan": "Tan", "tanh": "Tanh",
}  # fmt: skip
