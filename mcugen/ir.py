"""The intermediate representation: values, nodes, graphs, modules, the builder that types them and the verifier.

Everything is frozen; a pass makes a new module. Node order is execution order. Each value is made once (SSA); an op that
updates STATE returns a new STATE value and `Graph.state` pairs old and new, which the planner puts at one address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Diagnostic, Loc, McugenError, error

if TYPE_CHECKING:
    import networkx as nx

    from mcugen.op import Op

Array = npt.NDArray[np.generic]
Label = int | str | float | bool


class DType(Enum):
    """An element type: its short name, and the C type of the same size."""

    F32 = ("f32", "float")
    I8 = ("i8", "int8_t")
    U8 = ("u8", "uint8_t")
    I16 = ("i16", "int16_t")
    U16 = ("u16", "uint16_t")
    I32 = ("i32", "int32_t")
    U32 = ("u32", "uint32_t")
    I64 = ("i64", "int64_t")
    BOOL = ("bool", "uint8_t")

    def __init__(self, short: str, c: str) -> None:
        self.short = short
        self.c = c

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy dtype of the same elements."""
        return np.dtype(
            {"f": "f", "i": "i", "u": "u", "b": "?"}[self.short[0]] + (str(self.nbytes) if self.short != "bool" else "")
        )

    @property
    def nbytes(self) -> int:
        """Bytes per element."""
        return 1 if self.short == "bool" else int(self.short[1:]) // 8

    @classmethod
    def of(cls, dtype: npt.DTypeLike) -> DType:
        """The element type of a NumPy dtype; E0201 where C has none for it."""
        wanted = np.dtype(dtype)
        for one in cls:
            if one.numpy == wanted:
                return one
        raise error(
            "E0201", f"tensors of {wanted} are not supported", help=f"use one of {', '.join(d.short for d in cls)}"
        )


@dataclass(frozen=True)
class Quant:
    """real = scale · (q − zero_point), per tensor (one entry) or per slice along `axis`."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True)
class TensorType:
    """Shape, element type and quantisation of a value; printed as `1x64:f32`, a scalar as `f32`."""

    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.size * self.dtype.nbytes

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))}:{self.dtype.short}" if self.shape else self.dtype.short


class Storage(Enum):
    """Where a value lives: INPUT and OUTPUT are the caller's, TEMP the arena, CONST flash, STATE RAM that outlives a call."""

    INPUT = "input"
    OUTPUT = "output"
    TEMP = "temp"
    CONST = "const"
    STATE = "state"


@dataclass(frozen=True, eq=False)
class Value:
    """A named tensor. `data` is set for CONST (and as the initial content of STATE); `labels` where it is a class index."""

    name: str
    type: TensorType
    storage: Storage
    data: Array | None = None
    labels: tuple[Label, ...] | None = None


@dataclass(frozen=True, eq=False)
class Node:
    """One op applied to values, by name; `loc` speaks of it in the user's terms."""

    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    loc: Loc = Loc()

    @property
    def name(self) -> str:
        """A node is known by its first output."""
        return self.outputs[0]


@dataclass(frozen=True, eq=False)
class Graph:
    """A function of the model: its values by name, its nodes in execution order, and which STATE value follows which."""

    name: str
    values: Mapping[str, Value]
    nodes: tuple[Node, ...]
    state: tuple[tuple[str, str], ...] = ()

    def of(self, storage: Storage) -> tuple[Value, ...]:
        """The values of one storage, in the order they were declared."""
        return tuple(v for v in self.values.values() if v.storage is storage)

    def types(self, names: tuple[str, ...]) -> tuple[TensorType, ...]:
        """The types of the named values."""
        return tuple(self.values[n].type for n in names)

    @cached_property
    def producer(self) -> Mapping[str, int]:
        """The position of the node that makes each made value."""
        return {out: i for i, node in enumerate(self.nodes) for out in node.outputs}

    @cached_property
    def flow(self) -> nx.DiGraph:
        """Nodes by position, with an edge wherever one takes what another makes."""
        import networkx as nx

        flow = nx.DiGraph()
        flow.add_nodes_from(range(len(self.nodes)))
        flow.add_edges_from(
            (self.producer[n], i) for i, node in enumerate(self.nodes) for n in node.inputs if n in self.producer
        )
        return flow

    def __str__(self) -> str:
        return "\n".join(_graph_lines(self))


