"""Networks in simulators: MLPerf Tiny's where they are to be had, and small ones trained here on an Uno."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

import mcugen
from mcugen.ir import Array, Storage
from mcugen.targets import toolchain_for

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
BOARDS = {
    "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "esp32c3": ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
}
ROWS = 2


def run_on(compiled: Any, rows: Array) -> Array:
    """The first output for rows, from the board's simulator."""
    shape = compiled.module.predict.of(Storage.INPUT)[0].type.shape
    board = compiled.target.board
    (done,) = toolchain_for(board).run_rows([compiled.unit], [[rows.reshape(-1, *shape)]], board)
    return np.asarray(done.outputs[0])


def run_here(compiled: Any, rows: Array) -> Array:
    shape = compiled.module.predict.of(Storage.INPUT)[0].type.shape
    return np.asarray(compiled.run([rows.reshape(-1, *shape)])[0])


@pytest.mark.long
@pytest.mark.parametrize("net", ["kws", "ad", "ic"])
@pytest.mark.parametrize("board", BOARDS)
def test_mlperf_tiny_gives_the_hosts_bits(net: str, board: str, require: Any) -> None:
    path = MODELS / net / f"{net}_int8_qdq.onnx"
    if not path.is_file():
        pytest.skip("the networks of MLPerf Tiny are no part of the project")
    require(*BOARDS[board], "python:elftools")
    rows = np.load(MODELS / net / f"{net}_int8_golden.npz")["x"][:ROWS]
    compiled = mcugen.compile(path, board=board, check_answers=False, check_fit=False)
    np.testing.assert_array_equal(run_on(compiled, rows), run_here(compiled, rows))


# ---- trained here ----------------------------------------------------------------------------------------------------


def windows_of(x: Array, kernel: tuple[int, int]) -> Array:
    """(rows, channels, high, wide) as windows (rows, high, wide, channels * taps)."""
    found = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))
    return np.ascontiguousarray(found.transpose(0, 2, 3, 1, 4, 5)).reshape(*found.shape[:1], *found.shape[2:4], -1)


def trained(x: Array, y: Array, kernel: tuple[int, int], filters: int, rng: np.random.Generator) -> list[Array]:
    """A convolution, ReLU and a matrix, by gradient descent on the cross-entropy: weights and biases of both."""
    taps = windows_of(x, kernel)
    w = rng.standard_normal((filters, taps.shape[-1])) / np.sqrt(taps.shape[-1])
    b = np.zeros(filters)
    v = rng.standard_normal((int(y.max()) + 1, taps.shape[1] * taps.shape[2] * filters)) * 0.01
    c = np.zeros(len(v))
    wanted = np.eye(len(v))[y]
    for _ in range(150):
        hidden = np.maximum(taps @ w.T + b, 0)
        flat = hidden.reshape(len(x), -1)
        scores = flat @ v.T + c
        part = np.exp(scores - scores.max(axis=1, keepdims=True))
        off = (part / part.sum(axis=1, keepdims=True) - wanted) / len(x)
        back = (off @ v).reshape(hidden.shape) * (hidden > 0)
        v -= 0.5 * off.T @ flat
        c -= 0.5 * off.sum(axis=0)
        w -= 0.5 * np.einsum("nhwf,nhwk->fk", back, taps)
        b -= 0.5 * back.sum(axis=(0, 1, 2))
    order = (
        v.reshape(len(v), *hidden.shape[1:3], filters).transpose(0, 3, 1, 2).reshape(v.shape)
    )  # ONNX flattens channels first
    return [one.astype(np.float32) for one in (w, b, order, c)]


def graph_of(weights: list[Array], shape: tuple[int, ...], kernel: tuple[int, ...]) -> onnx.ModelProto:
    w, b, v, c = weights
    tables = {"w": w.reshape(len(w), -1, *kernel), "b": b, "v": v, "c": c}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["passed"]),
        helper.make_node("Flatten", ["passed"], ["flat"]),
        helper.make_node("Gemm", ["flat", "v", "c"], ["y"], transB=1),
    ]
    infos = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", (1, *shape)), ("y", (1, len(c))))
    ]
    constants = [numpy_helper.from_array(data, name) for name, data in tables.items()]
    graph = helper.make_graph(nodes, "small", infos[:1], infos[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def quantised(model: onnx.ModelProto, rows: Array, folder: Path) -> onnx.ModelProto:
    """By onnxruntime, and with int8 at both ends, as TFLite's converters leave it."""
    from onnxruntime import quantization

    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
        every = iter([{"x": row[None]} for row in rows])

        def get_next(self) -> Any:
            return next(self.every, None)

    onnx.save(model, folder / "float.onnx")
    quantization.quantize_static(folder / "float.onnx", folder / "q.onnx", Rows(), per_channel=True)
    found = onnx.load(folder / "q.onnx")
    first, last = found.graph.node[0], found.graph.node[-1]
    ends = {node.op_type: node for node in found.graph.node if "x" in node.input or "y" in node.output}
    assert set(ends) == {"QuantizeLinear", "DequantizeLinear"}, (first.op_type, last.op_type)
    for value, name in (
        (found.graph.input[0], ends["QuantizeLinear"].output[0]),
        (found.graph.output[0], ends["DequantizeLinear"].input[0]),
    ):
        value.name = name
        value.type.tensor_type.elem_type = TensorProto.INT8
    for node in ends.values():
        found.graph.node.remove(node)
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", ["image", "line"])
def test_small_networks_run_on_an_uno(what: str, require: Any, tmp_path: Path) -> None:
    require("avr-gcc", "simavr", "python:elftools")
    rng = np.random.default_rng(0)
    digits, y = load_digits(return_X_y=True)
    if what == "image":
        x, kernel = (digits / 16).reshape(-1, 1, 8, 8).astype(np.float32), (3, 3)
        weights = trained(x, y, kernel, 4, rng)
        model = graph_of(weights, (1, 8, 8), kernel)
    else:  # a digit's ink in each row and column, from top to bottom
        ink = np.stack([digits.reshape(-1, 8, 8).sum(axis=2), digits.reshape(-1, 8, 8).sum(axis=1)], axis=1) / 128
        x, kernel = ink[:, :, None, :].astype(np.float32), (1, 3)
        weights = trained(x, y, kernel, 8, rng)
        model = graph_of(weights, (2, 8), (3,))
        x = x[:, :, 0]
    path = tmp_path / "net.onnx"
    onnx.save(quantised(model, x[:100], tmp_path), path)
    compiled = mcugen.compile(path, board="uno")
    assert compiled.fits
    scale = next(
        numpy_helper.to_array(t) for t in onnx.load(tmp_path / "q.onnx").graph.initializer if t.name == "x_scale"
    )
    zero = next(
        numpy_helper.to_array(t) for t in onnx.load(tmp_path / "q.onnx").graph.initializer if t.name == "x_zero_point"
    )
    rows = np.clip(np.rint(x / scale) + zero, -128, 127).astype(np.int8)
    here = run_here(compiled, rows)
    assert np.mean(here.reshape(len(rows), -1).argmax(axis=1) == y) > (0.9 if what == "image" else 0.6)
    np.testing.assert_array_equal(run_on(compiled, rows[:50]), here[:50])
