"""ai.onnx.ml's LinearClassifier and LinearRegressor: the op `linear`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.rows import (
    by_row,
    label_of,
    labels_in,
    rows_of,
    stacked,
    transform_in,
    transformed,
)
from mcugen.frontends.onnx.shape import joined
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.linear import Linear

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

Floats = npt.NDArray[np.float64]


def _weights(call: Call, rows: int) -> tuple[Floats, Floats]:
    """Coefficients (rows, features) and intercepts (rows,); E0104 where they do not go with the input or are not finite."""
    given = np.asarray(call.attribute("coefficients", ()), np.float64)
    width = call.type(0).shape[-1] if call.type(0).shape else 0
    if rows < 1 or given.size != rows * width:
        text = f"{given.size:,} coefficients for {rows:,} sums of {width:,} features"
        raise call.refused(text, "export the model again", "E0104")
    intercepts = np.asarray(call.attribute("intercepts", np.zeros(rows)), np.float64)
    if intercepts.size != rows:
        text = f"{intercepts.size:,} intercepts for {rows:,} sums"
        raise call.refused(text, "export the model again", "E0104")
    if not (np.isfinite(given).all() and np.isfinite(intercepts).all()):
        raise call.refused("its weights are not finite", "train the model again: its training diverged", "E0104")
    return given.reshape(rows, width), intercepts


def _classifier(call: Call) -> None:
    labels, transform = labels_in(call, "classlabels_ints", "classlabels_strings"), transform_in(call)
    sums = len(call.attribute("intercepts", labels))
    weights, intercepts = _weights(call, sums)
    if sums not in (1, len(labels)) or (sums == 1 and (len(labels) != 2 or transform != "LOGISTIC")):
        text = f"runtimes make different answers of {sums} sums for {len(labels)} labels with {transform}"
        raise call.refused(text, "export it with a sum for every class")
    opposite = sums == 2 and (weights[0] == -weights[1]).all() and intercepts[0] == -intercepts[1]
    if opposite or sums == 1:  # the first class's score is the second's, turned
        weights, intercepts = weights[-1:], intercepts[-1:]
    if len(weights) == 1 and transform == "LOGISTIC":
        op, after = Linear(weights, intercepts, "proba", "sigmoid"), "NONE"
    elif len(weights) > 1 and transform == "SOFTMAX":
        op, after = Linear(weights, intercepts, "proba", "softmax"), "NONE"
    else:
        op, after = Linear(weights, intercepts, "decision"), transform
    made = [call.add_all(op, row) for row in rows_of(call, call.operand(0))]
    scores = [_both(call, s) if call.tensors.type_of(s).size == 1 else s for _, s in made]
    call.gives(label_of(call, [index for index, _ in made], labels), transformed(call, stacked(call, scores), after))


def _both(call: Call, score: Operand) -> Operand:
    """The scores of two classes, of which the first's is the second's turned."""
    return joined(call, [call.add(Elementwise("Neg"), score), score], 0)


def _regressor(call: Call) -> None:
    targets, transform = int(call.attribute("targets", 1)), transform_in(call)
    if targets == 1 and transform not in ("NONE", "PROBIT"):
        text = f"post_transform {transform} of a single number is left out by some runtimes"
        raise call.refused(text, "export it with NONE and put a node of its own behind it")
    op = Linear(*_weights(call, targets), "value" if targets == 1 else "transform")
    call.gives(transformed(call, by_row(call, call.operand(0), lambda row: call.add(op, row)), transform))


CONVERTERS: Mapping[str, Converter] = {
    "ai.onnx.ml.LinearClassifier": _classifier,
    "ai.onnx.ml.LinearRegressor": _regressor,
}
