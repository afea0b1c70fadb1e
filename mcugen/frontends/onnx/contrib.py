"""What onnxruntime's quantiser writes with `QuantFormat.QOperator`: operators of com.microsoft on quantised tensors, each as the plain
operator between DequantizeLinear and QuantizeLinear,
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.quantize import dequantised, dequantised_bias, quantised

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

NEWEST = 17  # the operator set whose plain operators are meant


def plain(
    call: Call, op: str, operands: Sequence[Operand | None], attributes: Mapping[str, Any] | None = None
) -> Operand:
    """The first result of another operator on operands of this one."""
    from mcugen.frontends.onnx import converters

    name = f"{call.outputs[0]} as {op}"
    given = call.attributes if attributes is None else attributes
    converters()[op](Call(op, call.name, NEWEST, operands, given, [name], call.tensors, call.loc))
    return call.tensors.known.pop(name)


def _one(op: str) -> Converter:
    """x, its scale and zero point, those of the result."""

    def convert(call: Call) -> None:
        if call.attribute("channels_last", 0):
            raise call.refused("its tensors lie pixel by pixel", "quantise the model again, from one with NCHW tensors")
        call.gives(quantised(call, plain(call, op, [dequantised(call, 0, 1, 2)]), 3, 4))

    return convert


def _two(op: str) -> Converter:
    """a and b, each with its scale and zero point, those of the result."""

    def convert(call: Call) -> None:
        operands = [dequantised(call, 0, 1, 2), dequantised(call, 3, 4, 5)]
        call.gives(quantised(call, plain(call, op, operands, {}), 6, 7))

    return convert


def _concat(call: Call) -> None:
    """The result's scale and zero point, then tensors, each with its own."""
    operands = [dequantised(call, i, i + 1, i + 2) for i in range(2, len(call.operands), 3)]
    call.gives(quantised(call, plain(call, "Concat", operands), 0, 1))


def _gemm(call: Call) -> None:
    """a and b with scale and zero point, an int32 bias of the product of their scales; without a scale, floats come out."""
    operands: list[Operand | None] = [
        dequantised(call, 0, 1, 2),
        dequantised(call, 3, 4, 5, axis=0 if call.attribute("transB", 0) else 1),
    ]
    if call.has(6):
        operands.append(dequantised_bias(call, 6, 1, 4))
    found = plain(call, "Gemm", operands)
    call.gives(quantised(call, found, 7, 8) if call.has(7) else found)


CONVERTERS: Mapping[str, Converter] = {
    "com.microsoft.QGemm": _gemm,
    "com.microsoft.QLinearAdd": _two("Add"),
    "com.microsoft.QLinearAveragePool": _one("AveragePool"),
    "com.microsoft.QLinearConcat": _concat,
    "com.microsoft.QLinearGlobalAveragePool": _one("GlobalAveragePool"),
    "com.microsoft.QLinearLeakyRelu": _one("LeakyRelu"),
    "com.microsoft.QLinearMul": _two("Mul"),
    "com.microsoft.QLinearReduceMean": _one("ReduceMean"),
    "com.microsoft.QLinearSigmoid": _one("Sigmoid"),
    "com.microsoft.QLinearSoftmax": _one("Softmax"),
}
