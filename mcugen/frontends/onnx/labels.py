"""ai.onnx.ml's operators on labels: LabelEncoder and CategoryMapper, tables of what becomes of a number.

A board has no text: what text becomes cannot be looked up there. What becomes text are labels of classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.rows import labelled
from mcugen.frontends.onnx.shape import joined, reshaped
from mcugen.ir import Array, DType
from mcugen.ops.arg_reduce import ArgReduce
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.indexed import Indexed

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

SPARSE = 4  # entries of a table for each key, at most, so that a key's place is found by subtraction
KINDS = ("int64s", "floats", "strings", "tensor")
DEFAULTS: Mapping[str, Any] = {"int64": -1, "float": -0.0, "string": "_Unused"}


def _label_encoder(call: Call) -> None:
    if call.version < 2:
        _mapped(call, "classes_strings", [*range(len(call.attribute("classes_strings", ())))])
        return
    keys, values = _one_of(call, "keys"), _one_of(call, "values")
    if keys is None or values is None or len(keys) != len(values) or not len(keys):
        raise call.refused("its keys and values do not go together", "export the model again", "E0104")
    if keys.dtype.kind not in "iuf":
        raise _text(call)
    if call.version < 4 and keys.dtype.kind == "f" and np.isnan(keys).any():
        text = "runtimes make different answers of NaN as a key"
        raise call.refused(text, "export it with operator set 4 of ai.onnx.ml")
    kind = {"i": "int64", "f": "float"}.get(values.dtype.kind, "string")
    given = np.ravel(call.attribute("default_tensor", call.attribute(f"default_{kind}", DEFAULTS[kind])))[0]
    _table(call, keys, values, values.dtype.type(given) if kind != "string" else str(given))


def _category_mapper(call: Call) -> None:
    _mapped(call, "cats_strings", call.attribute("cats_int64s", ()))


def _mapped(call: Call, strings: str, numbers: Any) -> None:
    """Numbers that become text."""
    texts = call.attribute(strings, ())
    if len(texts) != len(numbers) or not texts:
        raise call.refused("its numbers and texts do not go together", "export the model again", "E0104")
    default = call.attribute("default_string", "_Unused")
    _table(call, np.asarray(numbers, np.int64), np.asarray(texts, object), default)


def _one_of(call: Call, side: str) -> Array | None:
    """Keys or values, whichever type the node has them in."""
    found = [call.attribute(f"{side}_{kind}") for kind in KINDS if call.attribute(f"{side}_{kind}") is not None]
    if len(found) != 1:
        return None
    given = found[0]
    if isinstance(given, np.ndarray):
        return given.ravel()
    if any(isinstance(one, str) for one in given):
        return np.asarray(given, object)
    return np.asarray(given, np.float32 if any(isinstance(one, float) for one in given) else np.int64)


def _table(call: Call, keys: Array, values: Array, default: Any) -> None:
    """The value whose key an element is; the default where it is none."""
    x = call.operand(0)
    first = np.unique(keys, return_index=True)[1]
    keys, values = keys[np.sort(first)], values[np.sort(first)]
    every = np.append(values, [default]).astype(values.dtype)
    whole = keys.dtype.kind in "iu" and call.type(0).dtype.limits is not None
    dense = whole and int(np.ptp(keys)) < SPARSE * len(keys)
    if dense:
        low, size = int(keys.min()), int(np.ptp(keys)) + 1
        places = np.full(size + 1, len(keys))
        places[keys - low] = np.arange(len(keys))
        every, index = every[places], _offset(call, x, low, size)
    else:
        index = _searched(call, x, keys)
    if every.dtype.kind in "OSU":
        call.gives(labelled(call, index, tuple(every.tolist())))
    else:
        call.gives(call.add(Indexed("Gather", 0), every, index))


def _offset(call: Call, x: Operand, low: int, size: int) -> Operand:
    """How far x is above the lowest key; `size` for what is below it or beyond the table."""
    place = call.add(Elementwise("Sub"), call.add(Elementwise("Cast", DType.I64), x), np.asarray(low, np.int64))
    above = call.add(Elementwise("GreaterOrEqual"), place, np.asarray(0, np.int64))
    last = np.asarray(size, np.int64)
    return call.add(Elementwise("Where"), above, call.add(Elementwise("Min"), place, last), last)


def _searched(call: Call, x: Operand, keys: Array) -> Operand:
    """The place of the key that x is, among all of them; their number where it is none. NaN is NaN."""
    shape = call.tensors.type_of(x).shape
    same = call.tensors.type_of(x).dtype.numpy
    spread = reshaped(call, x, (*shape, 1))
    equal = call.add(Elementwise("Equal"), spread, keys.astype(same))
    if np.dtype(same).kind == "f" and np.isnan(keys).any():
        both = call.add(Elementwise("And"), call.add(Elementwise("IsNaN"), spread), np.isnan(keys))
        equal = call.add(Elementwise("Or"), equal, both)
    counted = call.add(Elementwise("Cast", DType.U8), equal)
    found = call.add(
        ArgReduce("ArgMax", len(shape)), joined(call, [counted, np.ones((*shape, 1), np.uint8)], len(shape))
    )
    return reshaped(call, found, shape)


def _text(call: Call) -> Exception:
    text = "it looks up text, which no board has"
    return call.refused(text, "encode it as whole numbers before the model, on the computer")


CONVERTERS: Mapping[str, Converter] = {
    "ai.onnx.ml.CategoryMapper": _category_mapper,
    "ai.onnx.ml.LabelEncoder": _label_encoder,
}
