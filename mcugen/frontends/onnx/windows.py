"""What slides over spatial axes: convolutions and pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mcugen.frontends.onnx.call import Call
from mcugen.frontends.onnx.quantize import (
    dequantised,
    dequantised_bias,
    dequantised_sum,
    is_narrow,
    quantised,
    whole_number,
)
from mcugen.ops.conv import Conv
from mcugen.ops.conv_transpose import ConvTranspose
from mcugen.ops.pool import Pool
from mcugen.windows import Window, windows

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

AXES = 3  # spatial ones


def _windows(call: Call, kernel: tuple[int, ...]) -> tuple[Window, ...]:
    sizes = call.type(0).shape[2:]
    if not 1 <= len(sizes) <= AXES or len(sizes) != len(kernel):
        raise call.refused(f"it has {len(sizes)} spatial axes", f"use 1 to {AXES}")
    strides, dilations, pads = (call.attribute(name) for name in ("strides", "dilations", "pads"))
    return windows(
        sizes,
        kernel,
        strides,
        dilations,
        pads,
        call.attribute("auto_pad", "NOTSET"),
        bool(call.attribute("ceil_mode", 0)),
    )


def _conv(call: Call) -> None:
    op = Conv(_windows(call, call.type(1).shape[2:]), call.attribute("group", 1))
    call.gives(call.add(op, *(call.operand(i) for i in range(len(call.operands)) if call.has(i))))


def _conv_integer(call: Call) -> None:
    op = Conv(_windows(call, call.type(1).shape[2:]), call.attribute("group", 1))
    call.gives(call.add(op, whole_number(call, 0, 2), whole_number(call, 1, 3)))


def _qlinear_conv(call: Call) -> None:
    """Exact sums of integers, the bias among them, then one rescaling for each channel: by the pass `layers` where that can."""
    op = Conv(_windows(call, call.type(3).shape[2:]), call.attribute("group", 1))
    constants = [call.operand(i) for i in range(1, 9) if call.has(i)]
    if is_narrow(call, 0, 3, axis=0) and all(not isinstance(one, str) for one in constants):
        operands = [dequantised(call, 0, 1, 2), dequantised(call, 3, 4, 5, axis=0)]
        bias = [dequantised_bias(call, 8, 1, 4)] if call.has(8) else []
        call.gives(quantised(call, call.add(op, *operands, *bias), 6, 7))
        return
    operands = [whole_number(call, 0, 2), whole_number(call, 3, 5)]
    found = call.add(op, *operands, *([call.operand(8)] if call.has(8) else []))
    call.gives(dequantised_sum(call, found, (1, 4), 6, 7, axis=1))


def _conv_transpose(call: Call) -> None:
    counts, kernel = call.type(0).shape[2:], call.type(1).shape[2:]
    rank = len(counts)
    strides, dilations = call.attribute("strides") or [1] * rank, call.attribute("dilations") or [1] * rank
    more = call.attribute("output_padding") or [0] * rank
    whole = [
        (n - 1) * s + (k - 1) * d + 1 + m
        for n, s, k, d, m in zip(counts, strides, kernel, dilations, more, strict=True)
    ]
    pads = call.attribute("pads") or [0] * (2 * rank)
    before, sizes = pads[:rank], [w - a - b for w, a, b in zip(whole, pads[:rank], pads[rank:], strict=True)]
    auto = call.attribute("auto_pad", "NOTSET")
    wanted = call.attribute("output_shape")
    if wanted is not None or auto.startswith("SAME"):
        sizes = [*(wanted or [n * s for n, s in zip(counts, strides, strict=True)])][-rank:]
        spare = [max(w - n, 0) for w, n in zip(whole, sizes, strict=True)]
        before = [n - n // 2 if auto == "SAME_LOWER" else n // 2 for n in spare]
    found = tuple(
        Window(n, k, s, d, b) for n, k, s, d, b in zip(sizes, kernel, strides, dilations, before, strict=True)
    )
    op = ConvTranspose(found, tuple(counts), call.attribute("group", 1))
    call.gives(call.add(op, *(call.operand(i) for i in range(len(call.operands)) if call.has(i))))


def _pool(call: Call) -> None:
    sizes = call.type(0).shape[2:]
    whole = call.op.startswith("Global")
    kernel = sizes if whole else tuple(call.attribute("kernel_shape"))
    name = call.op.removeprefix("Global")
    function = {"MaxPool": "max", "AveragePool": "average", "LpPool": "lp"}[name]
    indices = len(call.outputs) > 1 and bool(call.outputs[1])
    op = Pool(
        function,
        _windows(call, tuple(kernel)),
        bool(call.attribute("count_include_pad", 0)),
        int(call.attribute("p", 2)),
        indices,
        bool(call.attribute("storage_order", 0)),
    )
    call.gives(*call.add_all(op, call.operand(0)))


CONVERTERS: Mapping[str, Converter] = {
    "Conv": _conv,
    "ConvInteger": _conv_integer,
    "ConvTranspose": _conv_transpose,
    "QLinearConv": _qlinear_conv,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool", "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"), _pool),
}
