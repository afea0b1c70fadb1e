"""ai.onnx.ml's operators work on rows of a matrix; the ops of classical models take one row of float32. This brings both
together, and has what all of these operators share: labels of classes, and what is made of scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.reduce import reduced
from mcugen.frontends.onnx.shape import joined, reshaped
from mcugen.ir import Array, DType, Label
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.indexed import Indexed
from mcugen.ops.softmax import Softmax
from mcugen.ops.strided import Strided

MOST_ROWS = 64  # of a call: every row has its own nodes
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")  # TreeEnsemble says them by number
NEARLY_ZERO = 1e-7  # what SOFTMAX_ZERO takes for 0
ERFINV = 0.147  # of Winitzki's approximation of the error function's inverse, which the runtime uses


def rows_of(call: Call, x: Operand, dtype: DType = DType.F32) -> list[Operand]:
    """The rows of a matrix (a vector is one), each (features,) of a type. E0303 for more than can be unrolled."""
    shape = call.tensors.type_of(x).shape
    if not 1 <= len(shape) <= 2:
        raise call.refused(f"it takes rows, not a tensor of {len(shape)} axes", "export the model again")
    count, width = shape if len(shape) == 2 else (1, *shape)
    if count > MOST_ROWS:
        text = f"it takes {count:,} rows at once; mcugen unrolls {MOST_ROWS} at most"
        raise call.refused(text, f"compile it for one row: --shape name=1,{width}", "E0303")
    if call.tensors.type_of(x).dtype is not dtype:
        x = call.add(Elementwise("Cast", dtype), x)
    if count == 1:
        return [reshaped(call, x, (width,))]
    return [call.add(Strided((width,), (1,), i * width), x) for i in range(count)]


def by_row(call: Call, x: Operand, work: Callable[[Operand], Operand], dtype: DType = DType.F32) -> Operand:
    """What a row becomes, for all rows: (rows, numbers)."""
    return stacked(call, [work(row) for row in rows_of(call, x, dtype)])


def stacked(call: Call, rows: Sequence[Operand]) -> Operand:
    """Vectors, or single numbers, as the rows of a matrix."""
    made = [reshaped(call, row, (1, call.tensors.type_of(row).size)) for row in rows]
    return joined(call, made, 0)


def label_of(call: Call, indices: Sequence[Operand], labels: Sequence[Label]) -> Operand:
    """The labels (rows,) of classes that are known by their index, an `i32` scalar each. Labels that are text exist outside of
    the C alone: there the index stands for them.
    """
    index = reshaped(call, stacked(call, indices), (len(indices),))
    return labelled(call, index, labels)


def labelled(call: Call, index: Operand, labels: Sequence[Label]) -> Operand:
    """The labels of indices, and that they are labels."""
    if isinstance(index, str) and any(isinstance(label, str) for label in labels):
        found: Operand = index if call.tensors.type_of(index).dtype is DType.I32 else _whole(call, index, DType.I32)
    elif [*labels] == [*range(len(labels))]:
        found = _whole(call, index, DType.I64)
    else:
        found = call.add(Indexed("Gather", 0), np.asarray(labels, np.int64), index)
    call.tensors.is_class(found, index, tuple(labels))
    return found


def _whole(call: Call, x: Operand, dtype: DType) -> Operand:
    return call.add(Elementwise("Cast", dtype), x)


def labels_in(call: Call, ints: str, strings: str) -> tuple[Label, ...]:
    """The labels that a classifier's attributes hold; E0104 where there are none, or the same one twice."""
    found = tuple(call.attribute(strings) or call.attribute(ints) or ())
    if not found or len({*found}) != len(found):
        text = "its classes have no labels" if not found else "two of its classes have the same label"
        raise call.refused(text, "export the model again", "E0104")
    return tuple(label if isinstance(label, str) else int(label) for label in found)


def transformed(call: Call, scores: Operand, name: str) -> Operand:
    """What `post_transform` makes of scores (rows, scores)."""
    last = len(call.tensors.type_of(scores).shape) - 1
    if name == "NONE":
        return scores
    if name == "LOGISTIC":
        return call.add(Elementwise("Sigmoid"), scores)
    if name == "SOFTMAX":
        return call.add(Softmax("Softmax", (last,)), scores)
    return {"SOFTMAX_ZERO": _softmax_zero, "PROBIT": _probit}[name](call, scores)


def transform_in(call: Call) -> str:
    """The attribute `post_transform`; E0302 for one that does not exist."""
    given = call.attribute("post_transform", "NONE")
    name = TRANSFORMS[given] if isinstance(given, int) and 0 <= given < len(TRANSFORMS) else given
    if name not in TRANSFORMS:
        raise call.refused(f"there is no post_transform {given}", f"it is one of {', '.join(TRANSFORMS)}")
    return str(name)


def number(value: float) -> Array:
    """A float32."""
    return np.asarray(value, np.float32)


def _softmax_zero(call: Call, x: Operand) -> Operand:
    """As Softmax, but a score of 0 stays next to 0; all the same where nothing is left."""
    last = (len(call.tensors.type_of(x).shape) - 1,)
    top = reduced(call, "Max", x, last)
    power = call.add(Elementwise("Exp"), call.add(Elementwise("Sub"), x, top))
    little = call.add(Elementwise("Mul"), x, call.add(Elementwise("Exp"), call.add(Elementwise("Neg"), top)))
    counts = call.add(Elementwise("Greater"), call.add(Elementwise("Abs"), x), number(NEARLY_ZERO))
    each = call.add(Elementwise("Where"), counts, power, little)
    total = reduced(call, "Sum", each, last)
    nothing = call.add(Elementwise("Equal"), total, number(0))
    safe = call.add(Elementwise("Where"), nothing, number(1), total)
    return call.add(Elementwise("Where"), nothing, number(0.5), call.add(Elementwise("Div"), each, safe))


def _probit(call: Call, x: Operand) -> Operand:
    """sqrt(2) · erfinv(2 x - 1), as near as the approximation is."""
    y = call.add(Elementwise("Sub"), call.add(Elementwise("Mul"), x, number(2)), number(1))
    one = number(1)
    product = call.add(Elementwise("Mul"), call.add(Elementwise("Sub"), one, y), call.add(Elementwise("Add"), one, y))
    log = call.add(Elementwise("Log"), product)
    half = call.add(Elementwise("Mul"), log, number(0.5))
    middle = call.add(Elementwise("Add"), half, number(2 / (pi * ERFINV)))
    square = call.add(Elementwise("Mul"), middle, middle)
    inside = call.add(Elementwise("Sub"), square, call.add(Elementwise("Div"), log, number(ERFINV)))
    outside = call.add(Elementwise("Sub"), call.add(Elementwise("Sqrt"), inside), middle)
    size = call.add(Elementwise("Mul"), call.add(Elementwise("Sqrt"), outside), number(1.41421356))
    return call.add(Elementwise("Mul"), call.add(Elementwise("Sign"), y), size)
