"""Float networks brought to int8 by onnxruntime's quantiser on the user's rows, and judged beside themselves."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mcugen.compared import PART, range_of
from mcugen.diagnostics import error
from mcugen.frontends import Source
from mcugen.frontends.onnx_reference import OnnxReference
from mcugen.frontends.pickle_file import one_line
from mcugen.ir import Array, DType, Storage

if TYPE_CHECKING:
    import onnx

    from mcugen.arguments import Calibration

CALIBRATED = 500  # rows at most that ranges are taken from
METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}  # as onnxruntime calls them
BINS = 512  # of a tensor's histogram, of which 128 are the steps of one sign
COMPARED = 20  # rows that layers are compared on
OPERATORS = 13  # the operator set from which on there is a scale for each channel


def is_network(source: Source) -> bool:
    """Whether a model is an ONNX graph, and none of the models whose ops have number formats of their own."""
    return isinstance(source.reference, OnnxReference) and not any(node.op.weighted for node in source.module.nodes)


def quantised(source: Source, rows: Array | None, allowed: float, calibration: Calibration = "minmax") -> Source:
    """The network in int8: weights with a scale for each channel, ranges of activations from rows (n, features) float32. One that
    is quantised already stays as it is.

    allowed      the part of the rows whose largest output may be another one
    calibration  how ranges come of rows: all that was seen; or less, where what is rare goes past the end: what tells most of the
                 distribution (entropy), or 99.999 % of the numbers (percentile)
    E0302 without rows, or for a graph that the quantiser does not take, E0606 without onnxruntime, E0802 where more rows differ.
    """
    reference = source.reference
    assert isinstance(reference, OnnxReference)
    inputs = source.module.predict.of(Storage.INPUT)
    if any(
        node.op_type == "QuantizeLinear" or node.op_type.startswith("QLinear") for node in reference.model.graph.node
    ):
        return source
    if any(value.type.dtype is not DType.F32 for value in inputs):
        raise error(
            "E0302",
            "a graph of other numbers than float32 is not quantised",
            help="leave --numeric out",
            loc=source.loc,
        )
    if rows is None:
        help = "give rows like those in use, from which the ranges are taken: --data rows.npy"
        raise error("E0302", "a network is quantised on data", help=help, loc=source.loc)
    made = _quantised(reference, source, rows, calibration)
    from mcugen.frontends.onnx import read_graph

    module = read_graph(made, source.module.name, source.loc)
    found = Source(module, OnnxReference(made, module, source.loc), source.loc)
    return replace(found, notes=(*source.notes, _judged(source, found, rows, allowed)))


def _quantised(reference: OnnxReference, source: Source, rows: Array, calibration: Calibration) -> onnx.ModelProto:
    try:
        from onnxruntime import quantization  # type: ignore[import-untyped]
    except ImportError as missing:
        help = "install it: `pip install 'mcugen[quant]'`, or give a graph that is quantised already"
        raise error("E0606", "onnxruntime is not installed", help=help, loc=source.loc) from missing
    import onnx

    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.every: Iterator[dict[str, Array]] = iter(_feeds(reference, source, rows[:CALIBRATED]))

        def get_next(self) -> Any:
            return next(self.every, None)

    quiet = logging.getLogger()
    before = quiet.level
    try:
        quiet.setLevel(logging.ERROR)  # it gives advice that is followed here, or for servers
        with tempfile.TemporaryDirectory(prefix="mcugen-quantise-") as folder:
            plain, done = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            plain.write_bytes(folded(_newer(reference.model)))
            method = quantization.CalibrationMethod[METHODS[calibration]]
            with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
                more = {"TensorQuantOverrides": _likely(plain, Rows(), folder)} if calibration == "entropy" else {}
                method = quantization.CalibrationMethod.MinMax if more else method
                how = {"per_channel": True, "calibrate_method": method, "extra_options": more}
                quantization.quantize_static(plain, done, Rows(), **how)
            return onnx.load(done)
    except Exception as problem:  # of whatever the quantiser meets
        help = "quantise it with the tools of your framework, and give that graph"
        text = f"onnxruntime does not quantise this graph: {one_line(problem)}"
        raise error("E0302", text, help=help, loc=source.loc) from problem
    finally:
        quiet.setLevel(before)


def _likely(plain: Path, rows: Any, folder: str) -> dict[str, Any]:
    """Ranges that tell most of each tensor's distribution. `quantize_static` itself asks with as many bins as steps, which leaves it
    nothing to choose.
    """
    from onnxruntime.quantization import CalibrationMethod, calibrate  # type: ignore[import-untyped]

    wide = {"num_bins": BINS}
    method, augmented = CalibrationMethod.Entropy, str(Path(folder) / "entropy.onnx")
    calibrator = calibrate.create_calibrator(plain, None, augmented, method, extra_options=wide)
    calibrator.collect_data(rows)
    found = calibrator.compute_data().data
    return {name: [dict(zip(("rmin", "rmax"), one.range_value, strict=True))] for name, one in found.items()}


def _feeds(reference: OnnxReference, source: Source, rows: Array) -> list[dict[str, Array]]:
    """Rows as onnxruntime takes them."""
    constants = {one.name for one in reference.model.graph.initializer}
    names = [value.name for value in reference.model.graph.input if value.name not in constants]
    parts = source.module.split(rows)
    return [dict(zip(names, (one[i] for one in parts), strict=True)) for i in range(len(rows))]


def _newer(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in an operator set that has what the quantiser writes."""
    from onnx.version_converter import convert_version

    versions = {one.domain: one.version for one in model.opset_import}
    return convert_version(model, OPERATORS) if versions.get("", OPERATORS) < OPERATORS else model


