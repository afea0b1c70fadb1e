"""What is known of a graph on the walk through it: twins of tensors, layers that may still grow, constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array, DType, Graph, Node
from mcugen.loops import strides_of
from mcugen.ops.contract import Contract
from mcugen.ops.conv import Conv
from mcugen.ops.dequantize import Dequantize
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.pick import Pick
from mcugen.ops.pool import Pool
from mcugen.ops.quantize import Quantize
from mcugen.ops.reshape import Reshape
from mcugen.ops.strided import Strided
from mcugen.rewrite import Rewriting, uses
from mcugen.windows import Window

Floats = npt.NDArray[np.float64]
T = TypeVar("T")
# What may be between a value and the layer that takes it.
PASSING = (Contract, Dequantize, Elementwise, Join, Pick, Quantize)


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of floats as the graph has it: weights (M, kernel, kernel, C / groups) and bias (M,) on value `x`; `weights_from` is
    the value that the weights are, where nothing was taken into them. `planes`: x and the result lie channel by channel.
    """

    x: str
    rows: Window
    columns: Window
    groups: int
    weights: Floats
    bias: Floats
    weights_from: str
    planes: bool
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Steps:
    """A value of floats that is `scale` * (q - zero) of an integer value q."""

    q: str
    scale: float
    zero: int


@dataclass(eq=False)
class Walk:
    """The walk: the graph that it goes through, and the one that it makes; whether floats bring sums to another scale; whether the
    pixels of one axis lie below each other, so that they can run row by row.
    """

    source: Graph
    by_float: bool = False
    tall: bool = False
    work: Rewriting = field(init=False)
    layers: dict[str, Layer] = field(init=False, default_factory=dict)
    _uses: dict[str, int] = field(init=False)
    _twins: dict[str, str] = field(init=False, default_factory=dict)
    _origins: dict[str, str] = field(init=False, default_factory=dict)  # of views that were made
    _constants: dict[str, Array | None] = field(init=False, default_factory=dict)
    _pixels: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.work = Rewriting(self.source)
        self._uses = uses(self.source)
        for node in reversed(self.source.nodes):
            if isinstance(node.op, Conv | Pool) or (isinstance(node.op, PASSING) and node.name in self._pixels):
                self._pixels.update(node.inputs)

    def on_pixels(self, name: str) -> bool:
        """Whether a layer takes a value, or what is made of it element by element."""
        return name in self._pixels

    def before(self, name: str) -> Node | None:
        """The node that makes a value."""
        step = self.source.producer.get(name)
        return None if step is None else self.source.nodes[step]

    def once(self, name: str) -> bool:
        """Whether a value is taken once and by no caller."""
        return self._uses[name] == 1

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value."""
        return self.work.type_of(name).shape

    def constant(self, name: str) -> Array | None:
        """A value that is known here, also what is made of constants element by element; None for others."""
        if name not in self._constants:
            self._constants[name] = self._known(name)
        return self._constants[name]

    def _known(self, name: str) -> Array | None:
        node = self.before(name)
        if node is None or not isinstance(node.op, Dequantize | Elementwise | Reshape):
            return self.work.constant(name)
        given = [self.constant(one) for one in node.inputs]
        known = [one for one in given if one is not None]
        return node.op.evaluate(*known)[0] if len(known) == len(given) else None

    def steps(self, name: str) -> Steps | None:
        """A dequantised `i8` as what it was made of, seen through views; None for others."""
        node = self.before(name)
        if node is not None and isinstance(node.op, Reshape):
            found = self.steps(node.inputs[0])
            return found and Steps(self._viewed(found.q, node.op), found.scale, found.zero)
        if node is None or not isinstance(node.op, Dequantize):
            return None
        scale, zero = (self.work.constant(one) for one in node.inputs[1:])
        if scale is None or zero is None or scale.size != 1 or self.work.type_of(node.inputs[0]).dtype is not DType.I8:
            return None
        found = Steps(node.inputs[0], float(scale.ravel()[0]), int(zero.ravel()[0]))
        return found if np.isfinite(found.scale) and found.scale > 0 else None

    def _viewed(self, q: str, op: Reshape) -> str:
        key = f"{q} as {op.shape}"
        if key not in self._twins:
            (self._twins[key],) = self.work.add(op, q, stem=f"{q}_view")
            self._origins[self._twins[key]] = q
        return self._twins[key]

    def twin(self, name: str) -> str | None:
        """The pixel-major twin of a value, where it has one."""
        return self._twins.get(name)

    def pair(self, name: str, rows: str) -> None:
        """A value as the pixel-major twin of another one."""
        self._twins[name] = rows

    def pixels(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """(H, W, C) of a shape (1, C, W) or (1, C, H, W)."""
        high, wide = self.sides(shape[2:], 1)
        return high, wide, shape[1]

    def sides(self, axes: Sequence[T], one: T) -> tuple[T, T]:
        """Of what there is for each axis that for rows and for columns; `one` for that which is not there."""
        rows, columns = [*axes, one][:2] if self.tall else [one, *axes][-2:]
        return rows, columns

    def rows_of(self, name: str) -> str:
        """The twin (H, W, C) of a value (1, C, W) or (1, C, H, W), made where there is none."""
        found = self._twins.get(name)
        if found is None:
            high, wide, channels = self.pixels(self.shape(name))
            if channels == 1 or high * wide == 1:
                (found,) = self.work.add(Reshape((high, wide, channels)), name, stem=f"{name}_rows")
            else:
                moved = Strided((high, wide, channels), (wide, 1, high * wide))
                (found,) = self.work.add(moved, name, stem=f"{name}_rows")
            self._twins[name] = found
        return found

    def matrix_of(self, name: str) -> tuple[str, tuple[int, int] | None]:
        """A value whose last axis is summed over as (1, pixels, K); where it is a flattened (1, C, H, W), that one's twin, and
        (C, H * W), the order in which its elements have been before.
        """
        shape = self.shape(name)
        wanted = Reshape((1, prod(shape[:-1]), shape[-1]))
        origin = self._flattened(name)
        if origin is None or prod(shape[:-1]) != 1:
            return self.work.add(wanted, name, stem=f"{name}_rows")[0], None
        high, wide, channels = self.pixels(self.shape(origin))
        (found,) = self.work.add(wanted, self._twins[origin], stem=f"{name}_flat")  # in another order: no twin
        return found, None if high * wide == 1 else (channels, high * wide)

    def _flattened(self, name: str) -> str | None:
        """The value with a twin that a value is a view of."""
        if name in self._twins:
            return name
        if name in self._origins:
            return self._flattened(self._origins[name])
        node = self.before(name)
        return self._flattened(node.inputs[0]) if node is not None and isinstance(node.op, Reshape) else None

    def gives(self, node: Node, rows: str) -> None:
        """What a node made, from its pixel-major twin."""
        name = node.outputs[0]
        self._twins[name] = rows
        shape = self.shape(name)
        high, wide, channels = self.pixels(shape)
        if channels == 1 or high * wide == 1:
            self.work.make(Node(Reshape(shape), (rows,), (name,), node.loc))
            return
        strides = (0, 1, *(n * channels for n in strides_of(shape[2:])))
        self.work.make(Node(Strided(shape, strides), (rows,), (name,), node.loc))


def is_planes(shape: tuple[int, ...]) -> bool:
    """Whether a shape is (1, C, W) or (1, C, H, W)."""
    return len(shape) in (3, 4) and shape[0] == 1
