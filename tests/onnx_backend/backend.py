"""onnx.backend.base.Backend over mcugen: a model is compiled to C, and the C runs on this computer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import one_library
import onnx
from onnx.backend.base import Backend, BackendRep

from mcugen.boards import Target, load_board
from mcugen.diagnostics import Loc
from mcugen.emit import emit
from mcugen.frontends.onnx import read_graph
from mcugen.ir import Array
from mcugen.memory.plan import plan
from mcugen.passes import run
from mcugen.targets import host
from mcugen.targets.driver import Unit

TARGET = Target(load_board("nano33ble"))
FLAGS = (*host.STRICT, "-O0")


def unit_of(model: onnx.ModelProto, name: str = "net") -> Unit:
    """The C of a model; McugenError where it is refused."""
    module = run(read_graph(model, name, Loc("model.onnx")), TARGET)
    return Unit(module, emit(module, plan(module, TARGET), TARGET))


def library_of(units: Sequence[Unit]) -> host.HostLibrary:
    """Models as one library, compiled under every warning that generated C has to live with."""
    return one_library.library_of(units, FLAGS)


def answers(library: host.HostLibrary, inputs: Sequence[Array], model: int = 0) -> list[Array]:
    """One call's outputs."""
    return [out[0] for out in library.run([np.asarray(one)[None] for one in inputs], model)]


class Prepared(BackendRep):
    """A model whose C is compiled."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.library = library_of([unit_of(model)])

    def run(self, inputs: Any, **_: Any) -> tuple[Array, ...]:
        return tuple(answers(self.library, inputs))


class McugenBackend(Backend):
    """The backend."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> Prepared:
        return Prepared(model)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"
