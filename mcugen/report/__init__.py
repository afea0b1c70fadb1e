"""What a person wants to know before a board is bought: flash, RAM and cycles, per layer and in all, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mcugen.boards import AVR_REACHED, Apart, Board, Known, Target
from mcugen.diagnostics import Diagnostic, Loc, McugenError
from mcugen.interface import feed_of, label_function
from mcugen.ir import Graph, Module, Node, Storage
from mcugen.memory.plan import MemoryPlan
from mcugen.op import Cost, Form, same
from mcugen.ops.arrive import Arrive
from mcugen.report.figure import Figure
from mcugen.report.firmware import Firmware, empty_share, label_bytes, whole
from mcugen.report.memories import live_at, memories, missing

JOINT = (
    24  # bytes of stack: what a function that calls several kernels keeps meanwhile, as measured on pipelines and votes
)
CHECKED = 136  # and what a trainer's functions have around that, as measured
INLINED = 48  # and where layers of a network are a part of it, on all but AVR, as measured on networks

__all__ = ["Figure", "Firmware", "Layer", "Report", "report", "require_fit"]


@dataclass(frozen=True)
class Layer:
    """One node: what it is, and what it costs. Flash (code and constants) and live RAM (scratch among it) in bytes, cycles (or
    instructions) of one call. `node` is where it is in the user's model, an ONNX node's name.
    """

    name: str
    op: str
    detail: str
    shape: str
    macc: int
    flash: int
    cycles: Figure
    live: int
    form: str
    others: tuple[Form, ...]
    smaller: tuple[str, ...]
    loc: str
    node: str = ""


@dataclass(frozen=True)
class Report:
    """The figures of a compiled model on a board.

    RAM is static data, the caller's buffers, the deepest stack, and what start-up code copies of flash (Teensy 4).
    flash_free and ram_free are what the board's framework leaves; where its share is unknown, what mcugen's own leaves.
    firmware is the program that mcugen's own PlatformIO platform builds, registry the one of PlatformIO's registry.
    """

    model: str
    board: str
    title: str
    optimize: str
    numeric: str
    flash: Figure
    ram: Figure
    stack: Figure
    cycles: Figure
    static: int
    buffers: int
    copied: int
    framework_flash: int | None
    framework_ram: int | None
    framework_known: Known
    flash_free: int
    ram_free: int
    near: int  # bytes of tables that have to lie where an 8-bit AVR's near addresses reach
    firmware: Firmware
    registry: Firmware
    sketch_fits: bool | None  # the whole program with the board's framework; None where a share of it is not known
    memory: dict[str, Any] = field(hash=False)
    layers: tuple[Layer, ...] = ()
    apart: tuple[Apart, ...] = ()  # memories of the board that `--ram` may name
    numeric_why: str = ""  # how the number format came about; empty where there was nothing to choose

    @property
    def fits(self) -> bool | None:
        """Whether both flash and RAM suffice; None where that hangs on the framework's share, which is unknown."""
        if self.flash.value > self.flash_free or self.near > AVR_REACHED or not has_ram(self):
            return False
        return None if self.framework_known == "unknown" else True

    def facts(self) -> dict[str, str]:
        """What the generated README says the model costs."""
        figures = {
            "flash": self.flash,
            "static RAM": Figure(self.static, "B"),
            "stack": self.stack,
            f"{self.cycles.unit} per call": self.cycles,
        }
        return {
            name: f"{f.value:,}{' ' + f.unit if f.unit == 'B' else ''} ({f.source})"
            for name, f in figures.items()
            if f.value or f.unit == "B"
        }


