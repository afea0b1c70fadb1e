"""Networks in floats that are brought to integers here, on the user's rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from small_networks import image, model_of

import mcugen
from mcugen.diagnostics import McugenError
from mcugen.ir import DType
from mcugen.ops.conv_rows import ConvRows


@pytest.fixture
def float_net(tmp_path) -> Path:
    """The image network in floats, with a normalisation behind its first convolution."""
    nodes, tables, *shapes = image(np.random.default_rng(8))
    for i, value in enumerate(np.random.default_rng(9).uniform(0.5, 1.5, (4, 8)).astype(np.float32)):
        tables[f"n{i}"] = value
    nodes[0] = helper.make_node("Conv", ["x", "w0", "b0"], ["plain"], pads=[1, 1, 1, 1])
    nodes.insert(1, helper.make_node("BatchNormalization", ["plain", "n0", "n1", "n2", "n3"], ["c0"]))
    onnx.save(model_of((nodes, tables, *shapes)), tmp_path / "float.onnx")
    return tmp_path / "float.onnx"


def rows_for(count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, 3 * 8 * 7)).astype(np.float32)


def test_a_float_network_in_int8(float_net):
    compiled = mcugen.compile(float_net, board="esp32c3", numeric="int8", data=rows_for(60), max_disagreement=0.1)
    layers = [node for node in compiled.module.nodes if isinstance(node.op, ConvRows)]
    assert {compiled.module.predict.values[node.name].type.dtype for node in layers} == {DType.I8}
    assert len(layers) == 5
    (note,) = compiled.source.notes
    assert "rows are answered otherwise in int8" in note
    assert "the worst layer is" in note
    floats = mcugen.compile(float_net, board="esp32c3")
    given = rows_for(20).reshape(-1, 1, 3, 8, 7)
    found, wanted = compiled.run([given])[0], floats.run([given])[0]
    assert np.abs(found - wanted).max() < 0.05 * np.ptp(wanted)
    assert compiled.report.flash.value < floats.report.flash.value


@pytest.mark.filterwarnings("ignore")
def test_ranges_are_found_in_three_ways(float_net):
    """One number far out: all of the range, or what most of the numbers are in."""
    rows = rows_for(60)
    rows[3, 7] = 40.0
    scales = {}
    for calibration in ("minmax", "entropy", "percentile"):
        how = {"numeric": "int8", "data": rows, "calibration": calibration}
        compiled = mcugen.compile(float_net, board="esp32c3", **how, max_disagreement=0.5)
        (first,) = [n for n in compiled.module.nodes if n.op.name == "quantize"]
        scales[calibration] = float(compiled.module.predict.values[first.inputs[1]].data)
    assert scales["minmax"] == pytest.approx(43.5 / 255, rel=0.05)
    assert scales["entropy"] < scales["minmax"]
    assert scales["percentile"] < scales["minmax"]
    with pytest.raises(McugenError, match="did you mean 'entropy'") as caught:
        mcugen.compile(float_net, board="esp32c3", numeric="int8", data=rows, calibration="entropie")
    assert caught.value.diagnostics[0].code == "E0112"


def test_int8_that_changes_too_much_is_refused(float_net):
    path = float_net.with_name("steep.onnx")
    model = onnx.load(float_net)
    for table in model.graph.initializer:
        if table.name == "b4":  # far from 0, and nearly alike: what tells the outputs apart is below their steps
            table.CopyFrom(numpy_helper.from_array(np.linspace(1000, 1000.1, 5, dtype=np.float32), "b4"))
    onnx.save(model, path)
    with pytest.raises(McugenError, match="rows are answered otherwise in int8") as caught:
        mcugen.compile(path, board="esp32c3", numeric="int8", data=rows_for(40))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0802"
    assert "--max-disagreement" in diagnostic.help


def test_int8_without_rows_and_int16_are_refused(float_net):
    for numeric, message in (
        ("int8", "a network is quantised on data"),
        ("int16", "networks are not brought to int16"),
    ):
        with pytest.raises(McugenError, match=message) as caught:
            mcugen.compile(float_net, board="esp32c3", numeric=numeric)
        assert caught.value.diagnostics[0].code == "E0302"