@dataclass(frozen=True, eq=False)
class Module:
    """A model: its name (the prefix of every C symbol) and its functions, `predict` first."""

    name: str
    functions: tuple[Graph, ...]
    loc: Loc = Loc()

    @property
    def predict(self) -> Graph:
        """The function every model has."""
        return self.functions[0]

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node of every function."""
        return (node for graph in self.functions for node in graph.nodes)

    def map(self, change: Graph | None = None) -> Module:
        """This module with `predict` replaced."""
        return self if change is None else replace(self, functions=(change, *self.functions[1:]))

    def __str__(self) -> str:
        return "\n\n".join([f"module {self.name}", *map(str, self.functions)]) + "\n"


def _graph_lines(graph: Graph) -> Iterator[str]:
    yield f"{graph.name}:"
    for value in graph.values.values():
        if value.storage in (Storage.INPUT, Storage.CONST, Storage.STATE) and value.name not in graph.producer:
            yield f"  {value.storage.value} %{value.name} : {value.type}"
    for node in graph.nodes:
        outs = ", ".join(f"%{n}" for n in node.outputs)
        ins = ", ".join(f"%{n}" for n in node.inputs)
        attributes = node.op.describe()
        types = ", ".join(map(str, graph.types(node.outputs)))
        yield f"  {outs} = {node.op.name}({ins}){' {' + attributes + '}' if attributes else ''} : {types}"
    for old, new in graph.state:
        yield f"  state %{old} -> %{new}"
    yield f"  return {', '.join('%' + v.name for v in graph.of(Storage.OUTPUT))}"


@dataclass
class GraphBuilder:
    """Builds a graph node by node and infers every type, so that a front-end cannot get one wrong."""

    name: str
    _values: dict[str, Value] = field(default_factory=dict)
    _nodes: list[Node] = field(default_factory=list)
    _state: list[tuple[str, str]] = field(default_factory=list)

    def input(self, name: str, type: TensorType) -> str:
        """Declare an input; returns its name."""
        return self._declare(Value(name, type, Storage.INPUT))

    def const(self, name: str, data: Array) -> str:
        """Declare a constant that lives in flash."""
        return self._declare(Value(name, TensorType(data.shape, DType.of(data.dtype)), Storage.CONST, data))

    def state(self, name: str, data: Array) -> str:
        """Declare RAM that outlives a call, with its initial content."""
        return self._declare(Value(name, TensorType(data.shape, DType.of(data.dtype)), Storage.STATE, data))

    def add(self, op: Op, *inputs: str, names: tuple[str, ...] = (), loc: Loc = Loc()) -> tuple[str, ...]:
        """Append a node; its outputs are typed by the op and named `names`, or after the op. Raises E0201 on a mismatch."""
        types = op.infer(*(self._values[n].type for n in inputs))
        outputs = names or tuple(self._fresh(op.name) for _ in types)
        for out, type in zip(outputs, types, strict=True):
            self._declare(Value(out, type, Storage.TEMP))
        self._nodes.append(Node(op, inputs, outputs, loc))
        return outputs

    def update(self, old: str, new: str) -> None:
        """Say that `new` is what STATE value `old` becomes."""
        self._values[new] = replace(self._values[new], storage=Storage.STATE)
        self._state.append((old, new))

    def output(self, name: str, labels: tuple[Label, ...] | None = None) -> None:
        """Make a value an output of the graph; `labels` where it is a class index."""
        self._values[name] = replace(self._values[name], storage=Storage.OUTPUT, labels=labels)

    def build(self) -> Graph:
        """The finished graph, verified."""
        graph = Graph(self.name, MappingProxyType(dict(self._values)), tuple(self._nodes), tuple(self._state))
        verify(graph)
        return graph

    def _declare(self, value: Value) -> str:
        if value.name in self._values:
            raise error("E0202", f"value %{value.name} is declared twice", help="give every value a name of its own")
        self._values[value.name] = value
        return value.name

    def _fresh(self, stem: str) -> str:
        number = sum(1 for n in self._values if n.startswith(stem))
        return f"{stem}{number}"


def verify(graph: Graph) -> None:
    """Check that the graph is well formed (made once, before use, types as inferred); E0202 lists all that is wrong."""
    problems = [*_order_problems(graph), *_type_problems(graph), *_storage_problems(graph)]
    if problems:
        raise McugenError(
            Diagnostic("E0202", f"{graph.name}: {p}", "this is a bug in a front-end or a pass: please report it")
            for p in problems
        )


def verify_module(module: Module) -> Module:
    """Verify every function and give the module back, so that it can stand in a chain."""
    for graph in module.functions:
        verify(graph)
    return module


def _order_problems(graph: Graph) -> Iterator[str]:
    made = {v.name for v in graph.values.values() if v.name not in graph.producer}
    for node in graph.nodes:
        yield from (f"{node.op.name} takes %{n}, which is not declared" for n in node.inputs if n not in graph.values)
        yield from (
            f"{node.op.name} takes %{n} before it is made" for n in node.inputs if n in graph.values and n not in made
        )
        yield from (f"%{n} is made twice" for n in node.outputs if n in made)
        made.update(node.outputs)


def _type_problems(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if any(n not in graph.values for n in (*node.inputs, *node.outputs)):
            yield f"{node.op.name} names a value that is not declared"
            continue
        inferred = node.op.infer(*graph.types(node.inputs))
        if inferred != graph.types(node.outputs):
            found = ", ".join(map(str, graph.types(node.outputs)))
            yield f"%{node.name} is {found}; {node.op.name} gives {', '.join(map(str, inferred))}"


def _storage_problems(graph: Graph) -> Iterator[str]:
    if not graph.of(Storage.OUTPUT):
        yield "nothing is returned"
    for value in graph.values.values():
        made = value.name in graph.producer
        if value.storage in (Storage.TEMP, Storage.OUTPUT) and not made:
            yield f"{value.storage.value} %{value.name} is never made"
        if value.storage in (Storage.INPUT, Storage.CONST) and made:
            yield f"{value.storage.value} %{value.name} may not be made by a node"
        if value.storage is Storage.CONST and value.data is None:
            yield f"const %{value.name} has no data"
    for old, new in graph.state:
        if graph.values[old].type != graph.values[new].type:
            yield f"state %{old} and %{new} differ in type"
