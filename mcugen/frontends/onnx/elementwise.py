"""Functions of single elements: arithmetic, comparisons, activations, casts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.functions import FUNCTIONS, OURS
from mcugen.ir import DType
from mcugen.ops.elementwise import Elementwise

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

# What ONNX takes for a parameter that the node leaves out.
DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "Celu": {"alpha": 1.0},
    "Elu": {"alpha": 1.0},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "LeakyRelu": {"alpha": 0.01},
    "Selu": {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875},
    "Shrink": {"lambd": 0.5, "bias": 0.0},
    "Swish": {"alpha": 1.0},
    "ThresholdedRelu": {"alpha": 1.0},
}


def _plain(call: Call) -> None:
    defaults = DEFAULTS.get(call.op, {})
    parameters = {name: float(call.attribute(name, value)) for name, value in defaults.items()}
    operands = [call.operand(i) for i in range(FUNCTIONS[call.op].operands)]
    call.gives(call.add(Elementwise(call.op, parameters=parameters), *operands))


def _several(call: Call) -> None:
    """Max, Min, Sum and Mean of any number of tensors: two at a time."""
    function = {"Sum": "Add", "Mean": "Add"}.get(call.op, call.op)
    found = call.operand(0)
    for i in range(1, len(call.operands)):
        found = call.add(Elementwise(function), found, call.operand(i))
    if call.op == "Mean" and len(call.operands) > 1:
        count = np.asarray(len(call.operands), call.type(0).dtype.numpy)
        found = call.add(Elementwise("Div"), found, count)
    call.gives(found)


def _identity(call: Call) -> None:
    call.gives(call.operand(0))


def _dropout(call: Call) -> None:
    """Nothing, when it is not training; the mask is all true."""
    training = call.constant(2, "training_mode", np.asarray(False)) if call.version >= 12 else np.asarray(False)
    if bool(np.ravel(training)[0]):
        ratio = call.constant(1, "ratio", np.asarray(0.5))
        if float(np.ravel(ratio)[0]) != 0:
            raise call.refused("it is in training mode", "export the model for inference: model.eval(), training=False")
    call.gives(call.operand(0), np.ones(call.type(0).shape, np.bool_))


def _cast(call: Call) -> None:
    from onnx import TensorProto, helper

    if call.attribute("to") == TensorProto.STRING and call.tensors.is_text(call.operand(0)):
        call.gives(call.operand(0))
        return
    to = DType.of(helper.tensor_dtype_to_np_dtype(call.attribute("to")))
    same = call.type(0).dtype is to
    call.gives(call.operand(0) if same else call.add(Elementwise("Cast", to), call.operand(0)))


def _cast_like(call: Call) -> None:
    call.gives(call.add(Elementwise("Cast", call.type(1).dtype), call.operand(0)))


def _gelu(call: Call) -> None:
    function = "GeluTanh" if call.attribute("approximate", "none") == "tanh" else "Gelu"
    call.gives(call.add(Elementwise(function), call.operand(0)))


def _is_inf(call: Call) -> None:
    parameters = {
        "positive": float(call.attribute("detect_positive", 1)),
        "negative": float(call.attribute("detect_negative", 1)),
    }
    call.gives(call.add(Elementwise("IsInf", parameters=parameters), call.operand(0)))


def _mod(call: Call) -> None:
    parameters = {"fmod": float(call.attribute("fmod", 0))}
    call.gives(call.add(Elementwise("Mod", parameters=parameters), call.operand(0), call.operand(1)))


def _clip(call: Call) -> None:
    """Between two bounds, either of which may be left out."""
    dtype = call.type(0).dtype
    found = call.operand(0)
    for i, name, function in ((1, "min", "Max"), (2, "max", "Min")):
        bound: Operand | None = call.operand(i) if call.has(i) else None
        if name in call.attributes:
            bound = np.asarray(call.attribute(name), dtype.numpy)
        if bound is not None:
            found = call.add(Elementwise(function), found, bound)
    call.gives(found)


CONVERTERS: Mapping[str, Converter] = {
    **dict.fromkeys(FUNCTIONS.keys() - OURS, _plain),
    **dict.fromkeys(("Max", "Min", "Sum", "Mean"), _several),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Clip": _clip,
    "Dropout": _dropout,
    "Gelu": _gelu,
    "Identity": _identity,
    "IsInf": _is_inf,
    "Mod": _mod,
}
