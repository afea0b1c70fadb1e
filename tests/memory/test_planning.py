"""Planning of graphs whose weights have no values, what is live as exported, the certificate, its picture and its commands."""

from __future__ import annotations

import json
import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import mcugen
from mcugen.cli import cli
from mcugen.diagnostics import McugenError
from mcugen.frontends.onnx_planning import exported_live, with_weights
from mcugen.memory.order import cheapest
from mcugen.report import memory
from mcugen.report.memory import as_dict, explained, memory_table, planned
from mcugen.report.memory_map import memory_map

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = ROOT.parent / "shared" / "graphs"


def tensor(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], output: onnx.ValueInfoProto, *tables: object):
    graph = helper.make_graph(nodes, "g", inputs, [output], initializer=list(tables))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def chain() -> onnx.ModelProto:
    """64 elements, 512, 128: all weights are inputs."""
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "w1"], ["y"], strides=[2, 2]),
    ]
    inputs = [tensor("x", 1, 1, 8, 8), tensor("w0", 8, 1, 3, 3), tensor("w1", 8, 8, 1, 1)]
    return model(nodes, inputs, tensor("y", 1, 8, 4, 4))


def test_what_is_live_as_exported() -> None:
    assert exported_live(chain(), 1) == 512 + 128
    assert exported_live(chain()) == 4 * 640


def test_views_are_free_and_constants_are_in_flash() -> None:
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Mul", ["f", "k"], ["m"]),
        helper.make_node("Reshape", ["m", "s"], ["y"]),
    ]
    tables = [numpy_helper.from_array(np.ones(12, np.float32), "k"), numpy_helper.from_array(np.array([3, 4]), "s")]
    assert exported_live(model(nodes, [tensor("x", 1, 3, 4)], tensor("y", 3, 4), *tables)) == 4 * 24


def test_a_float_between_steps_counts_as_what_it_is_quantised_to() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Relu", ["d"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s", "z"], ["p"]),
        helper.make_node("DequantizeLinear", ["p", "s", "z"], ["y"]),
    ]
    tables = [numpy_helper.from_array(np.float32(0.1), "s"), numpy_helper.from_array(np.int8(0), "z")]
    assert exported_live(model(nodes, [tensor("x", 100)], tensor("y", 100), *tables)) == 400 + 100


def test_inputs_that_are_only_weights_become_constants() -> None:
    assert [one.name for one in with_weights(chain()).graph.input] == ["x"]
    both = chain()
    both.graph.node.append(helper.make_node("Relu", ["w1"], ["z"]))
    both.graph.output.append(tensor("z", 8, 8, 1, 1))
    assert [one.name for one in with_weights(both).graph.input] == ["x", "w1"]


def test_the_certificate_of_a_chain() -> None:
    found = planned(chain().SerializeToString(), "host", "int8")
    assert found.exported == 640
    assert found.order.proven
    assert found.whole.arena == found.whole.lower_bound < 640
    assert found.arena == found.rows.arena == found.rows.lower_bound < found.whole.arena
    assert planned(chain().SerializeToString(), "host", "int16").exported == 2 * 640


def layers_of_four() -> onnx.ModelProto:
    """Four layers of four convolutions, each of some of the layer before."""
    chance = random.Random(12)
    channels, before, nodes, inputs = {"x": 2}, ["x"], [], [tensor("x", 1, 2, 6, 6)]
    for _ in range(4):
        made = []
        for _ in range(4):
            takes = sorted({chance.choice(before), *(one for one in before if chance.random() < 0.5)})
            name, count = f"t{len(channels)}", chance.randrange(1, 30)
            nodes += [helper.make_node("Concat", takes, [f"c{name}"], axis=1)]
            nodes += [helper.make_node("Conv", [f"c{name}", f"w{name}"], [name])]
            inputs.append(tensor(f"w{name}", count, sum(channels[one] for one in takes), 1, 1))
            channels[name] = count
            made.append(name)
        before = made
    nodes.append(helper.make_node("Concat", before, ["y"], axis=1))
    return model(nodes, inputs, tensor("y", 1, sum(channels[one] for one in before), 6, 6))


def test_the_certificate_states_the_gap_where_the_budget_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = layers_of_four().SerializeToString()
    best = planned(graph, "host", "int8").order
    assert best.proven
    monkeypatch.setattr(memory, "cheapest", lambda graph: cheapest(graph, states=2))
    found = planned(graph, "host", "int8")
    known = as_dict(found)
    assert known["lower_bound"] <= best.peak <= known["order_peak"]
    assert known["lower_bound"] < known["order_peak"]
    assert not known["order_proven"]
    assert known["order_gap"] == pytest.approx(known["order_peak"] / known["lower_bound"] - 1)
    said = f"order: {known['order_peak']:,} B, at least {known['lower_bound']:,} B, {100 * known['order_gap']:.1f} % unproven"
    assert said in str(memory_table(found).caption)


