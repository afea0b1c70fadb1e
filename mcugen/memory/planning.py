"""Planning without a program: a module with elements of another size, and with the caller's buffers in the arena.

What comes out has no C. It answers how much RAM a network would take if it were quantised, before anybody has quantised it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mcugen.ir import DType, Graph, Module, Node, Storage, TensorType, Value
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Given(Op):
    """What the caller writes into the arena before a call."""

    name: ClassVar[str] = "given"


@dataclass(frozen=True, eq=False)
class Kept(Op):
    """What the caller reads there after it."""

    name: ClassVar[str] = "kept"


def planned_as(module: Module, dtype: DType) -> Module:
    """The module with every number in RAM of a type, and inputs and outputs as values of the arena: for the planner only."""
    return module.map(lambda graph: _graph(graph, dtype))


def _graph(graph: Graph, dtype: DType) -> Graph:
    graph = _with_pixels(graph)
    values = {name: _value(value, dtype) for name, value in graph.values.items()}
    inputs, outputs = (tuple(v.name for v in graph.of(storage)) for storage in (Storage.INPUT, Storage.OUTPUT))
    begin = (Node(Given(), (), inputs),) if inputs else ()
    values["kept"] = Value("kept", TensorType((), dtype), Storage.OUTPUT)
    return replace(graph, values=values, nodes=(*begin, *graph.nodes, Node(Kept(), outputs, ("kept",))))


def _with_pixels(graph: Graph) -> Graph:
    """The graph taking pixels as cameras give them, channels innermost, where it begins by making them of planes."""
    readers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    values, gone = dict(graph.values), []
    for given in graph.of(Storage.INPUT):
        found = readers.get(given.name, [])
        if len(found) == 1 and found[0].op.name == "strided" and _moves_all(graph, found[0]):
            pixels = found[0].outputs[0]
            values[pixels] = replace(values[pixels], storage=Storage.INPUT)
            del values[given.name]
            gone += found
    return replace(graph, values=values, nodes=tuple(node for node in graph.nodes if node not in gone))


def _moves_all(graph: Graph, node: Node) -> bool:
    """Whether a node's output is its input in another order."""
    taken, made = graph.types((node.inputs[0], node.outputs[0]))
    at = np.arange(taken.size).reshape(taken.shape)
    return taken.size == made.size and np.array_equal(np.sort(node.op.evaluate(at)[0].ravel()), at.ravel())


def _value(value: Value, dtype: DType) -> Value:
    if value.storage is Storage.CONST:
        return value
    storage = Storage.TEMP if value.storage in (Storage.INPUT, Storage.OUTPUT) else value.storage
    return replace(value, type=TensorType(value.type.shape, dtype), storage=storage, labels=None)
