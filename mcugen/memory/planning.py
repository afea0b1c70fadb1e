"""Planning without a program: a module with elements of another size, and with the caller's buffers in the arena.

What comes out has no C. It answers how much RAM a network would take if it were quantised, before anybody has quantised it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mcugen.ir import DType, Graph, Module, Node, Storage, TensorType, Value
from mcugen.op import Op
from mcugen.ops.arrive import Arrive
from mcugen.passes.arrivals import arriving


@dataclass(frozen=True, eq=False)
class Kept(Op):
    """What the caller reads there after it."""

    name: ClassVar[str] = "kept"


def planned_as(module: Module, dtype: DType) -> Module:
    """The module with every number in RAM of a type, and inputs and outputs as values of the arena: for the planner only."""
    return module.map(lambda graph: _graph(graph, dtype))


def _graph(graph: Graph, dtype: DType) -> Graph:
    arrived = {name for node in graph.nodes if isinstance(node.op, Arrive) for name in node.inputs}
    for name in [value.name for value in graph.of(Storage.INPUT) if value.name not in arrived]:
        graph = arriving(graph, name, streamed=False)
    outputs = tuple(value.name for value in graph.of(Storage.OUTPUT))
    values = {name: _value(value, dtype) for name, value in graph.values.items()}
    values["kept"] = Value("kept", TensorType((), dtype), Storage.OUTPUT)
    return replace(graph, values=values, nodes=(*graph.nodes, Node(Kept(), outputs, ("kept",))))


def _value(value: Value, dtype: DType) -> Value:
    if value.storage is Storage.CONST:
        return value
    storage = Storage.TEMP if value.storage is Storage.OUTPUT else value.storage
    return replace(value, type=TensorType(value.type.shape, dtype), storage=storage, tables=())
