"""The intermediate representation: values, nodes, graphs, modules, the builder that types them and the verifier.

Everything is frozen; a pass makes a new module. Node order is execution order. Each value is made once (SSA); an op that
updates STATE returns a new STATE value and `Graph.state` pairs old and new, which the planner puts at one address.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, McugenError, error

if TYPE_CHECKING:
    import networkx as nx

    from mcugen.op import Op

Array = npt.NDArray[np.generic]
Label = int | str | float | bool


class DType(Enum):
    """An element type: its short name, and the C type of the same size."""

    F32 = ("f32", "float")
    F64 = ("f64", "double")
    I8 = ("i8", "int8_t")
    U8 = ("u8", "uint8_t")
    I16 = ("i16", "int16_t")
    U16 = ("u16", "uint16_t")
    I32 = ("i32", "int32_t")
    U32 = ("u32", "uint32_t")
    I64 = ("i64", "int64_t")
    U64 = ("u64", "uint64_t")
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

    @property
    def limits(self) -> tuple[int, int] | None:
        """The least and the largest number of an integer type; None for floats."""
        if self.numpy.kind not in "iu":
            return None
        found = np.iinfo(self.numpy)  # type: ignore[type-var]  # of integers only
        return int(found.min), int(found.max)

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
    """A named tensor. `data` is set for CONST (and as the initial content of STATE).

    tables  where its elements are class indices, the labels of each element's classes; else empty
    """

    name: str
    type: TensorType
    storage: Storage
    data: Array | None = None
    tables: tuple[tuple[Label, ...], ...] = ()

    @property
    def labels(self) -> tuple[Label, ...] | None:
        """The labels where it is one class index; None where it is none, or several."""
        return self.tables[0] if self.tables and self.type.shape == () else None


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
    order_bound: int | None = None  # bytes of temporaries that no order of the nodes can do without, where it is known

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))

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
    """A model: its name (the prefix of every C symbol) and its functions, `predict` first.

    `arena` says where TEMP tensors live: in static memory, or on the stack of the function that runs. `state` says whose STATE
    is: the model's own, in static memory, or the caller's, who gives a struct of it to every function (trainers), and, `stored`, can
    save it.
    """

    name: str
    functions: tuple[Graph, ...]
    loc: Loc = Loc()
    arena: Literal["static", "stack"] = "static"
    state: Literal["static", "caller", "stored"] = "static"

    @property
    def predict(self) -> Graph:
        """The function every model has."""
        return self.functions[0]

    @property
    def learns(self) -> int:
        """Which function learns; 0, which is `predict`, where none does."""
        return next(
            (at for at, graph in enumerate(self.functions) if graph.name == "learn" and self.state != "static"), 0
        )

    @property
    def nodes(self) -> Iterator[Node]:
        """Every node of every function."""
        return (node for graph in self.functions for node in graph.nodes)

    @property
    def features(self) -> int:
        """How many numbers a row has: all elements of all inputs, one input after the other."""
        return sum(v.type.size for v in self.predict.of(Storage.INPUT))

    def split(self, rows: Array) -> list[Array]:
        """Rows (n, features) as the inputs, each (n, *its shape) in its own dtype."""
        found, at = [], 0
        for value in self.predict.of(Storage.INPUT):
            part = rows[:, at : at + value.type.size]
            found.append(part.astype(value.type.dtype.numpy).reshape(len(rows), *value.type.shape))
            at += value.type.size
        return found

    def map(self, change: Callable[[Graph], Graph]) -> Module:
        """This module with every function changed: what most passes do."""
        return replace(self, functions=tuple(change(graph) for graph in self.functions))

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
        # A graph that is not well formed is the one whose dump is wanted most: an undeclared value prints as `?`.
        types = ", ".join(str(graph.values[n].type) if n in graph.values else "?" for n in node.outputs)
        yield f"  {outs} = {node.op.name}({ins}){' {' + attributes + '}' if attributes else ''} : {types}"
    for old, new in graph.state:
        yield f"  state %{old} -> %{new}"
    yield f"  return {', '.join('%' + v.name for v in graph.of(Storage.OUTPUT))}".rstrip()


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
        return self._declare(_filled(name, data, Storage.CONST))

    def state(self, name: str, data: Array) -> str:
        """Declare RAM that outlives a call, with its initial content."""
        return self._declare(_filled(name, data, Storage.STATE))

    def add(self, op: Op, *inputs: str, names: tuple[str, ...] = (), loc: Loc = Loc()) -> tuple[str, ...]:
        """Append a node; its outputs are typed by the op and named `names`, or after the op. E0201 (at `loc`) on a mismatch."""
        types = self._infer(op, inputs, loc)
        outputs = names or self._fresh(op.name, len(types))
        if len(outputs) != len(types):
            raise _broken(f"{op.name} gives {len(types)} values and {len(outputs)} names")
        for out, type in zip(outputs, types, strict=True):
            self._declare(Value(out, type, Storage.TEMP), loc)
        self._nodes.append(Node(op, inputs, outputs, loc))
        return outputs

    def free(self, stem: str) -> str:
        """The stem itself where no value has that name, else with a number."""
        return stem if stem and stem not in self._values else self._fresh(stem, 1)[0]

    def update(self, old: str, new: str) -> None:
        """Say that `new` is what STATE value `old` becomes."""
        self._values[new] = replace(self._made(new), storage=Storage.STATE)
        self._state.append((old, new))

    def type_of(self, name: str) -> TensorType:
        """The type of a value."""
        return self._value(name).type

    def has(self, name: str) -> bool:
        """Whether a value has that name."""
        return name in self._values

    def storage_of(self, name: str) -> Storage:
        """Where a value lives."""
        return self._value(name).storage

    def maker(self, name: str) -> Node | None:
        """The node that makes a value; None where none does."""
        return next((node for node in self._nodes if name in node.outputs), None)

    def known(self, name: str) -> Array | None:
        """What a value holds where a node makes it of constants alone; None where only the C knows it."""
        node = self.maker(name)
        parts = [self._value(one) for one in node.inputs] if node else []
        found = [one.data for one in parts if one.storage is Storage.CONST and one.data is not None]
        if node is None or len(found) != len(parts):
            return None
        return node.op.evaluate(*found)[node.outputs.index(name)]

    def output(
        self,
        value: str,
        labels: tuple[Label, ...] | None = None,
        name: str = "",
        tables: tuple[tuple[Label, ...], ...] = (),
    ) -> None:
        """Make a value an output of the graph, called `name` from then on. Outputs come in the order of these calls.

        labels  where all of its elements are indices of these classes
        tables  where each of them is an index of classes of its own, the labels of each
        """
        made = self._made(value)
        called = name or value
        if called != value and called in self._values:
            raise _broken(f"value %{called} is declared twice")
        known = tables or ((labels,) * made.type.size if labels is not None else ())
        del self._values[value]
        self._values[called] = replace(made, name=called, storage=Storage.OUTPUT, tables=known)
        self._nodes = [with_names(node, {value: called}) for node in self._nodes]

    def build(self) -> Graph:
        """The finished graph, verified."""
        graph = Graph(self.name, self._values, tuple(self._nodes), tuple(self._state))
        verify(graph)
        return graph

    def _declare(self, value: Value, loc: Loc = Loc()) -> str:
        if value.name in self._values:
            raise _broken(f"value %{value.name} is declared twice")
        if any(axis < 1 for axis in value.type.shape):
            help = "give every axis at least one element: C has no arrays without any"
            raise error("E0201", f"%{value.name} is {value.type}, which holds nothing", help=help, loc=loc)
        self._values[value.name] = value
        return value.name

    def _infer(self, op: Op, inputs: tuple[str, ...], loc: Loc) -> tuple[TensorType, ...]:
        try:
            return op.infer(*(self._value(n).type for n in inputs))
        except McugenError as problem:
            raise McugenError(d if str(d.loc) else replace(d, loc=loc) for d in problem.diagnostics) from problem

    def _value(self, name: str) -> Value:
        if name not in self._values:
            raise _broken(f"value %{name} is not declared")
        return self._values[name]

    def _made(self, name: str) -> Value:
        value = self._value(name)
        if value.storage is not Storage.TEMP:
            raise _broken(f"%{name} is {value.storage.value}; it must be a TEMP that a node makes")
        return value

    def _fresh(self, stem: str, count: int) -> tuple[str, ...]:
        free = (name for i in itertools.count() if (name := f"{stem}{i}") not in self._values)
        return tuple(itertools.islice(free, count))


def with_names(node: Node, names: Mapping[str, str]) -> Node:
    """The node with values called otherwise."""

    def swap(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(n, n) for n in given)

    return replace(node, inputs=swap(node.inputs), outputs=swap(node.outputs))


def _filled(name: str, data: Array, storage: Storage) -> Value:
    # A copy that nobody can write to: a constant that changes behind the compiler's back would not be one.
    frozen = np.array(data)
    frozen.setflags(write=False)
    return Value(name, TensorType(frozen.shape, DType.of(frozen.dtype)), storage, frozen)


def _broken(problem: str) -> McugenError:
    return error("E0202", problem, help="this is a bug in a front-end or a pass: please report it")


def verify(graph: Graph) -> None:
    """Check that the graph is well formed (made once, before use, types as inferred); E0202 lists all that is wrong."""
    found = (_order_problems, _type_problems, _storage_problems, _data_problems, _state_problems)
    _refuse(f"{graph.name}: {p}" for problems in found for p in problems(graph))


def verify_module(module: Module) -> Module:
    """Verify every function and how they go together, and give the module back, so that it can stand in a chain."""
    for graph in module.functions:
        verify(graph)
    _refuse(_module_problems(module))
    return module


def _refuse(problems: Iterable[str]) -> None:
    broken = [d for p in problems for d in _broken(p).diagnostics]
    if broken:
        raise McugenError(broken)


def _module_problems(module: Module) -> Iterator[str]:
    """Functions have names of their own, and so has every TEMP: the plan knows places by name. STATE and CONST are shared."""
    if not module.functions:
        yield f"module {module.name} has no function"
    if len({g.name for g in module.functions}) < len(module.functions):
        yield "two functions have the same name"
    for left, right in itertools.combinations(module.functions, 2):
        for name in sorted(left.values.keys() & right.values.keys()):
            one, other = left.values[name], right.values[name]
            storages = {one.storage, other.storage}
            if Storage.TEMP in storages:
                yield f"%{name} is a value of both {left.name} and {right.name}; a TEMP needs a name of its own"
            elif storages & {Storage.STATE, Storage.CONST} and not _same_value(one, other):
                yield f"%{name} is another thing in {left.name} than in {right.name}"


def _same_value(one: Value, other: Value) -> bool:
    same_data = one.data is other.data or (
        one.data is not None and other.data is not None and one.data.tobytes() == other.data.tobytes()
    )
    return (one.storage, one.type) == (other.storage, other.type) and same_data


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
        yield from _inference_problems(graph, node)


def _inference_problems(graph: Graph, node: Node) -> Iterator[str]:
    try:
        inferred = node.op.infer(*graph.types(node.inputs))
    except McugenError as problem:
        yield from (f"%{node.name}: {d.message}" for d in problem.diagnostics)
        return
    if inferred != graph.types(node.outputs):
        found = ", ".join(map(str, graph.types(node.outputs)))
        yield f"%{node.name} is {found}; {node.op.name} gives {', '.join(map(str, inferred))}"


def _storage_problems(graph: Graph) -> Iterator[str]:
    if not graph.of(Storage.OUTPUT) and not graph.state:
        yield "nothing is returned"
    for key, value in graph.values.items():
        if key != value.name:
            yield f"%{value.name} is known as %{key}"
        made = key in graph.producer
        if value.storage in (Storage.TEMP, Storage.OUTPUT) and not made:
            yield f"{value.storage.value} %{key} is never made"
        if value.storage in (Storage.INPUT, Storage.CONST) and made:
            yield f"{value.storage.value} %{key} may not be made by a node"


def _data_problems(graph: Graph) -> Iterator[str]:
    for value in graph.values.values():
        if value.data is None:
            if value.storage is Storage.CONST:
                yield f"const %{value.name} has no data"
        elif (value.data.shape, value.data.dtype) != (value.type.shape, value.type.dtype.numpy):
            yield f"%{value.name} is {value.type} and its data {value.data.dtype} of shape {value.data.shape}"


def _state_problems(graph: Graph) -> Iterator[str]:
    made = {v.name for v in graph.of(Storage.STATE) if v.name in graph.producer}
    kept = {v.name for v in graph.of(Storage.STATE)} - made
    for old, new in graph.state:
        if old not in kept or new not in made:
            yield f"state %{old} -> %{new} must lead from a STATE that no node makes to one that a node makes"
            continue
        if graph.values[old].type != graph.values[new].type:
            yield f"state %{old} and %{new} differ in type"
        for node in graph.nodes[graph.producer[new] + 1 :]:
            if old in node.inputs:
                yield f"%{node.name} takes %{old} after %{new} has taken its place"
    for node in graph.nodes:
        for at, out in zip(node.op.updates, node.outputs, strict=False):
            if (node.inputs[at], out) not in graph.state:
                yield f"{node.op.name} changes %{node.inputs[at]} in place: %{out} must follow it as state"
    olds, news = ([pair[side] for pair in graph.state] for side in (0, 1))
    yield from (f"state %{n} becomes two values" for n in sorted(set(olds)) if olds.count(n) > 1)
    yield from (f"state %{n} is made and replaces no other" for n in sorted(made - set(news)))
