"""A graph rewritten from front to back: nodes are kept, or others made in their places."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mcugen.diagnostics import Loc
from mcugen.ir import Array, DType, Graph, Node, Storage, TensorType, Value, with_names
from mcugen.op import Op


@dataclass
class Rewriting:
    """The values and nodes of the graph that is being made; what nobody takes stays until `dead_code`."""

    source: Graph
    values: dict[str, Value] = field(init=False)
    nodes: list[Node] = field(init=False, default_factory=list)
    _next: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.values = dict(self.source.values)

    def type_of(self, name: str) -> TensorType:
        """The type of a value."""
        return self.values[name].type

    def constant(self, name: str) -> Array | None:
        """What a CONST holds; None for what is only known when the model runs."""
        value = self.values[name]
        return value.data if value.storage is Storage.CONST else None

    def keep(self, node: Node) -> None:
        """A node of the source as it is."""
        self.nodes.append(node)

    def const(self, stem: str, data: Array) -> str:
        """A new constant in flash; returns its name."""
        frozen = np.array(data)
        frozen.setflags(write=False)
        name = self._free(stem)
        self.values[name] = Value(name, TensorType(frozen.shape, DType.of(frozen.dtype)), Storage.CONST, frozen)
        return name

    def add(self, op: Op, *inputs: str, loc: Loc = Loc(), stem: str = "") -> tuple[str, ...]:
        """A new node with results of its own; returns their names."""
        types = op.infer(*(self.values[n].type for n in inputs))
        outputs = []
        for type in types:
            outputs.append(self._free(stem or op.name))
            self.values[outputs[-1]] = Value(outputs[-1], type, Storage.TEMP)
        self.nodes.append(Node(op, inputs, tuple(outputs), loc))
        return tuple(outputs)

    def named(self, stem: str, type: TensorType) -> str:
        """A new value that a node is still to make; returns its name."""
        name = self._free(stem)
        self.values[name] = Value(name, type, Storage.TEMP)
        return name

    def make(self, node: Node) -> None:
        """A node in the place of one that made the same results; more results than the values there are new ones."""
        types = node.op.infer(*(self.values[n].type for n in node.inputs))
        outputs = list(node.outputs)
        for type in types[len(outputs) :]:
            outputs.append(self._free(f"{node.name}_room"))
            self.values[outputs[-1]] = Value(outputs[-1], type, Storage.TEMP)
        self.nodes.append(replace(node, outputs=tuple(outputs)))

    def _free(self, stem: str) -> str:
        if stem not in self.values:
            return stem
        for i in itertools.count(self._next.get(stem, 0)):  # not from 0 each time: graphs have thousands of nodes
            if (name := f"{stem}{i}") not in self.values:
                self._next[stem] = i + 1
                return name
        raise AssertionError("numbers do not end")

    def graph(self) -> Graph:
        """What was made."""
        return replace(self.source, values=self.values, nodes=tuple(self.nodes))


def uses(graph: Graph) -> dict[str, int]:
    """How often each value is taken; an OUTPUT or STATE once more, by the caller."""
    found: dict[str, int] = dict.fromkeys(graph.values, 0)
    for name in itertools.chain.from_iterable(node.inputs for node in graph.nodes):
        found[name] += 1
    for value in graph.values.values():
        found[value.name] += value.storage in (Storage.OUTPUT, Storage.STATE)
    return found


def replaced(graph: Graph, old: Node, *new: Node) -> Graph:
    """The graph with a node replaced by others, the last of which makes what it made; what the others make are new TEMPs."""
    values = dict(graph.values)
    for node in new[:-1]:
        types = node.op.infer(*(values[n].type for n in node.inputs))
        values |= {n: Value(n, type, Storage.TEMP) for n, type in zip(node.outputs, types, strict=True)}
    nodes = tuple(n for one in graph.nodes for n in (new if one is old else (one,)))
    return replace(graph, values=values, nodes=nodes)


def renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with values called otherwise: old names to new ones."""
    values = {names.get(n, n): replace(v, name=names.get(n, n)) for n, v in graph.values.items()}
    nodes = tuple(with_names(node, names) for node in graph.nodes)
    state = tuple((names.get(old, old), names.get(new, new)) for old, new in graph.state)
    return Graph(graph.name, values, nodes, state)
