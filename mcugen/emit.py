"""Module + memory plan + board -> {path: text}. All C is in templates/; this hands them the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from mcugen import __version__
from mcugen.boards import Target
from mcugen.data import templates_dir
from mcugen.ir import DType, Graph, Module, Node, Storage, TensorType, Value
from mcugen.memory.plan import MemoryPlan
from mcugen.op import same

Files = Mapping[str, str]


def emit(module: Module, plan: MemoryPlan, target: Target, *, header: bool = False) -> Files:
    """The C of a module: `src/<name>.h` and `src/<name>.c`, or one `<name>.h` with everything static where `header` is set."""
    from mcugen.templating import environment

    page = _Page(module, plan, target, header).data()
    body = environment().get_template("body.c.j2").render(m=page)
    page.reads_flash = f"{module.name}_flash" in body or f"{page.NAME}_FLASH" in body
    page.flash_widths = [width for width in (8, 16, 32) if f"{module.name}_u{width}(" in body]
    wanted = (
        {f"{module.name}.h": "header.h"} if header else {f"src/{module.name}.{k}": f"model.{k}" for k in ("h", "c")}
    )
    return {
        path: environment().get_template(f"{template}.j2").render(m=page, body=body, version=__version__)
        for path, template in wanted.items()
    }


@dataclass(frozen=True)
class _Page:
    """The data of one generated file."""

    module: Module
    plan: MemoryPlan
    target: Target
    header: bool

    def data(self) -> SimpleNamespace:
        name, board = self.module.name, self.target.board
        kernels, functions = self._kernels(), [self._function(graph) for graph in self.module.functions]
        labels = label_function(self.module)
        return SimpleNamespace(
            name=name,
            NAME=name.upper(),
            guard=f"{name.upper()}_H",
            header=self.header,
            linkage="static inline " if self.header else "",
            progmem=board.progmem,
            summary=summary(self.module),
            board=board.title,
            cost=f"{self.plan.arena:,} B of static RAM",
            macros=[*interface_macros(self.module)],
            includes=sorted({inc for node in self.module.nodes for inc in node.op.includes} | {"stdint.h"}),
            constants=[self._constant(v) for v in self.module.predict.of(Storage.CONST)],
            arena=self.plan.arena,
            arena_type="uint32_t",
            arena_words=(self.plan.arena + 3) // 4,
            kernels=kernels,
            functions=functions,
            labels=labels,
        )

    def _fn(self, node: Node) -> str:
        """The C function of a node: nodes of the same kernel share one, named after the op, numbered where there are more."""
        distinct: list[Node] = []
        for other in self.module.nodes:
            if other.op.name == node.op.name and not any(self._shared(other, d) for d in distinct):
                distinct.append(other)
        number = next(i for i, d in enumerate(distinct) if self._shared(node, d))
        return f"{self.module.name}_{node.op.name}{number or ''}"

    def _shared(self, left: Node, right: Node) -> bool:
        def types(node: Node) -> list[tuple[TensorType, bool]]:
            values = [self._value(n) for n in (*node.inputs, *node.outputs)]
            return [(v.type, v.storage is Storage.CONST) for v in values]

        return same(left.op, right.op) and types(left) == types(right)

    def _value(self, name: str) -> Value:
        return next(graph.values[name] for graph in self.module.functions if name in graph.values)

    def _kernels(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for node in self.module.nodes:
            found.setdefault(self._fn(node), self._node(node))
        return [*found.values()]

    def _node(self, node: Node) -> dict[str, Any]:
        return {
            "fn": self._fn(node),
            "name": self.module.name,
            "progmem": self.target.board.progmem,
            "template": template_of(node),
            "op": SimpleNamespace(**node.op.render()),
            "in_types": [self._value(n).type for n in node.inputs],
            "out_types": [self._value(n).type for n in node.outputs],
            "in_flash": [self._value(n).storage is Storage.CONST for n in node.inputs],
            "ins": [self._expression(self._value(n)) for n in node.inputs],
            "outs": [self._expression(self._value(n)) for n in node.outputs],
        }

    def _expression(self, value: Value) -> str:
        """How the C names a value: a parameter, a local (declared here), a table in flash, or a place in the arena."""
        if value.storage is Storage.CONST:
            return f"(const {self.module.name}_flash *){self.module.name}_{value.name}"
        if value.storage is Storage.TEMP:
            offset = self.plan.places[value.name].offset
            return f"({value.type.dtype.c} *)({self.module.name}_arena + {offset // 4})"
        scalar = value.storage is Storage.OUTPUT and value.type.shape == ()
        returned = scalar and signature(self.module, self._graph_of(value)).result == value.name
        return f"const {'int' if value.labels else value.type.dtype.c} {value.name}" if returned else value.name

    def _graph_of(self, value: Value) -> Graph:
        return next(graph for graph in self.module.functions if value.name in graph.values)

    def _constant(self, value: Value) -> dict[str, Any]:
        return {
            "ctype": value.type.dtype.c,
            "c": f"{self.module.name}_{value.name}",
            "size": value.type.size,
            "data": value.data,
        }

    def _function(self, graph: Graph) -> dict[str, Any]:
        interface = signature(self.module, graph)
        return {
            "comment": interface.comment,
            "prototype": interface.prototype,
            "steps": [self._node(graph.nodes[step.node]) for step in self.plan.calls(graph)],
            "result": interface.result,
        }


def template_of(node: Node) -> str:
    """The template of a node's op: a file, or the kernel file of a folder where the op has variants."""
    folder = templates_dir() / "ops" / node.op.name
    return f"ops/{node.op.name}/kernel.c.j2" if folder.is_dir() else f"ops/{node.op.name}.c.j2"