def report(module: Module, memory: MemoryPlan, target: Target, exported_live: int | None = None) -> Report:
    """The report of a compiled module, everything estimated: nothing has been built. `exported_live`: bytes of a graph's tensors at
    its largest node, as it was exported.
    """
    graph, board = module.predict, target.board
    costs = _costs(module.functions[module.learns], target)
    on_stack = memory.arena if module.arena == "stack" else 0
    apart = sum(one.nbytes for one in memory.arenas if one.limit is not None and one.name != target.own)
    static = memory.arena - apart + memory.state + memory.counts(graph) - on_stack
    buffers = _buffers(module)
    stack = (
        max((c.stack for c in costs), default=0) + on_stack + _joint(graph, board) + (CHECKED if module.learns else 0)
    )
    unit = _unit(board)
    labels = label_function(module)
    buffers += labels.size if labels else 0
    tables = sum(v.type.nbytes for v in graph.of(Storage.CONST)) + (label_bytes(labels, board) if labels else 0)
    flash = sum(c.flash for c in costs) + tables + sum(_schedules(graph, memory).values())
    copied = flash if board.copied else 0
    program = whole(module, board, flash, static, "registry")
    free = empty_share(board, "system" if board.framework_known == "unknown" else "registry")
    return Report(
        model=module.name,
        board=board.name,
        title=board.title,
        optimize=target.optimize,
        numeric=target.numeric,
        flash=Figure(flash, "B"),
        ram=Figure(static + buffers + stack + copied, "B"),
        stack=Figure(stack, "B"),
        cycles=_cycles(module.functions[module.learns], costs, unit),
        static=static,
        buffers=buffers,
        copied=copied,
        framework_flash=board.framework_flash,
        framework_ram=board.framework_ram,
        framework_known=board.framework_known,
        flash_free=board.flash - (free.flash or 0),
        ram_free=board.ram - (free.ram or 0) - board.stack_reserve,
        near=sum(c.near for c in costs) + tables * board.progmem,
        firmware=whole(module, board, flash, static),
        registry=program,
        sketch_fits=_has_room(program, board, stack + copied),
        memory=_memory(memory, module, exported_live),
        layers=tuple(_layers(module, memory, target)),
        apart=board.memories,
    )


def _buffers(module: Module) -> int:
    """Bytes of the caller's inputs and outputs: of a streamed input one row, of one in the arena none."""
    graph = module.predict
    sizes = {
        v.name: v.type.nbytes
        for v in graph.values.values()
        if v.storage in (Storage.INPUT, Storage.OUTPUT) and v.type.shape
    }
    feed = feed_of(module, graph)
    if feed:
        sizes[feed.parameter.value] = sizes[feed.parameter.value] // feed.rows if feed.streamed else 0
    return sum(sizes.values())


def _has_room(program: Firmware, board: Board, stack: int) -> bool | None:
    """Whether a whole program leaves the stack its room; None where its size is not known."""
    if not (program.flash.known and program.ram.known):
        return None
    return program.flash.value <= board.flash and program.ram.value + stack + board.stack_reserve <= board.ram


def _joint(graph: Graph, board: Board) -> int:
    """What a function that calls several kernels has on the stack besides."""
    inlined = board.arch != "avr" and sum(node.op.packs for node in graph.nodes) > 1
    return (JOINT if len(graph.nodes) > 1 else 0) + (INLINED if inlined else 0)


def _unit(board: Board) -> str:
    """What the simulators of the board's architecture count."""
    return "cycles" if board.arch in ("avr", "xtensa", "host") else "instructions"


def _costs(graph: Graph, target: Target) -> list[Cost]:
    """What each node costs; nodes that share a kernel, or functions, have their flash once, with the first."""
    found: list[Cost] = []
    have: set[str] = set()
    for i, node in enumerate(graph.nodes):
        types = graph.types(node.inputs)
        shared = any(same(node.op, other.op) and graph.types(other.inputs) == types for other in graph.nodes[:i])
        cost = node.op.cost(target, *types)
        functions = sum(size for name, size in cost.shared.items() if name not in have)
        have |= cost.shared.keys()
        found.append(replace(cost, flash=functions + (0 if shared else cost.flash)))
    return found


def _tables(graph: Graph) -> list[int]:
    """Bytes of constants that each node reads, with the first that does."""
    seen: set[str] = set()
    found = []
    for node in graph.nodes:
        names = {name for name in node.inputs if graph.values[name].storage is Storage.CONST} - seen
        seen |= names
        found.append(sum(graph.values[name].type.nbytes for name in names))
    return found


def _schedules(graph: Graph, memory: MemoryPlan) -> dict[int, int]:
    """Bytes of the tables that say whose row is next, with the first node of each region."""
    return {region.begin: len(region.schedule) for region in memory.regions(graph)}


