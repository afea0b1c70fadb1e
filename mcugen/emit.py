"""Module + memory plan + board -> {path: text}. All C is in templates/; this hands them the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from mcugen import __version__
from mcugen.boards import Target
from mcugen.data import templates_dir
from mcugen.diagnostics import Diagnostic, McugenError
from mcugen.interface import (
    STATE,
    Feed,
    Signature,
    feed_of,
    interface_macros,
    label_function,
    learning_of,
    local_names,
    signature,
    summary,
)
from mcugen.ir import Graph, Module, Node, Storage, TensorType, Value
from mcugen.memory.dead import before_calls, parted
from mcugen.memory.live import is_free, views
from mcugen.memory.plan import ARENA, Memory, MemoryPlan
from mcugen.memory.rows import Region, counter, is_given
from mcugen.op import same
from mcugen.ops.arrive import Arrive
from mcugen.symbols import remark, rests_of

Files = Mapping[str, str]
AVR_OBJECT = 32_767  # bytes of the largest object that avr-gcc takes


def emit(
    module: Module,
    plan: MemoryPlan,
    target: Target,
    *,
    header: bool = False,
    facts: Mapping[str, str] | None = None,
) -> Files:
    """The C of a module: `src/<name>.h` and `src/<name>.c`, or one `<name>.h` with everything static where `header` is set.

    facts  what the comment at the top says the model costs, in order: {"flash": "4,096 B"}
    E0303 where a table is larger than the board's compiler takes.
    """
    page = _Page(module, plan, target).data()
    page.header = header
    page.facts = {remark(name): remark(fact) for name, fact in (facts or {}).items()}
    _check_tables(page)
    body = _render("body.c.j2", m=page)
    page.uses = set(re.findall(rf"\b(?:{page.name}|{page.NAME})_(\w+)", body))
    page.includes = _includes(module, page.uses, body)
    wanted = (
        {f"{module.name}.h": "header.h"} if header else {f"src/{module.name}.{k}": f"model.{k}" for k in ("h", "c")}
    )
    return {path: _tidy(_render(f"{name}.j2", m=page, body=body, version=__version__)) for path, name in wanted.items()}


def check_header(module: Module, plan: MemoryPlan, target: Target) -> Files:
    """`test/<name>_check.h`, with which the C compiled with -DMCUGEN_CHECK spoils bytes of its arena that nobody needs any more; nothing
    where there is no arena.
    """
    page = _Page(module, plan, target).data()
    if not page.check:
        return {}
    before = before_calls(module.predict, plan)
    dead, used = (
        [(at, *part) for at, one in enumerate(before) for whole in getattr(one, what) for part in parted(whole, plan)]
        for what in ("dead", "used")
    )
    dead = dead or [(0, 0, 0, 0)]  # nothing, before the first call: C has no empty tables
    text = _render("check.h.j2", m=page, calls=len(before), dead=dead, used=used, version=__version__)
    return {f"test/{module.name}_check.h": _tidy(text)}


def _render(template: str, **data: object) -> str:
    from mcugen.templating import environment

    return environment().get_template(template).render(data)


def _tidy(text: str) -> str:
    """No blanks at the ends of lines, and one blank line where templates leave several."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)).strip("\n") + "\n"


def _includes(module: Module, uses: set[str], body: str) -> list[str]:
    found = {"stdint.h"}.union(*(node.op.includes for node in module.nodes))
    copies = module.state != "static" or uses & {"float", "product_rest"}
    found |= {"string.h"} if copies else set()
    found |= {"math.h"} if re.search(r"\b(NAN|INFINITY|sqrtf)\b", body) else set()
    return sorted(found)


def _check_tables(page: SimpleNamespace) -> None:
    """E0303 for what avr-gcc would refuse in words that help nobody."""
    sizes = {f"%{c['name']}": c["nbytes"] for c in page.constants}
    sizes |= {"the table of labels": page.labels.nbytes} if page.labels else {}
    large = {what: size for what, size in sizes.items() if page.progmem and size > AVR_OBJECT}
    if large:
        help = "choose a board with a 32-bit processor: `mcugen fit` says which"
        limit = f"an 8-bit AVR takes {AVR_OBJECT:,} B at most"
        raise McugenError(Diagnostic("E0303", f"{what} has {size:,} B; {limit}", help) for what, size in large.items())


