"""A LeNet for 28 x 28 digits, small enough for an Arduino Uno, trained here by plain gradient descent in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Floats = npt.NDArray[np.float32]
SIDE, KERNEL, MAPS, CLASSES = 28, 5, (4, 8), 10
EPOCHS, BATCH, RATE, MOMENTUM = 4, 32, 0.02, 0.9


def digits() -> tuple[Floats, Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """scikit-learn's digits, (rows, 1, 28, 28) from 0 to 1, by linear interpolation; and their classes: train, test."""
    x, y = load_digits(return_X_y=True)
    at = np.linspace(0, 7, SIDE)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(8)))
    large = np.einsum("hi,nij,wj->nhw", weights, x.reshape(-1, 8, 8) / 16, weights)
    found = train_test_split(large[:, None].astype(np.float32), y, test_size=0.3, random_state=0, stratify=y)
    return found[0], found[1], found[2], found[3]


def _windows(x: Floats) -> Floats:
    """(rows, high, wide, channels * kernel * kernel) of (rows, channels, ...)."""
    seen = np.lib.stride_tricks.sliding_window_view(x, (KERNEL, KERNEL), axis=(2, 3))
    moved = seen.transpose(0, 2, 3, 1, 4, 5)
    return np.ascontiguousarray(moved).reshape(*moved.shape[:3], -1)


class _Layer:
    """A convolution with ReLU and a 2 x 2 maximum, or with `dense` a matrix, and its gradients' momentum."""

    def __init__(self, rng: np.random.Generator, taken: int, made: int, dense: bool = False) -> None:
        fan = taken if dense else taken * KERNEL * KERNEL
        self.weights = (rng.normal(size=(made, fan)) * np.sqrt(2 / fan)).astype(np.float32)
        self.bias = np.zeros(made, np.float32)
        self.taken, self.dense = taken, dense
        self.moving = [np.zeros_like(self.weights), np.zeros_like(self.bias)]

    def forward(self, x: Floats) -> Floats:
        self.columns = x.reshape(len(x), -1) if self.dense else _windows(x)
        y = self.columns @ self.weights.T + self.bias
        if self.dense:
            return y
        self.y = y.transpose(0, 3, 1, 2)
        rows, maps, high, wide = self.y.shape
        blocks = self.y.reshape(rows, maps, high // 2, 2, wide // 2, 2)
        self.most = np.maximum(blocks.max(axis=(3, 5)), 0)
        return self.most

    def backward(self, slope: Floats) -> Floats:
        """The slope of the input, and one step down."""
        if not self.dense:
            spread = slope.repeat(2, axis=2).repeat(2, axis=3)
            chosen = (self.y == self.most.repeat(2, axis=2).repeat(2, axis=3)) & (self.y > 0)
            slope = (spread * chosen).transpose(0, 2, 3, 1)
        flat, columns = slope.reshape(-1, slope.shape[-1]), self.columns.reshape(-1, self.columns.shape[-1])
        back = slope @ self.weights
        for moving, change, value in zip(
            self.moving, (flat.T @ columns, flat.sum(axis=0)), (self.weights, self.bias), strict=True
        ):
            moving *= MOMENTUM
            moving += change
            value -= RATE / BATCH * moving
        return back if self.dense else self._to_image(back)

    def _to_image(self, back: Floats) -> Floats:
        rows, high, wide, _ = back.shape
        parts = back.reshape(rows, high, wide, self.taken, KERNEL, KERNEL)
        image = np.zeros((rows, self.taken, high + KERNEL - 1, wide + KERNEL - 1), np.float32)
        for i in range(KERNEL):
            for j in range(KERNEL):
                image[:, :, i : i + high, j : j + wide] += parts[..., i, j].transpose(0, 3, 1, 2)
        return image


def trained(x: Floats, y: npt.NDArray[np.int64]) -> onnx.ModelProto:
    """The network, trained, as ONNX in float32: image (1, 1, 28, 28) to a score (1, 10) for each class."""
    rng = np.random.default_rng(0)
    after = ((SIDE - KERNEL + 1) // 2 - KERNEL + 1) // 2
    layers = [
        _Layer(rng, 1, MAPS[0]),
        _Layer(rng, MAPS[0], MAPS[1]),
        _Layer(rng, MAPS[1] * after * after, CLASSES, dense=True),
    ]
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for begin in range(0, len(x), BATCH):
            some = order[begin : begin + BATCH]
            here = x[some]
            for layer in layers:
                here = layer.forward(here)
            likely = np.exp(here - here.max(axis=1, keepdims=True))
            likely /= likely.sum(axis=1, keepdims=True)
            likely[np.arange(len(some)), y[some]] -= 1
            slope = likely
            for layer in reversed(layers):
                slope = layer.backward(slope)
                if layer.dense:
                    slope = slope.reshape(len(some), MAPS[1], after, after)
    return _onnx(layers)


def _onnx(layers: list[_Layer]) -> onnx.ModelProto:
    constants, nodes, name = [], [], "image"
    for at, layer in enumerate(layers):
        shape = (len(layer.bias), -1) if layer.dense else (len(layer.bias), layer.taken, KERNEL, KERNEL)
        constants += [
            numpy_helper.from_array(layer.weights.reshape(shape), f"w{at}"),
            numpy_helper.from_array(layer.bias, f"b{at}"),
        ]
        if layer.dense:
            nodes += [
                helper.make_node("Flatten", [name], [f"flat{at}"]),
                helper.make_node("Gemm", [f"flat{at}", f"w{at}", f"b{at}"], ["scores"], transB=1),
            ]
        else:
            nodes += [
                helper.make_node("Conv", [name, f"w{at}", f"b{at}"], [f"c{at}"]),
                helper.make_node("Relu", [f"c{at}"], [f"r{at}"]),
                helper.make_node("MaxPool", [f"r{at}"], [f"p{at}"], kernel_shape=[2, 2], strides=[2, 2]),
            ]
            name = f"p{at}"
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, SIDE, SIDE])
    made = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])
    graph = helper.make_graph(nodes, "lenet", [given], [made], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