@dataclass(frozen=True)
class Signature:
    """A function of the generated C: its prototype, what its comment says and what it returns."""

    prototype: str
    comment: str
    result: str


def signature(module: Module, graph: Graph) -> Signature:
    """The public C function of a graph: `predict` for a class or a number, `predict_proba`, or `run` for tensors."""
    name = module.name
    outputs = graph.of(Storage.OUTPUT)
    scalars = [v for v in outputs if v.type.shape == ()]
    tensors = [v for v in outputs if v.type.shape != ()]
    arguments = [f"const {_declare(v)}" for v in graph.of(Storage.INPUT)] + [_declare(v) for v in tensors]
    if len(scalars) == 1 and scalars[0].labels is not None:
        index = scalars[0].name
        verb = "predict_proba" if tensors else "predict"
        says = "The class's index; " + (
            "fills the probabilities of all classes." if tensors else f"the label: {name}_label."
        )
        return Signature(f"int {name}_{verb}({', '.join(arguments)})", says, index)
    if len(scalars) == 1 and not tensors and scalars[0].type.dtype is DType.F32:
        value = scalars[0].name
        return Signature(f"float {name}_{graph.name}({', '.join(arguments)})", "The predicted number.", value)
    arguments += [f"{v.type.dtype.c} *{v.name}" for v in scalars]
    return Signature(f"int {name}_run({', '.join(arguments)})", "Always 0.", "0")


def _declare(value: Value) -> str:
    return f"{value.type.dtype.c} {value.name}[{value.type.size}]"


def interface_macros(module: Module) -> list[tuple[str, int, str]]:
    """The macros of the public header: counts that a caller sizes buffers with."""
    prefix, graph = module.name.upper(), module.predict
    rows = [(f"{prefix}_FEATURES", v.type.size, "") for v in graph.of(Storage.INPUT)[:1]]
    rows += [(f"{prefix}_CLASSES", len(v.labels), "") for v in graph.of(Storage.OUTPUT) if v.labels is not None]
    labels = label_function(module)
    if labels and labels.kind == "strings":
        rows.append((f"{prefix}_LABEL_SIZE", labels.size, "bytes of the longest label with its end"))
    return rows


def label_function(module: Module) -> SimpleNamespace | None:
    """What turns a class's index into the user's label; None where nothing is labelled."""
    labels = next((v.labels for v in module.predict.of(Storage.OUTPUT) if v.labels is not None), None)
    if labels is None:
        return None
    name = module.name
    if any(isinstance(label, str) for label in labels):
        size = max(len(str(label).encode()) for label in labels) + 1
        comment = f"The label of class i, copied to buf of at least {name.upper()}_LABEL_SIZE bytes; returns buf."
        prototype = f"const char *{name}_label(int i, char *buf)"
        return SimpleNamespace(
            kind="strings", prototype=prototype, comment=comment, values=[str(v) for v in labels], size=size
        )
    values = [int(v) for v in labels]
    return _integer_labels(name, values)


def _integer_labels(name: str, values: list[int]) -> SimpleNamespace:
    bits = next(b for b in (8, 16, 32, 64) if all(-(1 << (b - 1)) <= v < 1 << (b - 1) for v in values))
    returns = "int64_t" if bits == 64 else "int32_t"
    kind = "index" if values == [*range(len(values))] else "integers"
    prototype = f"{returns} {name}_label(int i)"
    return SimpleNamespace(
        kind=kind,
        prototype=prototype,
        comment="The label of class i.",
        values=values,
        ctype=f"int{bits}_t",
        bits=bits,
        returns=returns,
    )


def summary(module: Module) -> str:
    """One line on what the model is."""
    graph = module.predict
    takes = ", ".join(str(v.type) for v in graph.of(Storage.INPUT))
    gives = ", ".join(str(v.type) for v in graph.of(Storage.OUTPUT))
    ops = ", ".join(
        f"{node.op.name} ({node.op.describe()})" if node.op.describe() else node.op.name for node in graph.nodes
    )
    return f"{ops}; {takes} -> {gives}"