def test_a_classical_model_is_not_planned_ahead(tmp_path: Path) -> None:
    import skops.io
    from sklearn.tree import DecisionTreeClassifier

    skops.io.dump(DecisionTreeClassifier().fit([[0], [1]], [0, 1]), tmp_path / "m.skops")
    with pytest.raises(McugenError, match="only the RAM of ONNX graphs is planned ahead"):
        planned(tmp_path / "m.skops", "host", "int8")


def test_the_commands(tmp_path: Path) -> None:
    path = tmp_path / "chain.onnx"
    onnx.save(chain(), path)
    done = CliRunner().invoke(cli, ["report", str(path), "--board", "host", "--plan-as", "int8", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["memory"]
    assert found["exported_live"] == 640
    assert found["order_proven"]
    assert [one["live"] for one in found["techniques"]] == sorted(
        (one["live"] for one in found["techniques"]), reverse=True
    )
    page = tmp_path / "page.html"
    done = CliRunner().invoke(
        cli, ["report", str(path), "--board", "host", "--plan-as", "int8", "--by-rows", "always", "--html", str(page)]
    )
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert "<svg" in text
    assert f"{planned(chain().SerializeToString(), 'host', 'int8').arena:,} B" in text
    whole = with_weights(chain())
    onnx.save(whole, path)
    done = CliRunner().invoke(
        cli, ["report", str(path), "--board", "mega2560", "--explain-memory", "--html", str(page), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["memory"]["exported_live"] == 4 * 640
    assert "<svg" in page.read_text()


def test_the_benchmark_prints_a_line_for_every_graph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)  # benchmarks/ is no part of the package
    from benchmarks.sram import measured, show

    onnx.save(chain(), tmp_path / "chain.onnx")
    show([measured(tmp_path / "chain.onnx")])
    heads, line = capsys.readouterr().out.splitlines()
    assert heads.split()[:2] == ["KiB", "exported"]
    assert line.split()[:2] == ["chain", "0.6"]


def test_the_picture_has_a_box_for_every_value() -> None:
    compiled = mcugen.compile(with_weights(chain()), board="host", check_answers=False)
    text = memory_map(compiled.module.predict, compiled.memory)
    root = ET.fromstring(text)
    boxes = [one for one in root.iter() if one.tag.endswith("title")]
    placed = [name for name in compiled.memory.places if any((one.text or "").startswith(f"{name}:") for one in boxes)]
    assert placed
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert explained(compiled).arena == compiled.memory.arena


@pytest.mark.skipif(not GRAPHS.is_dir(), reason="the networks' shapes are not beside the checkout")
@pytest.mark.parametrize("name", ["densenet121", "inception_v1", "mbv2_035_144", "nasnet_mobile"])
def test_known_networks(name: str) -> None:
    exported = {"densenet121": 2058.0, "inception_v1": 980.0, "mbv2_035_144": 303.8, "nasnet_mobile": 770.1}
    by_rows = {"densenet121": 370.4, "inception_v1": 265, "mbv2_035_144": 65, "nasnet_mobile": 380}
    found = planned(GRAPHS / f"{name}.onnx", "host", "int8")
    assert round(found.exported / 1024, 1) == exported[name]
    assert found.order.proven
    layers = min((found.whole, found.layers), key=lambda plan: plan.arena)
    assert all(plan.arena <= 1.01 * plan.lower_bound for plan in (layers, found.rows))
    assert 1 - layers.arena / found.exported > (0.429 if name == "densenet121" else 0.19)
    assert found.arena == found.rows.arena < 1024 * by_rows[name]


def test_a_board_that_is_too_small_hears_what_makes_the_peak_and_what_helps() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "w1"], ["b"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["b"], ["y"]),
    ]
    inputs = [tensor("x", 1, 1, 16, 16), tensor("w0", 8, 1, 3, 3), tensor("w1", 8, 8, 3, 3)]
    wide = with_weights(model(nodes, inputs, tensor("y", 1, 8, 1, 1)))
    with pytest.raises(McugenError) as caught:
        mcugen.compile(wide, board="uno", check_answers=False, by_rows="never")
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert "let layers run row by row (leave `--by-rows never` out): 3,495 B" in text
    assert "most of it live at b_rows: a_rows (8,192 B), b_rows (8,192 B)" in text
    assert "quantise the network (`--numeric int8 --data ROWS`): about" in text
    with pytest.raises(McugenError, match="3 layers row by row already, most of it live at a_rows: "):
        mcugen.compile(wide, board="uno", check_answers=False)


def test_a_quantised_network_is_not_asked_to_be() -> None:
    """Its input is of floats."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["y"], kernel_shape=[8, 8], strides=[8, 8]),
    ]
    tables = [numpy_helper.from_array(np.float32(0.1), "s"), numpy_helper.from_array(np.int8(0), "z")]
    network = model(nodes, [tensor("x", 1, 1, 64, 64)], tensor("y", 1, 1, 8, 8), *tables)
    with pytest.raises(McugenError) as caught:
        mcugen.compile(network, board="uno", arena_input=True, check_answers=False)
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0501"
    assert "quantise the network" not in problem.help