def folded(model: onnx.ModelProto) -> bytes:
    """The model after onnxruntime's basic passes: batch normalisation in the convolution before it, and so on."""
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="mcugen-fold-") as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return Path(options.optimized_model_filepath).read_bytes()


# ---- judged ----------------------------------------------------------------------------------------------------------


def _judged(before: Source, after: Source, rows: Array, allowed: float) -> str:
    """What quantising costs, in words; E0802 where more rows than that are answered otherwise."""
    differs = np.zeros(len(rows), np.bool_)
    largest = 0.0
    for value in before.module.predict.of(Storage.OUTPUT):
        real, found = (one.reference.numbers(value.name, rows) for one in (before, after))  # type: ignore[arg-type]
        off = np.abs(found - real).max(axis=1) / range_of(real)
        largest = max(largest, float(off.max(initial=0.0)))
        differs |= (real.argmax(axis=1) != found.argmax(axis=1)) if real.shape[1] > 1 else off > PART
    wrong, count = int(differs.sum()), len(rows)
    text = f"{wrong:,} of {count:,} rows are answered otherwise in int8 ({100 * wrong / count:.2g} %)"
    more = f"numbers are at most {100 * largest:.2g} % of their range off; {_worst(before, after, rows[:COMPARED])}"
    if wrong / count > allowed:
        help = f"allow it with --max-disagreement {np.ceil(1000 * wrong / count) / 1000:g}, give more rows, or keep float32"
        raise error("E0802", text, notes=[more], help=help, loc=before.loc)
    return f"{text}; {more}"


def _worst(before: Source, after: Source, rows: Array) -> str:
    """The tensor that quantising changes most, in words."""
    assert isinstance(before.reference, OnnxReference)
    assert isinstance(after.reference, OnnxReference)
    import onnx

    plain = onnx.load_model_from_string(folded(_newer(before.reference.model)))
    made = {name for node in after.reference.model.graph.node for name in node.output}
    pairs = {
        name: f"{name}_DequantizeLinear_Output"
        for node in plain.graph.node
        for name in node.output
        if f"{name}_DequantizeLinear_Output" in made
    }
    if not pairs:
        return "no layer to compare"
    real = _tensors(plain, [*pairs], before, rows)
    found = _tensors(after.reference.model, [*pairs.values()], after, rows)
    parts = {name: _part(real[name], found[other]) for name, other in pairs.items()}
    worst = max(parts, key=lambda name: parts[name])
    return f"the worst layer is {worst}, {100 * parts[worst]:.2g} % off (root mean square)"


def _part(real: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> float:
    size = float(np.sqrt(np.mean(real**2)))
    return float(np.sqrt(np.mean((found - real) ** 2))) / size if size > 0 else 0.0


def _tensors(
    model: onnx.ModelProto, names: list[str], source: Source, rows: Array
) -> dict[str, npt.NDArray[np.float64]]:
    """Tensors of a model over rows, by name."""
    import onnx

    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    del wide.graph.output[:]
    wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    asked = OnnxReference(wide, source.module, source.loc)
    every = [asked._run([one[i] for one in source.module.split(rows)]) for i in range(len(rows))]
    return {name: np.stack([np.asarray(row[k], np.float64) for row in every]) for k, name in enumerate(names)}
