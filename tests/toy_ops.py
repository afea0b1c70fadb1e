"""Ops that only tests have: they make and take numbers in every way that a kernel can. Their C is in tests/templates/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jinja2
import numpy as np
import pytest

from mcugen.ir import Array, DType, Graph, GraphBuilder, TensorType
from mcugen.op import Op
from mcugen.templating import environment


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The templates of these ops beside the real ones."""
    own = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    real = environment().loader
    assert real is not None
    monkeypatch.setattr(environment(), "loader", jinja2.ChoiceLoader([real, own]))


@dataclass(frozen=True, eq=False)
class Total(Op):
    """y = the sum of x, which the kernel returns."""

    name: ClassVar[str] = "toy_total"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return (TensorType((), DType.F32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.add.reduce(inputs[0].ravel(), dtype=np.float32),)


@dataclass(frozen=True, eq=False)
class Scale(Op):
    """y = factor * x; the kernel takes the factor by value."""

    name: ClassVar[str] = "toy_scale"
    in_place: ClassVar[int | None] = 0

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return (inputs[0],)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(inputs[0] * inputs[1], np.float32),)


@dataclass(frozen=True, eq=False)
class Cast(Op):
    """y = x in another element type."""

    name: ClassVar[str] = "toy_cast"

    to: DType

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return (TensorType(inputs[0].shape, self.to),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].astype(self.to.numpy),)


@dataclass(frozen=True, eq=False)
class Argmax(Op):
    """The place of x's first largest element, which the kernel writes through a pointer."""

    name: ClassVar[str] = "toy_argmax"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return (TensorType((), DType.I32),)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return (np.asarray(np.argmax(inputs[0]), np.int32),)


TYPES = (DType.I8, DType.I64, DType.U8, DType.F32, DType.I16, DType.U16, DType.I32, DType.U32, DType.BOOL, DType.I64)


def casts(sizes: tuple[int, ...]) -> Graph:
    """From float through every element type and back, for tensors of several sizes that live at once."""
    builder = GraphBuilder("run")
    ends = []
    for i, size in enumerate(sizes):
        last = builder.input(f"x{i}", TensorType((size,), TYPES[i]))
        for dtype in (*TYPES[i:], *TYPES[: i + 1]):
            if dtype is not DType.BOOL:
                (last,) = builder.add(Cast(dtype), last)
        ends.append(last)
    for i, end in enumerate(ends):
        builder.output(*builder.add(Cast(TYPES[i]), end, names=(f"y{i}",)))
    return builder.build()