def template_of(node: Node) -> str:
    """The template of a node's op: a file, or the kernel file of a folder where the op has variants."""
    folder = templates_dir() / "ops" / node.op.name
    return f"ops/{node.op.name}/kernel.c.j2" if folder.is_dir() else f"ops/{node.op.name}.c.j2"


@dataclass(frozen=True, eq=False)
class _Kernel:
    """A C function that one or several nodes share, with the first of them."""

    fn: str
    graph: Graph
    node: Node

    by_rows: bool

    def serves(self, graph: Graph, node: Node, by_rows: bool) -> bool:
        """Whether it does another node's work too: the same op on the same types, in flash or not, as many rows at once."""
        return (
            by_rows == self.by_rows
            and same(self.node.op, node.op)
            and _types(self.graph, self.node) == _types(graph, node)
        )


def _types(graph: Graph, node: Node) -> list[tuple[TensorType, bool]]:
    values = [graph.values[n] for n in (*node.inputs, *node.outputs)]
    return [(v.type, v.storage is Storage.CONST) for v in values]


@dataclass(frozen=True)
class _Page:
    """The data of one generated file."""

    module: Module
    plan: MemoryPlan
    target: Target

    def data(self) -> SimpleNamespace:
        module = self.module
        functions = {graph.name: _Function(self, graph) for graph in module.functions}
        placed = any(f.placed for f in functions.values())
        return SimpleNamespace(
            name=module.name,
            NAME=module.name.upper(),
            progmem=self.target.board.progmem,
            summary=summary(module),
            board=remark(self.target.board.title),
            macros=interface_macros(module),
            constants=[*map(self._static, self._used(Storage.CONST)), *self._schedules()],
            states=[] if module.state != "static" else [self._static(v) for v in self._used(Storage.STATE)],
            learner=self._learner() if module.state != "static" else None,
            arenas=self.arenas if module.arena == "static" and placed else [],
            # Which kernel's turn it is, is known where one function calls them.
            check=placed and len(functions) == 1 and bool(self.kernels),
            kernels=[functions[k.graph.name].node(k.node) for k in dict.fromkeys(self.kernels.values())],
            functions=[f.data() for f in functions.values()],
            labels=label_function(module),
        )

    def _learner(self) -> dict[str, Any]:
        """What is the caller's to keep, in the order of the struct, and what the functions around the graphs need."""
        places = self.plan.places
        fields = sorted(self._used(Storage.STATE), key=lambda v: places[v.name].offset)
        return {
            "is": learning_of(self.module),
            "fields": [self._field(v) for v in fields],
            "kept": {v.name: self.symbols[v.name] for v in fields},
            "nbytes": self.plan.state,
        }

    def _field(self, value: Value) -> dict[str, Any]:
        """A field of the state, with the literal that all of it begins with, where it is one and not 0."""
        from mcugen.templating import c_array

        found = self._static(value) | {"c": self.symbols[value.name].removeprefix(f"{STATE}->")}
        data = found["data"]
        same = data is not None and len({*np.ravel(data).tolist()}) == 1
        return found | {"same": c_array(np.ravel(data)[:1], indent=0) if same else None}

    @property
    def arenas(self) -> list[dict[str, Any]]:
        """The arrays that temporaries live in."""
        return [self._arena(memory) for memory in self.plan.arenas if memory.nbytes]

    def _arena(self, memory: Memory) -> dict[str, Any]:
        """An array, and the macro that says where it lies, where that was asked for."""
        symbol = self.symbol(memory.name)
        return {
            "c": symbol,
            "name": memory.name,
            "nbytes": memory.nbytes,
            "align": memory.align,
            "natural": self.module.state != "static",
            "macro": symbol.upper() if memory.name != ARENA else "",
            "own": memory.name == self.target.own,
            "board": next((one for one in self.target.board.memories if one.name == memory.name), None),
        }

    def symbol(self, memory: str) -> str:
        """The C symbol of a memory's array."""
        return f"{self.module.name}_arena" if memory == ARENA else f"{self.module.name}_arena_{memory}"

    @cached_property
    def kernels(self) -> Mapping[tuple[str, str], _Kernel]:
        """The kernel of each node, by function and node: named after the op, and numbered where the op has several."""
        found: dict[tuple[str, str], _Kernel] = {}
        distinct: dict[str, list[_Kernel]] = {}
        for graph in self.module.functions:
            owner = views(graph)
            for node in (one for one in graph.nodes if not (is_free(one, owner) or is_given(one))):
                peers = distinct.setdefault(node.op.name, [])
                by_rows = (graph.name, node.name) in self.by_rows
                kernel = next((k for k in peers if k.serves(graph, node, by_rows)), None)
                if kernel is None:
                    kernel = _Kernel(f"{self.module.name}_op_{node.op.name}{len(peers) or ''}", graph, node, by_rows)
                    peers.append(kernel)
                found[graph.name, node.name] = kernel
        return found

    @cached_property
    def by_rows(self) -> frozenset[tuple[str, str]]:
        """The nodes whose kernels make the rows that they are told, by function and node."""
        steps = [(graph, step) for graph in self.module.functions for step in self.plan.of(graph)]
        chosen = [(graph, step) for graph, step in steps if step.backward or step.region]
        return frozenset((graph.name, graph.nodes[at].name) for graph, step in chosen for at in step.nodes)

    def _schedules(self) -> Iterator[dict[str, Any]]:
        """The tables of who makes a row next."""
        for graph in self.module.functions:
            for region in self.plan.regions(graph):
                order = np.array(region.schedule) - region.begin
                yield {
                    "name": "the order of rows",
                    "c": self.schedule(graph, region),
                    "says": f"Which of {region.end - region.begin} layers makes its next row",
                    "ctype": "uint8_t",
                    "size": order.size,
                    "nbytes": order.size,
                    "scalar": False,
                    "data": order.astype(np.uint8),
                }

    def schedule(self, graph: Graph, region: Region) -> str:
        """The C symbol of a region's table, named after its first node."""
        return f"{self.module.name}_rows_{self.firsts[graph.nodes[region.begin].name]}"

    @cached_property
    def firsts(self) -> Mapping[str, str]:
        """What the tables of regions are called, by their first nodes."""
        regions = ((graph, region) for graph in self.module.functions for region in self.plan.regions(graph))
        return rests_of(graph.nodes[region.begin].name for graph, region in regions)

    @cached_property
    def symbols(self) -> Mapping[str, str]:
        """The C symbol of each CONST and STATE value in use; a new STATE value is its old one, overwritten."""
        found: dict[str, str] = {}
        for storage in (Storage.CONST, Storage.STATE):
            rests = rests_of(v.name for v in self._used(storage))
            own = storage is Storage.STATE and self.module.state != "static"
            prefix = f"{STATE}->" if own else f"{self.module.name}_{storage.value}_"
            found |= {name: f"{prefix}{rest}" for name, rest in rests.items()}
        return found | {new: found[old] for graph in self.module.functions for old, new in graph.state}

    def _used(self, storage: Storage) -> list[Value]:
        """The CONST or STATE values that nodes of any function take or replace, each once."""
        found: dict[str, Value] = {}
        for graph in self.module.functions:
            named = {n for node in graph.nodes for n in node.inputs} | {old for old, _ in graph.state}
            found |= {v.name: v for v in graph.of(storage) if v.name in named and v.name not in graph.producer}
        return [*found.values()]

    def _static(self, value: Value) -> dict[str, Any]:
        from mcugen.templating import elements

        symbol, data = self.symbols[value.name], value.data
        initial = data is not None and (value.storage is Storage.CONST or any(data.tobytes()))
        return {
            "name": value.name,
            "c": symbol,
            "says": "" if symbol.endswith(f"_{value.name}") else remark(value.name),
            "ctype": value.type.dtype.c,
            "size": value.type.size,
            "nbytes": value.type.nbytes,
            "scalar": value.type.shape == (),
            "data": elements(data) if initial and data is not None else None,  # static memory begins as 0
        }