def _cycles(graph: Graph, costs: Sequence[Cost], unit: str) -> Figure:
    """The sum, unknown where one is not known; a view is none."""
    every = [
        c.cycles if c.counted and c.cycles else None
        for n, c in zip(graph.nodes, costs, strict=True)
        if not n.op.view and not isinstance(n.op, Arrive)
    ]
    known = [c for c in every if c is not None]
    return Figure.of(sum(known) if known and len(known) == len(every) else None, unit)


def _of_layer(node: Node, cost: Cost, unit: str) -> Figure:
    """What one node takes: nothing where it is a view."""
    known = node.op.view or isinstance(node.op, Arrive) or (cost.counted and cost.cycles)
    return Figure.of(cost.cycles if known else None, unit)


def has_ram(found: Report) -> bool:
    """Whether the board has the RAM, as far as anybody knows, and every memory that was named."""
    return found.ram.value <= found.ram_free and not any(missing(one) for one in found.memory["memories"])


def require_fit(found: Report, loc: Loc, by_rows: Report | None = None, streamed: Report | None = None) -> None:
    """E0501 and E0502 where the board is too small, with what would help. `by_rows`: the same network's report row by row, where that
    was not asked for; `streamed`: with its input given row by row.
    """
    problems = [*_shortages(found, loc, by_rows, streamed)]
    if problems:
        raise McugenError(problems)


def _shortages(found: Report, loc: Loc, by_rows: Report | None, streamed: Report | None) -> Iterator[Diagnostic]:
    for one in found.memory["memories"]:
        if few := missing(one):
            message = f"needs {one['bytes']:,} B of {one['name']}, {few:,} B more than its {one['limit']:,} B"
            yield Diagnostic(
                "E0501", message, "; ".join([*_more_of(found, one, by_rows)]), loc, (*_peak_note(found.memory | one),)
            )
    if found.ram.value > found.ram_free:
        copied = f", copied from flash at the start {found.copied:,} B" if found.copied else ""
        notes: tuple[str, ...] = (
            f"static data {found.static:,} B, the sketch's buffers {found.buffers:,} B, "
            f"stack {found.stack.value:,} B{copied}",
        )
        message = f"needs {found.ram.value:,} B of RAM; {found.title} has {found.ram_free:,} B free"
        notes = (*notes, *_peak_note(found.memory))
        yield Diagnostic("E0501", message, "; ".join([*_less_ram(found, by_rows, streamed)]), loc, notes)
    if found.flash.value > found.flash_free:
        message = f"needs {found.flash.value:,} B of flash; {found.title} has {found.flash_free:,} B free"
        why: tuple[str, ...] = (f"number format {found.numeric_why}",) if found.numeric_why.startswith("auto") else ()
        yield Diagnostic("E0502", message, "; ".join([*_smaller(found)]), loc, why)
    elif found.near > AVR_REACHED:
        message = f"the tables take {found.near:,} B; {found.title} reads {AVR_REACHED:,} B of them"
        ways = dict.fromkeys(way for layer in found.layers for way in layer.smaller)
        help = "; ".join([*ways, "use a board with a 32-bit processor: `mcugen fit MODEL` lists those it fits"])
        notes = ("an 8-bit AVR reads tables through addresses of 16 bits, which end at 64 KiB of flash",)
        yield Diagnostic("E0502", message, help, loc, notes)


def _is_quantised(found: Report) -> bool:
    """Whether a network is in integers already, but for its input or output."""
    return any(layer.op in ("quantize", "dequantize") for layer in found.layers)


def _more_of(found: Report, memory: Mapping[str, Any], by_rows: Report | None) -> Iterator[str]:
    """What helps where a memory is too small."""
    name, nbytes = memory["name"], memory["bytes"]
    yield f"give {name} more bytes, or name one more memory (`--ram`)"
    for one in by_rows.memory["memories"] if by_rows is not None else ():
        if one["name"] == name and one["bytes"] < nbytes:
            yield f"let layers run row by row (leave `--by-rows never` out): {one['bytes']:,} B of {name}"
    floats = sum(one["nbytes"] for one in memory["peak"] if one["type"].endswith(":f32"))
    if 2 * floats > nbytes and not _is_quantised(found):
        yield "quantise the network (`--numeric int8 --data ROWS`): about a quarter of the bytes"


