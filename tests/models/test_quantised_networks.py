"""Networks that onnxruntime quantised: integers from end to end, each layer within a step of its own."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from small_networks import image, line, model_of, quantised

import mcugen
from mcugen.diagnostics import McugenError
from mcugen.frontends.onnx_layers import LayerReference
from mcugen.ir import DType, Storage
from mcugen.ops.conv_rows import ConvRows

BOARDS = ("feather_nrf52840", "esp32c3")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
@pytest.mark.parametrize("per_channel", [False, True])
def test_what_onnxruntime_quantised_becomes_integers(make, per_channel, tmp_path):
    rng = np.random.default_rng(int(per_channel))
    path = quantised(model_of(make(rng)), tmp_path, rng, per_channel=per_channel)
    for board in (*BOARDS, "mega2560"):
        compiled = mcugen.compile(path, board=board)  # which proves it
        layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
        types = {compiled.module.predict.values[n.name].type.dtype.short for n in layers}
        assert types == {"i8"}, f"{board}: {compiled.module}"
        assert isinstance(compiled.reference, LayerReference)
        found = compiled.reference.layers(rng.standard_normal((4, compiled.module.features)).astype(np.float32))
        assert len(found) >= len(layers)
        assert max(one.largest for one in found) <= 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("board", BOARDS)
def test_channels_that_say_nothing_are_not_computed(board, tmp_path):
    """Four of eight channels that ReLU lets nothing of through; the C has to give the bits of the whole network."""
    rng = np.random.default_rng(11)
    nodes, tables, *ends = image(rng)
    tables["w0"][1::2], tables["b0"][1::2] = 0, -1
    tables["w1"][1::2], tables["b1"][1::2] = 0, -1
    tables["w2"][1::2], tables["b2"][1::2] = 0, -1
    path = quantised(model_of((nodes, tables, *ends)), tmp_path, rng, per_channel=True)
    compiled = mcugen.compile(path, board=board)
    outs = [n.op.outs for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert outs == [4, 4, 4, 6, 5]
    found = compiled.verify(rng.standard_normal((20, compiled.module.features)).astype(np.float32))
    assert found.proven


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["unsigned", "operators"])
def test_other_ways_to_quantise_are_right(how, tmp_path):
    from onnxruntime import quantization

    rng = np.random.default_rng(3)
    given = (
        {"activation_type": quantization.QuantType.QUInt8}
        if how == "unsigned"
        else {"quant_format": quantization.QuantFormat.QOperator}
    )
    path = quantised(model_of(line(rng)), tmp_path, rng, **given)
    mcugen.compile(path, board="feather_nrf52840")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
@pytest.mark.parametrize("signed", [False, True])
def test_operators_become_integers(make, signed, tmp_path):
    """QGemm behind a Flatten of integers, whose elements lie pixel by pixel; QLinearMatMul."""
    from onnxruntime import quantization

    kind = quantization.QuantType.QInt8 if signed else quantization.QuantType.QUInt8

    rng = np.random.default_rng(1)
    how = {"quant_format": quantization.QuantFormat.QOperator, "activation_type": kind}
    path = quantised(model_of(make(rng)), tmp_path, rng, **how)
    compiled = mcugen.compile(path, board="esp32c3")
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert {compiled.module.predict.values[n.name].type.dtype for n in layers} == {DType.I8}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("operators", [False, True])
def test_floats_bring_sums_to_onnxruntimes_bits(make, per_channel, operators, tmp_path):
    """QLinearConv, QLinearMatMul and QGemm work as we do; of QDQ, floats are rounded as often as here."""
    from onnxruntime import quantization

    rng = np.random.default_rng(7 + per_channel)
    how = {"per_channel": per_channel, "activation_type": quantization.QuantType.QInt8}
    if operators:
        how["quant_format"] = quantization.QuantFormat.QOperator
    path = quantised(model_of(make(rng)), tmp_path, rng, **how)
    compiled = mcugen.compile(path, board="feather_nrf52840", requant="float")
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert all(node.op.by_float for node in layers)
    x = rng.standard_normal((60, compiled.module.features)).astype(np.float32)
    assert all(one.largest == 0 for one in compiled.reference.layers(x[:20]))
    np.testing.assert_array_equal(
        compiled.run([x.reshape(-1, *compiled.module.predict.of(Storage.INPUT)[0].type.shape)])[0].reshape(len(x), -1),
        compiled.source.reference.numbers("y", x).astype(np.float32),
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
def test_unsigned_integers_become_signed_ones(make, tmp_path):
    from onnxruntime import quantization

    rng = np.random.default_rng(5)
    path = quantised(model_of(make(rng)), tmp_path, rng, activation_type=quantization.QuantType.QUInt8)
    compiled = mcugen.compile(path, board="feather_nrf52840")
    kinds = {compiled.module.predict.values[n.name].type.dtype for n in compiled.module.nodes}
    assert DType.U8 not in kinds
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert {compiled.module.predict.values[n.name].type.dtype for n in layers} == {DType.I8}
    found = compiled.reference.layers(rng.standard_normal((4, compiled.module.features)).astype(np.float32))
    assert len(found) >= len(layers)
    assert max(one.largest for one in found) <= 1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [image, line])
def test_unsigned_integers_of_the_caller_become_signed_ones(make, tmp_path):
    """The graph without its first QuantizeLinear and its last DequantizeLinear."""
    from onnxruntime import quantization

    rng = np.random.default_rng(5)
    model = onnx.load(quantised(model_of(make(rng)), tmp_path, rng, activation_type=quantization.QuantType.QUInt8))
    first = next(node for node in model.graph.node if node.input[0] == "x")
    last = next(node for node in model.graph.node if node.output[0] == "y")
    for node, value, name in (
        (first, model.graph.input[0], first.output[0]),
        (last, model.graph.output[0], last.input[0]),
    ):
        model.graph.node.remove(node)
        value.name, value.type.tensor_type.elem_type = name, TensorProto.UINT8
    compiled = mcugen.compile(model.SerializeToString(), board="esp32c3")
    layers = [n for n in compiled.module.nodes if isinstance(n.op, ConvRows)]
    assert {compiled.module.predict.values[n.name].type.dtype for n in layers} == {DType.I8}
    assert compiled.row is DType.U8
    x = rng.integers(0, 256, (20, compiled.module.features), np.uint8)
    assert compiled.verify(x).proven
    found = compiled.reference.layers(x[:4])
    assert len(found) >= len(layers)
    assert max(one.largest for one in found) <= 1


@pytest.mark.filterwarnings("ignore")
def test_a_layer_that_is_another_is_found(tmp_path):
    rng = np.random.default_rng(0)
    path = quantised(model_of(line(rng)), tmp_path, rng)
    compiled = mcugen.compile(path, board="esp32c3", check_answers=False)
    lowered = compiled.reference.lowered
    name = next(
        n for n in lowered.nodes if isinstance(n.op, ConvRows) and lowered.predict.values[n.name].type.dtype is DType.I8
    )
    data = lowered.predict.values[name.inputs[1]].data
    data.setflags(write=True)
    data[...] = -data
    with pytest.raises(McugenError, match="of 4 integer layers are more than 1 step") as caught:
        compiled.verify()
    assert caught.value.diagnostics[0].code == "E0801"


def test_layers_beside_onnxruntimes(tmp_path):
    from click.testing import CliRunner

    from mcugen.cli import cli

    path = tmp_path / "net.onnx"
    onnx.save(model_of(image(np.random.default_rng(5))), path)
    done = CliRunner().invoke(cli, ["verify", str(path), "--board", "feather_nrf52840", "--layers"])
    assert done.exit_code == 0, done.output
    assert all(name in done.output for name in ("r0", "r1", "c2", "p0", "c3", "steps"))
    found = mcugen.compile(path, board="esp32c3", check_answers=False).layers()
    assert [one.op for one in found].count("conv_rows") == 5
    assert all(one.largest < 1e-5 and one.differ == 0 for one in found)
