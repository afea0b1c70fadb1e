"""Graphs on a simulated AVR, where int has 16 bits: an arena of every element type, state, numbers and tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sanitized import assert_same_floats, compiled, run_sanitized
from small_models import graph
from toy_ops import Argmax, casts, toys

from mcugen.boards import load_board
from mcugen.ir import DType, GraphBuilder, Storage, TensorType
from mcugen.targets.avr import toolchain
from mcugen.targets.driver import Unit

__all__ = ["toys"]
pytestmark = pytest.mark.usefixtures("toys")


def classifier() -> Unit:
    """An index that a kernel writes as 32 bits and a caller gets as an int."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((3,), DType.F32))
    builder.output(*builder.add(Argmax(), x, names=("label",)), labels=("a", "b", "c"))
    return compiled(builder.build(), name="argmax")


def test_the_simulated_uno_gives_what_the_host_gives(require: Callable[..., None]) -> None:
    require("avr-gcc", "simavr", "python:elftools")
    rng = np.random.default_rng(0)
    units = [graph(), classifier(), *(compiled(casts((3, 5, 2, 4, 1, 2)), name=f"casts{i}") for i in range(2))]
    rows = [[_rows(rng, value.type) for value in unit.module.predict.of(Storage.INPUT)] for unit in units]
    simulated = [run.outputs for run in toolchain.run_rows(units, rows, load_board("mega2560"))]
    for unit, found, wanted in zip(units, simulated, run_sanitized(units, rows), strict=True):
        for one, other in zip(found, wanted, strict=True):
            assert_same_floats(one, other, unit.module.name)


def _rows(rng: np.random.Generator, type: TensorType) -> np.ndarray:
    numbers = rng.integers(0, 100, (5, *type.shape))
    return (numbers - 50) / 8 if type.dtype is DType.F32 else numbers
