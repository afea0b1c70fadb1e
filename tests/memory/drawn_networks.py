"""Small networks as ONNX graphs, drawn by hypothesis: branches, concatenations, residuals, odd shapes, strides, dilations, groups, pools,
resizes; of floats, or quantised (QDQ).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

SCALES = (0.04, 0.05, 0.11)  # of activations; numbers are some 2 in size
MOST = 32  # channels

Shape = tuple[int, int, int]  # channels, height, width


@dataclass
class Network:
    """Grows a graph layer by layer, each from tensors that are there already."""

    draw: st.DrawFn
    quantised: bool
    shapes: dict[str, Shape] = field(default_factory=dict)
    tables: dict[str, np.ndarray] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.number(0, 999))
        self.zero = self.number(-9, 9)
        self.given = (self.number(1, 4), self.number(5, 13), self.number(3, 11))
        self.steps("given", self.given)

    def number(self, low: int, high: int) -> int:
        """A whole number, both ends counted."""
        return self.draw(st.integers(low, high))

    def grown(self, layers: int) -> None:
        """Add so many layers."""
        ways = [self.conv, self.residual, self.branches, self.depthwise, self.conv, self.pool, self.residual]
        for _ in range(layers):
            way = self.draw(st.sampled_from([*ways, self.function, self.concat, self.resize, self.part]))
            names = [*self.shapes]
            way(names[max(0, len(names) - 1 - self.draw(st.sampled_from([0, 0, 0, 1, 2, 4])))])

    def table(self, data: np.ndarray) -> str:
        """A constant's name."""
        name = f"t{len(self.tables)}"
        self.tables[name] = data
        return name

    def steps(self, made: str, shape: Shape, scale: float = SCALES[1]) -> str:
        """What a node made is a tensor that is there, rounded where the network is quantised; returns its name."""
        name = made
        if self.quantised:
            name, how = f"v{len(self.shapes)}", [self.table(np.float32(scale)), self.table(np.int8(self.zero))]
            self.nodes.append(helper.make_node("QuantizeLinear", [made, *how], [f"q_{name}"]))
            self.nodes.append(helper.make_node("DequantizeLinear", [f"q_{name}", *how], [name]))
        self.shapes[name] = shape
        return name

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        """A node's result."""
        made = f"m{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, [*inputs], [made], **attributes))
        return made

    def window(self, size: int, kernels: tuple[int, ...]) -> tuple[int, int, int, int, int]:
        """Kernel, stride, dilation, and what is padded before and after."""
        kernel = min(self.draw(st.sampled_from(kernels)), size)
        stride = self.draw(st.sampled_from([1, 1, 2, 3] if size > 4 else [1]))
        dilation = self.draw(st.sampled_from([1, 1, 1, 2]))
        dilation = dilation if (kernel - 1) * dilation < size else 1
        most = (kernel - 1) * dilation // 2
        return kernel, stride, dilation, self.number(0, most), self.number(0, most)

    def windows(
        self, shape: Shape, kernels: tuple[int, ...], same: bool = False
    ) -> tuple[dict[str, list[int]], list[int]]:
        """The attributes of a node with windows, and how many there are; `same`: as many as pixels."""
        axes = [self.window(size, kernels) for size in shape[1:]]
        if same:
            axes = [(k, 1, d, (k - 1) * d // 2, (k - 1) * d - (k - 1) * d // 2) for k, _, d, _, _ in axes]
        kernel, stride, dilation, before, after = zip(*axes, strict=True)
        sizes = [
            (size + b + a - (k - 1) * d - 1) // s + 1 for size, (k, s, d, b, a) in zip(shape[1:], axes, strict=True)
        ]
        pads = [*before, *after]
        return {"kernel_shape": [*kernel], "strides": [*stride], "dilations": [*dilation], "pads": pads}, sizes

    def weighted(self, outs: int, shape: tuple[int, ...]) -> list[str]:
        """Weights (outs, *shape) and biases with which results are as large as inputs."""
        weights = self.rng.standard_normal((outs, *shape)) / np.sqrt(np.prod(shape))
        bias = self.rng.standard_normal(outs) / 4
        if not self.quantised:
            return [self.table(weights.astype(np.float32)), self.table(bias.astype(np.float32))]
        step = np.float32(np.abs(weights).max() / 127)
        whole = self.table(np.rint(weights / step).astype(np.int8))
        of_bias = np.float32(step * np.float32(SCALES[1]))
        biases = self.table(np.rint(bias / of_bias).astype(np.int32))
        found = [(whole, step, np.int8(0)), (biases, of_bias, np.int32(0))]
        return [self.node("DequantizeLinear", name, self.table(scale), self.table(zero)) for name, scale, zero in found]

    def conv(self, x: str, groups: int = 1, same: bool = False) -> str:
        """A convolution; `same`: of the shape of its input."""
        shape = self.shapes[x]
        attributes, sizes = self.windows(shape, (3, 1, 3, 1, 5), same)
        outs = shape[0] if same else groups * self.number(1, 2) if groups > 1 else self.number(1, 16)
        tables = self.weighted(outs, (shape[0] // groups, *attributes["kernel_shape"]))
        made = self.node("Conv", x, *tables, group=groups, **attributes)
        if self.draw(st.booleans()):
            made = self.node("Relu", made)
        return self.steps(made, (outs, sizes[0], sizes[1]), self.draw(st.sampled_from(SCALES[1:])))

    def residual(self, x: str) -> None:
        """A tensor and one or two convolutions of it, added."""
        made = self.conv(x, same=True)
        made = self.conv(made, same=True) if self.draw(st.booleans()) else made
        self.add(made, x)

    def add(self, a: str, b: str) -> None:
        """The sum of two tensors of a shape, sometimes cut off."""
        made = self.node("Add", *self.draw(st.permutations([a, b])))
        made = self.node("Relu", made) if self.draw(st.booleans()) else made
        self.steps(made, self.shapes[a], self.draw(st.sampled_from(SCALES)))

    def branches(self, x: str) -> None:
        """Two or three convolutions of a tensor, joined or added."""
        made = [self.conv(x, same=True) for _ in range(self.number(2, 3))]
        if self.draw(st.booleans()):
            self.add(made[0], made[-1])
        elif len(made) * self.shapes[x][0] <= MOST:
            self.join(made, 1)

    def depthwise(self, x: str) -> None:
        """A kernel for every channel, or two; sometimes for every second one, which takes another kernel."""
        channels = self.shapes[x][0]
        if channels > MOST // 2:
            return
        self.conv(x, self.draw(st.sampled_from([channels, channels, channels // 2 if channels % 2 == 0 else channels])))

    def pool(self, x: str) -> None:
        """The largest, or the mean, of windows."""
        shape = self.shapes[x]
        attributes, _ = self.windows(shape, (2, 3))
        del attributes["dilations"]
        pads, axes = attributes["pads"], zip(shape[1:], attributes["kernel_shape"], attributes["strides"], strict=True)
        sizes = [(size + pads[i] + pads[i + 2] - k) // s + 1 for i, (size, k, s) in enumerate(axes)]
        way = self.draw(st.sampled_from(["MaxPool", "MaxPool", "AveragePool"]))
        self.steps(self.node(way, x, **attributes), (shape[0], sizes[0], sizes[1]))

    def function(self, x: str) -> None:
        """A function of single elements."""
        way = self.draw(st.sampled_from(["Relu", "Relu", "Relu", "Sigmoid", "HardSwish"]))
        self.steps(self.node(way, x), self.shapes[x])

    def concat(self, x: str) -> None:
        """Channels, or rows, after one another."""
        axis = self.draw(st.sampled_from([1, 1, 2]))
        rest = [size for i, size in enumerate(self.shapes[x], 1) if i != axis]
        alike = [n for n, s in self.shapes.items() if [size for i, size in enumerate(s, 1) if i != axis] == rest]
        chosen = [*alike[-self.number(1, 3) :], x]
        if sum(self.shapes[name][axis - 1] for name in chosen) <= MOST:
            self.join(chosen, axis)

    def join(self, chosen: Sequence[str], axis: int) -> None:
        """Tensors after one another."""
        shape = [*self.shapes[chosen[0]]]
        shape[axis - 1] = sum(self.shapes[name][axis - 1] for name in chosen)
        self.steps(self.node("Concat", *chosen, axis=axis), (shape[0], shape[1], shape[2]))

    def resize(self, x: str) -> None:
        """Larger or smaller."""
        channels, *_ = self.shapes[x]
        sizes = [self.number(3, 14), self.number(2, 12)]
        to = self.table(np.array([1, channels, *sizes], np.int64))
        mode = self.draw(st.sampled_from(["nearest", "linear"]))
        where = self.draw(st.sampled_from(["half_pixel", "asymmetric"]))
        attributes = {"mode": mode, "coordinate_transformation_mode": where, "nearest_mode": "floor"}
        self.steps(self.node("Resize", x, "", "", to, **attributes), (channels, sizes[0], sizes[1]))

    def part(self, x: str) -> None:
        """Some channels, or rows."""
        axis = self.draw(st.sampled_from([1, 1, 2]))
        shape = [*self.shapes[x]]
        begin = self.number(0, shape[axis - 1] // 2)
        end = self.number(begin + 1, shape[axis - 1])
        ends = [self.table(np.array([one], np.int64)) for one in (begin, end, axis)]
        shape[axis - 1] = end - begin
        self.steps(self.node("Slice", x, *ends), (shape[0], shape[1], shape[2]))

    def head(self) -> None:
        """A matrix behind the last tensor, or behind its means."""
        name, shape = [*self.shapes.items()][-1]
        if self.draw(st.booleans()):
            shape = (shape[0], 1, 1)
            name = self.steps(self.node("GlobalAveragePool", name), shape)
        made = self.node("Gemm", self.node("Flatten", name), *self.weighted(5, (int(np.prod(shape)),)), transB=1)
        self.steps(made, (5, 1, 1))

    def model(self) -> onnx.ModelProto:
        """The graph with its last tensor, and sometimes another, as outputs."""
        names = [*self.shapes]
        ends = {names[-1], self.draw(st.sampled_from(names[1:])) if self.number(0, 3) == 0 else names[-1]}
        kind = TensorProto.FLOAT
        given = helper.make_tensor_value_info("given", kind, (1, *self.given))
        infos = [helper.make_tensor_value_info(name, kind, None) for name in names if name in ends]
        tables = [numpy_helper.from_array(np.asarray(data), name) for name, data in self.tables.items()]
        graph = helper.make_graph(self.nodes, "net", [given], infos, tables)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        return onnx.shape_inference.infer_shapes(made)


@st.composite
def networks(draw: st.DrawFn, layers: int = 8) -> onnx.ModelProto:
    """A network of some layers, or blocks of these."""
    network = Network(draw, draw(st.booleans()))
    network.grown(draw(st.integers(3, layers)))
    if draw(st.integers(0, 3)) > 0:
        network.head()
    return network.model()
