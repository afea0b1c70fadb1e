"""ai.onnx.ml's operators on features: scaled, filled in, cut, joined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.frontends.onnx.call import Call
from mcugen.frontends.onnx.reduce import reduced
from mcugen.frontends.onnx.rows import by_row, labelled, number
from mcugen.frontends.onnx.shape import joined, reshaped
from mcugen.ir import DType
from mcugen.ops.affine import Affine
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.impute import Impute
from mcugen.ops.indexed import Indexed
from mcugen.ops.normalize import Norm, Normalize
from mcugen.ops.pick import Pick

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

Floats = npt.NDArray[np.float64]
NORMS: Mapping[str, Norm] = {"L1": "l1", "L2": "l2"}


def _binarizer(call: Call) -> None:
    """1 where above the threshold, else 0."""
    kind = call.type(0).dtype
    limit = np.asarray(call.attribute("threshold", 0.0), kind.numpy)
    above = call.add(Elementwise("Greater"), call.operand(0), limit)
    call.gives(call.add(Elementwise("Cast", kind), above))


def _extract(call: Call) -> None:
    """Columns of the last axis; of one row a matrix of one row comes back. Entries of a constant list are labels."""
    data, count = call.operand(0), call.type(1).size
    flat = reshaped(call, call.operand(1), (count,))
    if not isinstance(data, str) and data.dtype.kind in "OSUiu" and data.size == data.shape[-1]:
        found = labelled(call, flat, tuple(data.ravel().tolist()))
        made = reshaped(call, found, (1, count))
        call.tensors.same_classes(found, made)
        call.gives(made)
        return
    shape = call.type(0).shape
    picked = call.add(Indexed("Gather", len(shape) - 1), data, flat)
    call.gives(reshaped(call, picked, (1, count)) if len(shape) == 1 else picked)


def _scaler(call: Call) -> None:
    """(x - offset) · scale, feature by feature."""
    offset, scale = (_each(call, name, default) for name, default in (("offset", 0.0), ("scale", 1.0)))
    if (scale != 0).all():
        op = Affine(offset, np.ones_like(offset), scale)
        call.gives(by_row(call, call.operand(0), lambda row: call.add(op, row)))
        return
    low, factor = (values.astype(np.float32) for values in (offset, scale))  # what is lost has no zero point

    call.gives(
        by_row(
            call,
            call.operand(0),
            lambda row: call.add(Elementwise("Mul"), call.add(Elementwise("Sub"), row, low), factor),
        )
    )


def _each(call: Call, name: str, default: float) -> Floats:
    """An attribute of a number for every feature, or of one for all of them; E0104 for others."""
    width = call.type(0).shape[-1]
    given = np.asarray(call.attribute(name) or [default], np.float64)
    if given.size not in (1, width) or not np.isfinite(given).all():
        text = f"{name} has {given.size} entries for {width} features, or one that is not finite"
        raise call.refused(text, "export the model again", "E0104")
    return np.array(np.broadcast_to(given, (width,)))


def _normalizer(call: Call) -> None:
    """x divided by the sum of its sizes (L1), the root of the sum of its squares (L2), or its largest number (MAX)."""
    name, width = call.attribute("norm", "MAX"), call.type(0).shape[-1]
    if name in NORMS:
        op = Normalize(width, NORMS[name], smallest=0.0)
        call.gives(by_row(call, call.operand(0), lambda row: call.add(op, row)))
        return
    x = by_row(call, call.operand(0), lambda row: row)
    largest = reduced(call, "Max", x, (1,))
    nothing = call.add(Elementwise("Equal"), largest, number(0))
    call.gives(call.add(Elementwise("Div"), x, call.add(Elementwise("Where"), nothing, number(1), largest)))


def _imputer(call: Call) -> None:
    """What is missing, NaN or a number, filled in."""
    dtype = call.type(0).dtype
    if dtype.limits is not None:
        fill = _filled(call, "imputed_value_int64s").astype(dtype.numpy)
        missing = np.asarray(call.attribute("replaced_value_int64", 0), dtype.numpy)
        gone = call.add(Elementwise("Equal"), call.operand(0), missing)
        call.gives(call.add(Elementwise("Where"), gone, fill, call.operand(0)))
        return
    op = Impute(_filled(call, "imputed_value_floats"), float(call.attribute("replaced_value_float", 0.0)))
    call.gives(by_row(call, call.operand(0), lambda row: call.add(op, row)))


def _filled(call: Call, name: str) -> Floats:
    if not call.attribute(name):
        raise call.refused(f"{name} is missing", "export the model again", "E0104")
    return _each(call, name, 0.0)


def _feature_vectorizer(call: Call) -> None:
    """All inputs as one row, each cut or filled with zeros to the length that the node says for it."""
    sizes = call.attribute("inputdimensions") or [call.type(i).size for i in range(len(call.operands))]
    if len(sizes) != len(call.operands) or min(sizes) < 1:
        raise call.refused(f"{len(sizes)} lengths for {len(call.operands)} inputs", "export the model again", "E0104")
    call.bounded(*sizes)
    parts = []
    for i, size in enumerate(sizes):
        part = by_row(call, call.operand(i), lambda row: row)
        rows, width = call.tensors.type_of(part).shape
        at = np.where(np.arange(size) < width, np.arange(size), -1)
        parts.append(part if size == width else call.add(Pick((np.arange(rows), at)), part))
    call.gives(joined(call, parts, 1))


def _one_hot(call: Call) -> None:
    """1 where the input is the category, along a new last axis; what is no category has 0 everywhere."""
    if call.attribute("cats_strings"):
        text = "its categories are text, which no board has"
        raise call.refused(text, "encode them as whole numbers before the model: an OrdinalEncoder on the computer")
    categories = np.asarray(call.attribute("cats_int64s", ()), np.int64)
    if not categories.size:
        raise call.refused("it has no categories", "export the model again", "E0104")
    whole = call.add(Elementwise("Cast", DType.I64), call.operand(0))
    spread = reshaped(call, whole, (*call.type(0).shape, 1))
    call.gives(call.add(Elementwise("Cast", DType.F32), call.add(Elementwise("Equal"), spread, categories)))


CONVERTERS: Mapping[str, Converter] = {
    "ai.onnx.ml.ArrayFeatureExtractor": _extract,
    "ai.onnx.ml.Binarizer": _binarizer,
    "ai.onnx.ml.FeatureVectorizer": _feature_vectorizer,
    "ai.onnx.ml.Imputer": _imputer,
    "ai.onnx.ml.Normalizer": _normalizer,
    "ai.onnx.ml.OneHotEncoder": _one_hot,
    "ai.onnx.ml.Scaler": _scaler,
}