@dataclass(frozen=True)
class _Spelt:
    """How the C names a value: a number as it is read and written, a tensor as its first element's address; and any as that."""

    value: str
    pointer: str


@dataclass(frozen=True)
class _Function:
    """A graph as its C function needs it."""

    page: _Page
    graph: Graph

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What its parameters and variables are called."""
        return local_names(self.graph)

    @cached_property
    def interface(self) -> Signature:
        """Its prototype."""
        return signature(self.page.module, self.graph)

    @cached_property
    def taken(self) -> frozenset[str]:
        """The values that some node takes."""
        return frozenset(n for node in self.graph.nodes for n in node.inputs)

    @cached_property
    def views(self) -> Mapping[str, str]:
        """Which values are another one's bytes."""
        return views(self.graph)

    @cached_property
    def feed(self) -> Feed | None:
        """How its input comes, where it is no parameter."""
        return feed_of(self.page.module, self.graph)

    @cached_property
    def streamed(self) -> Region | None:
        """What runs with every row that the caller gives."""
        return self.page.plan.regions(self.graph)[0] if self.feed and self.feed.streamed else None

    def tensors(self, begin: int = 0, end: int | None = None) -> list[Value]:
        """What the nodes there have in the arena, or under another type in the caller's buffers; numbers are variables."""
        nodes = [node for node in self.graph.nodes[begin:end] if not self._is_nothing(node)]
        named = {name for node in nodes for name in (*node.inputs, *node.outputs)}
        return [v for v in self.graph.of(Storage.TEMP) if v.type.shape != () and v.name in named]

    def _is_nothing(self, node: Node) -> bool:
        """Whether a node takes no C: a view, or what the caller has written into the arena."""
        return is_free(node, self.views) or is_given(node)

    @property
    def placed(self) -> list[Value]:
        """Those that the plan gave a place."""
        return [v for v in self.tensors() if v.name in self.page.plan.places]

    def data(self) -> dict[str, Any]:
        """What its template needs."""
        return {
            "interface": self.interface,
            "feed": self._fed(),
            "unused": [p.name for p in self.interface.parameters if not p.out and p.value not in self.taken],
            "arena": self.page.arenas[0] if self.placed and self.page.module.arena == "stack" else None,
            "tensors": [self._placed(v) for v in self.tensors(self.streamed.end if self.streamed else 0)],
            "steps": [*self._steps()],
            "result": "0" if self.interface.result is None else self.names[self.interface.result],
            "index_taken": self.interface.returns == "int" and self.interface.result in self.taken,
        }

    def _fed(self) -> dict[str, Any] | None:
        """How its input comes: the place of it, or what is done with every row."""
        if self.feed is None:
            return None
        if self.streamed is None:
            name = next(node.outputs[0] for node in self.graph.nodes if isinstance(node.op, Arrive))
            return {"is": self.feed, "place": self._placed(self.graph.values[name])}
        tensors = [self._placed(v) for v in self.tensors(self.streamed.begin, self.streamed.end)]
        return {"is": self.feed, "tensors": tensors, "region": self._region(self.streamed)}

    def _steps(self) -> Iterator[dict[str, Any]]:
        for step in self.page.plan.of(self.graph):
            node = self.graph.nodes[step.nodes[0]]
            if step.region is self.streamed and step.region is not None:
                continue  # it has a function of its own
            if step.region is not None:
                yield {"region": self._region(step.region), "variables": []}
            elif not self._is_nothing(node):
                made = self.node(node)
                if step.backward:
                    first, *others = made["out_pointers"]
                    made["out_pointers"] = [_spell("row_at", first, "o", made["row"]), *others]
                yield made | {"region": None, "variables": [*self._variables(node)]}

    def _region(self, region: Region) -> dict[str, Any]:
        """What the loop over a region's schedule needs: a case for every node of it."""
        makers = {self.graph.nodes[at].outputs[0]: at - region.begin for at in range(region.begin, region.end)}
        return {
            "table": self.page.schedule(self.graph, region),
            "count": len(region.schedule),
            "layers": len(makers),
            "rows_t": f"uint{8 * counter(self.graph, region)}_t",
            "cases": [self._case(self.graph.nodes[at], region, makers) for at in range(region.begin, region.end)],
        }

    def _case(self, node: Node, region: Region, makers: Mapping[str, int]) -> dict[str, Any]:
        """A node that makes its next row: where its inputs' rows begin, and where its own one goes."""
        case = self.node(node) | {"begin": "row", "end": "after"}
        reads = node.op.reads(0, *self.graph.types(node.inputs))
        inputs = [name for name, rows in zip(node.inputs, reads, strict=True) if rows]
        held = [(makers.get(name, 0), region.held.get(name)) for name in inputs]
        case["firsts"] = [_spell("first_row", self.page.module.name, maker, one) if one else "0" for maker, one in held]
        made = self.graph.values[node.outputs[0]]
        row, one = made.type.nbytes // made.type.shape[0], region.held.get(made.name)
        pointer = case["out_pointers"][0]
        if one is not None:
            pointer = _spell("place_row", self.page.module.name, pointer, row, one)
        elif made.type.shape[0] > 1:
            pointer = _spell("row_at", pointer, "row", row // made.type.dtype.nbytes)
        return case | {"out_pointers": [pointer, *case["out_pointers"][1:]]}

    def node(self, node: Node) -> dict[str, Any]:
        """What a node's template needs."""
        ins, outs = ([self.graph.values[n] for n in side] for side in (node.inputs, node.outputs))
        spelt_ins, spelt_outs = ([self._spelt(v) for v in side] for side in (ins, outs))
        types = [v.type for v in ins]
        rows = node.op.reads(0, *types)
        kernel = self.page.kernels.get((self.graph.name, node.name))
        return {
            "fn": kernel.fn if kernel else "",
            "name": self.page.module.name,
            "progmem": self.page.target.board.progmem,
            "unroll": self.page.target.optimize != "size" and self.page.target.board.long_product,
            "template": template_of(node),
            "by_rows": kernel is not None and kernel.by_rows,
            "height": outs[0].type.shape[0] if outs[0].type.shape else 1,
            "row": outs[0].type.size // outs[0].type.shape[0] if outs[0].type.shape else 1,
            "row_inputs": [bool(one) for one in rows] or [False] * len(ins),
            "begin": "o",
            "end": "o + 1",
            "firsts": ["0" for one in rows if one],
            "op": SimpleNamespace(**node.op.render(*types)),
            "in_types": types,
            "out_types": [v.type for v in outs],
            "in_flash": [v.storage is Storage.CONST for v in ins],
            "ins": [s.value for s in spelt_ins],
            "outs": [s.value for s in spelt_outs],
            "in_pointers": [s.pointer for s in spelt_ins],
            "out_pointers": [s.pointer for s in spelt_outs],
        }

    def _placed(self, value: Value) -> dict[str, Any]:
        owner = self.views.get(value.name)
        if owner is not None and owner not in self.page.plan.places:
            const = "const " if self.graph.values[owner].storage is Storage.INPUT else ""
            return {"c": self.names[value.name], "ctype": const + value.type.dtype.c, "same": self.names[owner]}
        place = self.page.plan.places[value.name]
        where = {"arena": self.page.symbol(place.memory), "offset": place.offset, "same": ""}
        return {"c": self.names[value.name], "ctype": value.type.dtype.c, **where}

    def _variables(self, node: Node) -> Iterator[dict[str, Any]]:
        """The numbers that a node makes, but for those that the caller gives a place to."""
        for value in (self.graph.values[n] for n in node.outputs):
            returned, taken = value.name == self.interface.result, value.name in self.taken
            if value.type.shape == () and (returned or value.storage is Storage.TEMP):
                yield {
                    "c": self.names[value.name],
                    "ctype": value.type.dtype.c,
                    "index": returned and value.labels is not None,  # an int to the caller
                    "unread": not returned and not taken,
                }

    def _spelt(self, value: Value) -> _Spelt:
        if value.storage is Storage.CONST:
            return _spelling("table", self.page.symbols[value.name], self.page.module.name)
        if value.storage is Storage.STATE:
            return _spelling("scalar" if value.type.shape == () else "tensor", self.page.symbols[value.name])
        given = value.storage is Storage.OUTPUT and value.name != self.interface.result
        kind = "tensor" if value.type.shape != () else "given" if given else "scalar"
        return _spelling(kind, self.names[value.name])


def _spell(macro: str, *arguments: object) -> str:
    """An expression of templates/values.c.j2."""
    from mcugen.templating import environment

    return str(getattr(environment().get_template("values.c.j2").module, macro)(*arguments)).strip()


def _spelling(kind: str, c: str, model: str = "") -> _Spelt:
    return _Spelt(_spell("value", kind, c, model), _spell("pointer", kind, c, model))
