"""Scan, of which only what exporters write for nearest neighbours is known: the distances of every row to each of some points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.reduce import reduced
from mcugen.frontends.onnx.rows import rows_of
from mcugen.frontends.onnx.shape import joined, reshaped
from mcugen.ir import DType
from mcugen.ops.distances import Distances
from mcugen.ops.elementwise import Elementwise

if TYPE_CHECKING:
    import onnx

    from mcugen.frontends.onnx import Converter

Sum = Literal["squares", "sizes"]
PLAIN = {"body", "num_scan_inputs"}  # attributes of a scan from the first point to the last


def _scan(call: Call) -> None:
    body = call.attribute("body")
    kind = _sum(call, body) if len(call.operands) == 2 and call.attributes.keys() <= PLAIN else None
    if kind is None:
        text = "a loop over anything but the distances to points is not supported"
        raise call.refused(text, "export the model without loops: unroll them", "E0301")
    points = call.constant(1, "the points that it goes over")
    if points.ndim != 2 or points.shape[1] != call.type(0).shape[-1] or call.type(0).dtype is not DType.F32:
        raise call.refused("its points do not go with its rows", "export the model again, in float32", "E0104")
    rows = [
        reshaped(call, _distances(call, row, points, kind), (len(points), 1)) for row in rows_of(call, call.operand(0))
    ]
    call.gives(call.operand(0), joined(call, rows, 1))


def _distances(
    call: Call, row: Operand, points: np.ndarray[tuple[int, int], np.dtype[np.float32]], kind: Sum
) -> Operand:
    """The sums of squares of differences, or of their sizes, one for each point."""
    if kind == "squares":
        return call.add(Elementwise("Neg"), call.add(Distances(points.astype(np.float64), np.zeros(len(points))), row))
    apart = call.add(Elementwise("Abs"), call.add(Elementwise("Sub"), row, points))
    return reduced(call, "Sum", apart, (1,))


def _sum(call: Call, body: onnx.GraphProto) -> Sum | None:
    """What the body adds up of a row and a point, which it leaves as it is; None for other bodies."""
    same = {node.output[0]: node.input[0] for node in body.node if node.op_type == "Identity"}
    work = [node for node in body.node if node.op_type != "Identity"]
    kind: Sum | None = {("Sub", "ReduceSumSquare"): "squares", ("Sub", "Abs", "ReduceSum"): "sizes"}.get(  # type: ignore[assignment]
        tuple(node.op_type for node in work)
    )
    if kind is None or len(body.input) != 2 or len(body.output) != 2:
        return None

    def origin(name: str) -> str:
        for _ in same:
            name = same.get(name, name)
        return name

    taken = [*({origin(work[0].input[i]) for i in range(2)}), *(origin(node.input[0]) for node in work[1:])]
    wanted = [*{value.name for value in body.input}, *(node.output[0] for node in work[:-1])]
    ends = [origin(value.name) for value in body.output] == [body.input[0].name, work[-1].output[0]]
    return kind if sorted(taken) == sorted(wanted) and ends and _by_feature(call, body, work[-1]) else None


def _by_feature(call: Call, body: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    """Whether a reduction adds up the features and leaves no axis for them."""
    from onnx import helper, numpy_helper

    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    known = {**call.tensors.known, **{one.name: numpy_helper.to_array(one) for one in body.initializer}}
    axes = given.get("axes") or known.get(node.input[1] if len(node.input) > 1 else "", "")
    return not isinstance(axes, str) and [int(a) for a in axes] in ([1], [-1]) and given.get("keepdims", 1) == 0


CONVERTERS: Mapping[str, Converter] = {"Scan": _scan}
