"""Sums of products: MatMul, Gemm, Einsum, and their integer forms."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.quantize import dequantised, dequantised_sum, is_narrow, quantised, whole_number
from mcugen.ops.contract import Contract
from mcugen.ops.elementwise import Elementwise

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

MOST = 6  # factors of one product


def product(call: Call, a: Operand, b: Operand) -> Operand:
    """NumPy's matmul."""
    left, right = (len(call.tensors.type_of(one).shape) for one in (a, b))
    names = string.ascii_uppercase[: max(left, right) - 2] if max(left, right) > 2 else ""
    first = names[len(names) - max(left - 2, 0) :] + ("ik" if left > 1 else "k")
    second = names[len(names) - max(right - 2, 0) :] + ("kj" if right > 1 else "k")
    out = names + ("i" if left > 1 else "") + ("j" if right > 1 else "")
    return call.add(Contract((first, second), out), a, b)


def _matmul(call: Call) -> None:
    call.gives(product(call, call.operand(0), call.operand(1)))


def _gemm(call: Call) -> None:
    a = "ki" if call.attribute("transA", 0) else "ik"
    b = "jk" if call.attribute("transB", 0) else "kj"
    found = call.add(Contract((a, b), "ij"), call.operand(0), call.operand(1))
    dtype = call.type(0).dtype.numpy
    found = _scaled(call, found, call.attribute("alpha", 1.0), dtype)
    if call.has(2):
        found = call.add(Elementwise("Add"), found, _scaled(call, call.operand(2), call.attribute("beta", 1.0), dtype))
    call.gives(found)


def _scaled(call: Call, x: Operand, factor: float, dtype: np.dtype[np.generic]) -> Operand:
    return x if factor == 1 else call.add(Elementwise("Mul"), x, np.asarray(factor, dtype))


def _einsum(call: Call) -> None:
    """The equation with its letters as they are, an ellipsis as letters of its own."""
    equation = str(call.attribute("equation", "")).replace(" ", "")
    left, arrow, right = equation.partition("->")
    words = left.split(",")
    if len(words) != len(call.operands) or len(words) > MOST:
        raise call.refused(f"its equation {equation!r} is for {len(words)} tensors", f"give it at most {MOST}")
    ranks = [len(call.type(i).shape) for i in range(len(words))]
    spare = [r - len(w.replace("...", "")) for r, w in zip(ranks, words, strict=True)]
    free = [c for c in string.ascii_letters if c not in equation]
    dots = "".join(free[: max(spare)]) if "..." in left else ""
    words = [w.replace("...", dots[len(dots) - n :] if n else "") for w, n in zip(words, spare, strict=True)]
    if not arrow:
        every = "".join(words)
        right = ("..." if dots else "") + "".join(sorted(c for c in set(every) - {*dots} if every.count(c) == 1))
    operands = [call.operand(i) for i in range(len(words))]
    call.gives(call.add(Contract(tuple(words), right.replace("...", dots)), *operands))


def _matmul_integer(call: Call) -> None:
    a = whole_number(call, 0, 2, axis=-2)
    b = whole_number(call, 1, 3, axis=-1)
    call.gives(product(call, a, b))


def _qlinear_matmul(call: Call) -> None:
    """Exact sums of integers, then one rescaling; by the pass `layers` where that can."""
    if (
        is_narrow(call, 0, 3, axis=-1)
        and len(call.type(3).shape) == 2
        and all(not isinstance(call.operand(i), str) for i in range(1, 8))
    ):
        a, b = dequantised(call, 0, 1, 2, axis=-2), dequantised(call, 3, 4, 5, axis=-1)
        call.gives(quantised(call, product(call, a, b), 6, 7))
        return
    found = product(call, whole_number(call, 0, 2, axis=-2), whole_number(call, 3, 5, axis=-1))
    call.gives(dequantised_sum(call, found, (1, 4), 6, 7))


CONVERTERS: Mapping[str, Converter] = {
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul_integer,
    "QLinearMatMul": _qlinear_matmul,
}
