"""The networks of MLPerf Tiny: integers from end to end, each layer within a step of onnxruntime's, and floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mcugen
from mcugen.ir import Storage

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
NETS = ("kws", "ad", "ic")
BOARDS = ("feather_nrf52840", "esp32c3")


def golden(net: str, kind: str) -> tuple[Path, np.ndarray, np.ndarray]:
    """The model, its golden inputs (rows, elements) and what onnxruntime answers."""
    path = MODELS / net / f"{net}_{'float' if kind == 'float' else 'int8_qdq'}.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is not here: the networks of MLPerf Tiny are no part of the project")
    vectors = np.load(MODELS / net / f"{net}_{kind}_golden.npz")
    return path, vectors["x"].reshape(len(vectors["x"]), -1), vectors["y" if kind == "float" else "y_qdq"]


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("board", BOARDS)
def test_mlperf_tiny_in_integers(net, board):
    path, x, wanted = golden(net, "int8")
    compiled = mcugen.compile(path, board=board, check_fit=False)
    (found,) = compiled.run([x.reshape(-1, *compiled.module.predict.of(Storage.INPUT)[0].type.shape)])
    flat = found.reshape(len(x), -1)
    np.testing.assert_array_equal(flat.argmax(axis=1), wanted.reshape(len(x), -1).argmax(axis=1))
    layers = compiled.reference.layers(x.astype(np.float32))
    assert len(layers) == {"kws": 11, "ad": 10, "ic": 14}[net]
    assert max(one.largest for one in layers) <= 1


@pytest.mark.parametrize("net", NETS)
def test_mlperf_tiny_by_floats_gives_onnxruntimes_bits(net):
    path, x, wanted = golden(net, "int8")
    compiled = mcugen.compile(path, board="feather_nrf52840", check_fit=False, requant="float")
    (found,) = compiled.run([x.reshape(-1, *compiled.module.predict.of(Storage.INPUT)[0].type.shape)])
    np.testing.assert_array_equal(found.reshape(len(x), -1), wanted.reshape(len(x), -1))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("board", BOARDS)
def test_mlperf_tiny_in_floats(net, board):
    path, x, wanted = golden(net, "float")
    compiled = mcugen.compile(path, board=board, check_fit=False)
    (found,) = compiled.run([x.reshape(-1, *compiled.module.predict.of(Storage.INPUT)[0].type.shape)])
    flat, real = found.reshape(len(x), -1), wanted.reshape(len(x), -1)
    np.testing.assert_array_equal(flat.argmax(axis=1), real.argmax(axis=1))
    assert (np.abs(flat - real) <= 1e-5 * np.maximum(1, np.abs(real))).all()  # absolute, or of each output
