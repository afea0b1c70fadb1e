"""ai.onnx.ml: what classical models are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mcugen.frontends.onnx.call import Call
from mcugen.frontends.onnx.shape import reshaped
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.indexed import Indexed

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter


def _binarizer(call: Call) -> None:
    """1 where above the threshold, else 0."""
    kind = call.type(0).dtype
    limit = np.asarray(call.attribute("threshold", 0.0), kind.numpy)
    above = call.add(Elementwise("Greater"), call.operand(0), limit)
    call.gives(call.add(Elementwise("Cast", kind), above))


def _extract(call: Call) -> None:
    """Columns of the last axis; of one row a matrix of one row comes back."""
    shape, indices = call.type(0).shape, call.operand(1)
    flat = reshaped(call, indices, (call.type(1).size,))
    found = call.add(Indexed("Gather", len(shape) - 1), call.operand(0), flat)
    call.gives(reshaped(call, found, (1, call.type(1).size)) if len(shape) == 1 else found)


CONVERTERS: Mapping[str, Converter] = {
    "ai.onnx.ml.ArrayFeatureExtractor": _extract,
    "ai.onnx.ml.Binarizer": _binarizer,
}
