"""Graphs made by hypothesis, and a run of a plan over real bytes: what the plan and its checker are held against."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from hypothesis import strategies as st

from mcugen.ir import Array, DType, Graph, GraphBuilder, Module, Node, Storage, TensorType
from mcugen.memory.plan import MemoryPlan
from mcugen.op import Op

DTYPES = (DType.U8, DType.I16, DType.F32, DType.I64)


@dataclass(frozen=True, eq=False)
class Mix(Op):
    """Every byte of every output depends on every byte of every input."""

    name: ClassVar[str] = "mix"

    types: tuple[TensorType, ...]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return self.types

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        rng = np.random.default_rng(zlib.crc32(b"".join(i.tobytes() for i in inputs)))
        return tuple(_from_bytes(rng.bytes(t.nbytes), t) for t in self.types)


@dataclass(frozen=True, eq=False)
class MixInPlace(Mix):
    """The same, and it may write its first output over its first input."""

    in_place: ClassVar[int | None] = 0


def _from_bytes(data: bytes, type: TensorType) -> Array:
    return np.frombuffer(data, type.dtype.numpy).reshape(type.shape)


def mix(
    builder: GraphBuilder, inputs: tuple[str, ...], *types: TensorType, name: str, in_place: bool
) -> tuple[str, ...]:
    """Append one node whose outputs are called name.0, name.1 and so on."""
    op = (MixInPlace if in_place else Mix)(types)
    return builder.add(op, *inputs, names=tuple(f"{name}.{i}" for i in range(len(types))))


@st.composite
def types(draw: st.DrawFn, most: int = 9) -> TensorType:
    """A vector of one to `most` elements."""
    return TensorType((draw(st.integers(1, most)),), draw(st.sampled_from(DTYPES)))


@st.composite
def modules(draw: st.DrawFn, functions: int = 2, nodes: int = 10) -> Module:
    """One or more functions over shared STATE, with in-place ops, results that nobody takes, and several outputs."""
    states = {f"s{i}": draw(types()) for i in range(draw(st.integers(0, 2)))}
    names = [f"f{i}" for i in range(draw(st.integers(1, functions)))]
    return Module("m", tuple(draw(_graphs(name, states, nodes)) for name in names))


@st.composite
def _graphs(draw: st.DrawFn, name: str, states: dict[str, TensorType], nodes: int) -> Graph:
    builder = GraphBuilder(name)
    seen = {builder.input(f"{name}.x", kind): kind for kind in [draw(types())]}
    seen |= {builder.const(f"{name}.c", np.arange(3, dtype=np.float32)): TensorType((3,), DType.F32)}
    seen |= {builder.state(s, np.zeros(t.shape, t.dtype.numpy)): t for s, t in states.items()}
    waiting, made = list(states), []
    for i in range(draw(st.integers(1, nodes))):
        if waiting and draw(st.integers(0, 3)) == 0:
            _update(builder, waiting.pop(), f"{name}.s{i}", seen, draw(st.sampled_from([*seen])))
            continue
        inputs = tuple(draw(st.lists(st.sampled_from([*seen]), min_size=1, max_size=3)))
        first = draw(types()) if draw(st.booleans()) else seen[inputs[0]]
        kinds = (first, *draw(st.lists(types(), max_size=1)))
        outputs = mix(builder, inputs, *kinds, name=f"{name}.{i}", in_place=draw(st.booleans()))
        seen |= dict(zip(outputs, kinds, strict=True))
        made += outputs
    last = mix(
        builder, (draw(st.sampled_from([*seen])),), TensorType((2,), DType.F32), name=f"{name}.y", in_place=False
    )
    for one in [*last, *draw(st.lists(st.sampled_from(made), max_size=2, unique=True) if made else st.just([]))]:
        builder.output(one)
    return builder.build()


def _update(builder: GraphBuilder, old: str, name: str, seen: dict[str, TensorType], other: str) -> None:
    kind = seen.pop(old)
    inputs = (old,) if other == old else (old, other)
    (new,) = mix(builder, inputs, kind, name=name, in_place=True)
    builder.update(old, new)
    seen[new] = kind


def outcome(module: Module, run: Callable[[Graph, dict[str, Array]], dict[str, Array]]) -> list[dict[str, bytes]]:
    """What each function in turn returns and leaves in STATE."""
    state = {v.name: v.data for g in module.functions for v in g.of(Storage.STATE) if v.data is not None}
    results = []
    for graph in module.functions:
        made = run(graph, {**state, **_given(graph)})
        state |= {old: made[new] for old, new in graph.state}
        outputs = {v.name: made[v.name] for v in graph.of(Storage.OUTPUT)}
        results.append({n: data.tobytes() for n, data in {**outputs, **state}.items()})
    return results


def _given(graph: Graph) -> dict[str, Array]:
    inputs = {
        v.name: Mix((v.type,)).evaluate(np.frombuffer(v.name.encode(), np.uint8))[0] for v in graph.of(Storage.INPUT)
    }
    return inputs | {v.name: v.data for v in graph.of(Storage.CONST) if v.data is not None}


def without_plan(graph: Graph, given: dict[str, Array]) -> dict[str, Array]:
    """Run a function with memory of its own for every value."""
    values = dict(given)
    for node in graph.nodes:
        values |= dict(zip(node.outputs, node.op.evaluate(*(values[n] for n in node.inputs)), strict=True))
    return values


def over_bytes(plan: MemoryPlan) -> Callable[[Graph, dict[str, Array]], dict[str, Array]]:
    """A run of a function where the plan's places are all the memory there is, by ops that spoil what they may."""

    def run(graph: Graph, given: dict[str, Array]) -> dict[str, Array]:
        memory = _Bytes(plan, graph, {m.name: bytearray(b"\xaa" * m.nbytes) for m in plan.memories})
        for name, data in given.items():
            memory.write(name, data)
        for step in plan.of(graph):
            memory.step(graph.nodes[step.nodes[0]])
        lasting = [v.name for v in graph.values.values() if v.storage in (Storage.STATE, Storage.OUTPUT)]
        return {name: memory.read(name) for name in lasting}

    return run


@dataclass(frozen=True)
class _Bytes:
    plan: MemoryPlan
    graph: Graph
    memories: dict[str, bytearray]
    elsewhere: dict[str, bytes] = field(default_factory=dict)

    def step(self, node: Node) -> None:
        places = self.plan.places
        for i, name in enumerate(node.outputs):
            into = node.op.in_place if i == 0 else None
            if into is None or places.get(name) != places.get(node.inputs[into]):
                self.write(name, np.full(self._nbytes(name), 0xAA, np.uint8))  # an op may write before it has read
        results = node.op.evaluate(*(self.read(n) for n in node.inputs))
        for name, result in zip(node.outputs, results, strict=True):
            self.write(name, result)

    def write(self, name: str, data: Array) -> None:
        if name not in self.plan.places:
            self.elsewhere[name] = data.tobytes()
        else:
            place = self.plan.places[name]
            self.memories[place.memory][place.offset : place.offset + place.nbytes] = data.tobytes()

    def read(self, name: str) -> Array:
        if name not in self.plan.places:
            return _from_bytes(self.elsewhere[name], self.graph.values[name].type)
        place = self.plan.places[name]
        data = bytes(self.memories[place.memory][place.offset : place.offset + place.nbytes])
        return _from_bytes(data, self.graph.values[name].type)

    def _nbytes(self, name: str) -> int:
        return self.graph.values[name].type.nbytes