def _peak_note(memory: Mapping[str, Any]) -> Iterator[str]:
    """Which temporaries make the peak, the largest first; of the arena, or of one `memory` that has a name."""
    largest = sorted(memory["peak"], key=lambda one: -one["nbytes"])[:4]
    if largest:
        shown = ", ".join(f"{one['name']} ({one['nbytes']:,} B)" for one in largest)
        way = f", {memory['by_rows']} layers row by row already" if memory["by_rows"] else ""
        what = f"{memory['name']} {memory['bytes']:,}" if "name" in memory else f"arena {memory['arena']:,}"
        yield f"{what} B{way}, most of it live at {memory['peak_at']}: {shown}"


def _less_ram(found: Report, by_rows: Report | None, streamed: Report | None) -> Iterator[str]:
    for one in found.apart if not found.memory["memories"] and found.memory["arena_on"] == "static" else ():
        yield f"let a part of the temporaries lie in its {one.name}: `--ram ram:SIZE,{one.name}:{one.nbytes}`"
    if by_rows is not None and by_rows.ram.value < found.ram.value:
        yield f"let layers run row by row (leave `--by-rows never` out): {by_rows.ram.value:,} B"
    if streamed is not None and streamed.ram.value < min(one.ram.value for one in (found, by_rows) if one):
        yield f"give the input row by row (`--stream-input`): {streamed.ram.value:,} B"
    floats = sum(one["nbytes"] for one in found.memory["peak"] if one["type"].endswith(":f32"))
    floats = min(floats, found.memory["live"])  # rows that are never there at once
    if floats > 100 and 2 * floats > found.memory["live"] and not _is_quantised(found):  # a network of floats
        less = found.ram.value - 3 * (floats + found.buffers) // 4
        yield f"quantise the network (`--numeric int8 --data ROWS`): about {less:,} B"
    yield "use a board with more RAM: `mcugen fit MODEL` lists those it fits"


def _smaller(found: Report) -> Iterator[str]:
    for layer in found.layers:
        least = min(layer.others, key=lambda f: f.cost.flash, default=None)
        if least and least.cost.flash < layer.flash:
            yield f"`--optimize size` takes {found.flash.value - layer.flash + least.cost.flash:,} B"
    yield from dict.fromkeys(way for layer in found.layers for way in layer.smaller)
    yield "use a board with more flash: `mcugen fit MODEL` lists those it fits"


def _memory(memory: MemoryPlan, module: Module, exported_live: int | None) -> dict[str, Any]:
    steps, bound = memory.of(module.predict), module.predict.order_bound
    peak = max(steps, key=lambda step: step.live, default=None)
    live = peak.live if peak else 0
    by_rows = sum(len(step.nodes) for step in steps if step.region)
    bound = None if by_rows else bound  # which is of whole tensors
    return {
        "arena": memory.arena,
        "arena_on": module.arena,
        "by_rows": by_rows,
        "exported_live": live if exported_live is None else exported_live,
        "live": live,
        "memories": memories(module.predict, memory),
        "lower_bound": live if bound is None else bound,
        "order_proven": bound == live,
        "peak_at": module.predict.nodes[peak.nodes[0]].name if peak else "",
        "peak": [*live_at(module.predict, memory, peak.nodes[0])] if peak else [],
    }


def _layers(module: Module, memory: MemoryPlan, target: Target) -> Iterator[Layer]:
    graph = module.predict
    costs, tables, schedules = _costs(graph, target), _tables(graph), _schedules(graph, memory)
    for at, live in ((at, step.live) for step in memory.of(graph) for at in step.nodes):
        node = graph.nodes[at]
        types = graph.types(node.inputs)
        cost, form = costs[at], node.op.form
        yield Layer(
            name=node.name,
            op=node.op.name,
            detail=node.op.describe(),
            shape=", ".join(map(str, graph.types(node.outputs))),
            macc=node.op.macc(*types),
            flash=cost.flash + tables[at] + schedules.get(at, 0),
            cycles=_of_layer(node, cost, _unit(target.board)),
            live=live,
            form=form,
            others=tuple(f for f in node.op.forms(target) if f.name != form),
            smaller=node.op.smaller(),
            loc=str(node.loc),
            node=node.loc.where,
        )
