"""Random networks of pixel-major layers, floats and integers: branches, residuals, concatenations, odd shapes, strides, dilations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mcugen.ir import DType, Graph, GraphBuilder, TensorType
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.resize_rows import ResizeRows, Taps
from mcugen.windows import Window


@dataclass
class Network:
    """Grows a graph layer by layer, each from tensors that are there already."""

    rng: np.random.Generator
    kind: DType
    name: str
    resizes: bool
    builder: GraphBuilder = field(init=False)
    tensors: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.builder = GraphBuilder("predict")
        high, wide, channels = (int(n) for n in self.rng.integers((5, 3, 1), (14, 12, 9)))
        self.tensors = [self.builder.input("x", TensorType((high, wide, channels), self.kind))]

    def grown(self, layers: int) -> Graph:
        """The graph with so many layers, and one or two outputs."""
        ways = [self.conv, self.conv, self.conv, self.depthwise, self.pool, self.add, self.relu, self.join]
        ways += [self.resize] * 3 if self.resizes else []
        while len(self.tensors) <= layers:
            way = ways[int(self.rng.integers(len(ways)))]
            way(self._some())
        for name in {self.tensors[-1], self.tensors[int(self.rng.integers(1, len(self.tensors)))]}:
            self.builder.output(name)
        return self.builder.build()

    def _some(self) -> str:
        """A tensor, rather a late one."""
        count = len(self.tensors)
        return self.tensors[max(0, count - 1 - int(self.rng.geometric(0.5)) + 1)]

    def _window(self, size: int, kernels: tuple[int, ...]) -> Window:
        kernel = min(int(self.rng.choice(kernels)), size)
        stride, dilation = int(self.rng.choice([1, 1, 2, 3])), 2 if kernel > 1 and self.rng.random() < 0.2 else 1
        reach = (kernel - 1) * dilation
        before, after = (int(n) for n in self.rng.integers(0, reach // 2 + 1, 2))
        return Window(size, kernel, stride, dilation if reach < size + before + after else 1, before, after)

    def _shape(self, name: str) -> tuple[int, ...]:
        return self.builder.type_of(name).shape

    def _keep(self, made: tuple[str, ...]) -> None:
        self.tensors.append(made[0])

    def conv(self, x: str, depthwise: bool = False) -> None:
        """A convolution, sometimes with a residual."""
        high, wide, channels = self._shape(x)
        outs = channels if depthwise else int(self.rng.integers(1, 13))
        pixels = (1, 1, 3, 3, 5) if not depthwise else (3,)
        rows, columns = self._window(high, pixels), self._window(wide, pixels)
        op = ConvRows(rows, columns, channels if depthwise and channels > 1 else 1, zero=3, to=-2)
        op = op if self.kind is DType.I8 else ConvRows(rows, columns, op.groups)
        shape = (outs, rows.kernel, columns.kernel, channels // op.groups)
        tables = self._tables(shape)
        same = [t for t in self.tensors if self._shape(t) == (rows.out, columns.out, outs) and t != "x"]
        names = [self.builder.const(f"t{len(self.tensors)}_{i}", one) for i, one in enumerate(tables)]
        if same and not depthwise:
            op = ConvRows(**{**vars(op), "adds": True, "scaled": self._sum() if self.kind is DType.I8 else None})
            names.insert(0, same[-1])
        self._keep(self.builder.add(op, x, *names))

    def _tables(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        if self.kind is DType.F32:
            return [self.rng.uniform(-1, 1, size).astype(np.float32) for size in (shape, shape[0])]
        factors = self.rng.uniform(0.2, 1, shape[0]) / np.prod(shape[1:]) ** 0.5 / 80 * 2**32
        weights = self.rng.integers(-127, 127, shape, dtype=np.int8, endpoint=True)
        return [weights, self.rng.integers(-4000, 4000, shape[0], dtype=np.int32), np.rint(factors).astype(np.int32)]

    def depthwise(self, x: str) -> None:
        """A kernel for every channel."""
        self.conv(x, depthwise=True)

    def pool(self, x: str) -> None:
        """The largest, or the mean."""
        high, wide, _ = self._shape(x)
        rows, columns = self._window(high, (2, 3)), self._window(wide, (2, 3))
        self._keep(self.builder.add(PoolRows("max" if self.rng.random() < 0.7 else "average", rows, columns, 0.25), x))

    def resize(self, x: str) -> None:
        """Larger or smaller: pixels that are moved, or of floats sums of two by two."""
        axes = []
        for size in self._shape(x)[:2]:
            places = np.linspace(0, size - 1, int(self.rng.integers(2, 15)))
            if self.kind is DType.I8 or size == 1:
                axes.append(Taps.picked(size, np.rint(places)))
            else:
                axes.append(Taps.of(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size)))))
        self._keep(self.builder.add(ResizeRows(*axes), x))

    def add(self, x: str) -> None:
        """The sum with another tensor of its shape."""
        others = [t for t in self.tensors if self._shape(t) == self._shape(x) and t != x]
        if others:
            op = self._sum() if self.kind is DType.I8 else Elementwise("Add")
            self._keep(self.builder.add(op, x, others[-1]))

    def _sum(self) -> AddScaled:
        return AddScaled(1 << 19, 3 << 18, -12345, 20, low=-90)

    def relu(self, x: str) -> None:
        """A function of single elements."""
        if self.kind is DType.F32:
            self._keep(self.builder.add(Elementwise("Relu"), x))

    def join(self, x: str) -> None:
        """Channels, or rows, after one another."""
        axis = int(self.rng.choice([2, 2, 0]))
        rest = [n for i, n in enumerate(self._shape(x)) if i != axis]
        others = [t for t in self.tensors if [n for i, n in enumerate(self._shape(t)) if i != axis] == rest]
        chosen = [x, *others[-2:]]
        if sum(self._shape(t)[axis] for t in chosen) < 40:
            self._keep(self.builder.add(Join(axis), *chosen))


def network(seed: int, kind: DType, layers: int = 12, resizes: bool = False) -> Graph:
    """A random network, the same for the same seed."""
    return Network(np.random.default_rng(seed), kind, f"n{seed}", resizes).grown(layers)
