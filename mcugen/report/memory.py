"""The certificate of a network's RAM: what it takes as exported, what each technique saves, what is left, and the proof of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mcugen.boards import ByRows, Target, load_board
from mcugen.diagnostics import error
from mcugen.frontends.onnx_file import with_shapes
from mcugen.ir import DType, Module
from mcugen.memory.live import live_bytes
from mcugen.memory.order import Order, cheapest
from mcugen.memory.pack import buffers, pack
from mcugen.memory.plan import MemoryPlan, plan, plans
from mcugen.memory.planning import planned_as
from mcugen.memory.rows import MOST_NODES
from mcugen.passes import PIPELINE, run
from mcugen.passes.order import order, reordered
from mcugen.ram import rams_of
from mcugen.report.memories import memories

if TYPE_CHECKING:
    from rich.table import Table

    from mcugen.compile import Compiled


@dataclass(frozen=True)
class Technique:
    """What a way to save RAM leaves: the most bytes that are live at one step."""

    name: str
    live: int


@dataclass(frozen=True)
class Certificate:
    """The RAM of a module's temporaries, in bytes.

    exported  most live at one node as exported: the file's order, whole tensors, none in another's place
    greedy    the arena of the lowered nodes in that order, packed biggest first, as TFLite Micro does
    steps     most live at one step after each technique in turn
    whole     the arena of whole tensors, and where everything lies in it
    layers    the same with inputs of single layers put together as they are loaded
    rows      the same with layers that run row by row, and the input streamed where that was asked for
    used      which of these the C has, or would have
    order     the execution sequence of `whole`, and what no other one can do without
    module    what `used` is a plan of
    """

    exported: int
    greedy: int
    steps: tuple[Technique, ...]
    whole: MemoryPlan
    layers: MemoryPlan
    rows: MemoryPlan
    used: MemoryPlan
    order: Order
    module: Module

    @property
    def arena(self) -> int:
        """Bytes of the arena."""
        return self.used.arena

    @property
    def saved(self) -> float:
        """The part of the exported bytes that the arena does not take."""
        return self.saved_by(self.arena)

    def saved_by(self, nbytes: int) -> float:
        """The part of the exported bytes that so many do not take."""
        return 1 - nbytes / self.exported if self.exported else 0.0


def explained(compiled: Compiled) -> Certificate:
    """The certificate of a compiled model."""
    memory = compiled.report.memory
    return certified(compiled.source.module, compiled.target, memory["exported_live"])


def planned(
    model: str | os.PathLike[str] | bytes,
    board: str,
    plan_as: str,
    by_rows: ByRows = "always",
    shapes: Mapping[str, Sequence[int]] = MappingProxyType({}),
    stream_input: bool = False,
    ram: str | None = None,
) -> Certificate:
    """The certificate of an ONNX graph, all its numbers in RAM of the type `int8`, `int16` or `float32`: for planning only. E0112
    for a model of another kind.
    """
    from mcugen.frontends import read
    from mcugen.frontends.files import read_model
    from mcugen.frontends.onnx_planning import exported_live, with_weights

    loaded = read_model(model)
    if type(loaded.estimator).__name__ != "ModelProto":
        raise error("E0112", "only the RAM of ONNX graphs is planned ahead", help="leave --plan-as out", loc=loaded.loc)
    dtype = {"int8": DType.I8, "int16": DType.I16, "float32": DType.F32}[plan_as]
    graph = with_weights(loaded.estimator)
    module = read(graph, shapes=shapes).module
    target = Target(load_board(board), by_rows=by_rows, stream_input=stream_input, ram=rams_of(ram))
    return certified(module, target, exported_live(with_shapes(graph, shapes, loaded.loc), dtype.nbytes), dtype)


def certified(module: Module, target: Target, exported: int, dtype: DType | None = None) -> Certificate:
    """The certificate of a module as a front-end read it. `dtype`: of every number in RAM, for planning only; the caller's buffers are
    part of the arena then.
    """
    given = replace(target, stream_input=False)
    lowered = _lowered(module, replace(given, by_rows="never"), dtype)
    wanted = buffers(lowered.predict)
    greedy = max((at + one.nbytes for at, one in zip(pack(wanted), wanted, strict=True)), default=0)
    found, ordered = _ordered(lowered)
    _, by_rows = _ordered(_lowered(module, replace(given, by_rows="always"), dtype))
    whole = plan(ordered, target, layers=0)
    layers, rows = plans(by_rows, target, (1, MOST_NODES))
    steps = (
        Technique("layers fused, results in the place of their inputs", _most(lowered, overlap=False)),
        Technique("the cheapest order", _most(ordered, overlap=False)),
        Technique("results reach into their inputs", _most(ordered)),
        Technique("inputs joined row by row, as a layer takes them", min(whole.lower_bound, layers.lower_bound)),
        Technique("layers in turn, row by row", min(whole.lower_bound, layers.lower_bound, rows.lower_bound)),
    )
    if target.stream_input:
        _, by_rows = _ordered(_lowered(module, replace(target, by_rows="always"), dtype))
        rows = plan(by_rows, target, layers=MOST_NODES)
        streamed = Technique("the input given row by row", rows.lower_bound)
        return Certificate(exported, greedy, (*steps, streamed), whole, layers, rows, rows, found, by_rows)
    best = target.by_rows == "always" and (rows.missing, rows.arena) < (whole.missing, whole.arena)
    used, planned = (rows, by_rows) if best else (whole, ordered)
    return Certificate(exported, greedy, steps, whole, layers, rows, used, found, planned)


def _lowered(module: Module, target: Target, dtype: DType | None) -> Module:
    lowered = run(module, target, pipeline=tuple(one for one in PIPELINE if one is not order))
    return planned_as(lowered, dtype) if dtype else lowered


def _ordered(module: Module) -> tuple[Order, Module]:
    found = cheapest(module.predict)
    return found, module.map(lambda graph: reordered(graph, found) if graph is module.predict else graph)


def as_dict(found: Certificate) -> dict[str, Any]:
    """The certificate as JSON; bytes."""
    peak = max(found.used.steps, key=lambda step: step.live, default=None)
    return {
        "arena": found.arena,
        "exported_live": found.exported,
        "greedy": found.greedy,
        "techniques": [{"name": one.name, "live": one.live} for one in found.steps],
        "arena_of_whole_tensors": found.whole.arena,
        "arena_row_by_row": min(found.whole.arena, found.rows.arena),
        "live": found.used.lower_bound,
        "lower_bound": found.order.bound,
        "order_peak": found.order.peak,
        "order_gap": found.order.gap,
        "order_proven": found.order.proven,
        "memories": memories(found.module.predict, found.used),
        "peak_at": found.module.predict.nodes[peak.nodes[0]].name if peak else "",
        "saved": found.saved,
    }


def memory_table(found: Certificate) -> Table:
    """What is left after each technique, and what is proven of it."""
    from mcugen.report.show import row, table

    made = table("RAM", "live, B>", "saved>", title="memory", caption=f"exported: {BASELINE}; {proof(found.order)}")
    for name, live in stages(found):
        row(made, name, f"{live:,}", f"{100 * found.saved_by(live):.1f} %" if found.exported else "")
    for one in memories(found.module.predict, found.used):
        beside = f", {one['live']:,} B live" if one["live"] < one["bytes"] else ""
        row(made, f"in {one['name']}, of {one['limit']:,} B{beside}", f"{one['bytes']:,}", "")
    return made


def stages(found: Certificate) -> Iterator[tuple[str, int]]:
    """What is left of the RAM, and its bytes: as exported, after each technique, and of both arenas."""
    yield "exported", found.exported
    yield "exported order, packed biggest first", found.greedy
    yield from ((one.name, one.live) for one in found.steps)
    ways = {"arena of whole tensors": found.whole.arena, "arena, row by row": min(found.whole.arena, found.rows.arena)}
    yield from ((f"{name}, as in the C" if size == found.arena else name, size) for name, size in ways.items())


def proof(order: Order) -> str:
    """What is known of other orders."""
    if order.proven:
        return "no order needs less"
    return f"order: {order.peak:,} B, at least {order.bound:,} B, {100 * order.gap:.1f} % unproven"


BASELINE = "the file's order, whole tensors, live bytes, none in another's place"


def _most(module: Module, overlap: bool = True) -> int:
    return max((size for graph in module.functions for size in live_bytes(graph, overlap)), default=0)
