"""What a caller of the generated C sees: its functions, the macros to size buffers with, and the labels."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from mcugen.ir import Array, DType, Graph, Label, Module, Storage, Value
from mcugen.ops.arrive import Arrive
from mcugen.ops.draw import Draw
from mcugen.ops.drop_pairs import DropPairs
from mcugen.symbols import locals_of, remark, rests_of

Does = Literal["label", "proba", "decision", "value", "values", "labels", "transform", "run"]
LITERAL = 4_095  # characters of the longest string literal that C99 promises
LISTED = 6  # nodes that the summary names one by one
STATE = "s"  # what functions call the caller's state
LARGEST = 1e15  # a feature that a trainer takes: its square, times as many as there are, is a float32
INT64 = range(-(2**63), 2**63)
COUNTS = {
    "decision": "DECISIONS",
    "transform": "OUTPUTS",
    "value": "VALUES",
    "label": "ANSWERS",
}  # of outputs that have neither a number a class nor one in all


@dataclass(frozen=True)
class Parameter:
    """A parameter of a C function: the value it stands for, its name and element type, its number of elements."""

    value: str
    name: str
    ctype: str
    size: int
    scalar: bool
    out: bool


@dataclass(frozen=True)
class Signature:
    """A function of the generated C: what it does and returns (a value of the graph; None for 0) and what it takes: first, where
    STATE is the caller's, where that is (`state`, as C declares it).
    """

    symbol: str
    does: Does
    returns: str
    result: str | None
    parameters: tuple[Parameter, ...]
    state: str = ""

    @property
    def prototype(self) -> str:
        """The C prototype, without its semicolon."""
        return _prototypes("function", self)


@dataclass(frozen=True)
class Feed:
    """How a network's input comes where the function does not take it: an element's type, and how many rows of how many elements.

    streamed  each row goes to `<name>_push_row`; else all of them are written to where `<name>_input` points
    shape     of the whole, channels last
    """

    name: str
    parameter: Parameter
    streamed: bool
    shape: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How often the caller has something to give."""
        return self.shape[0] if self.streamed else 1

    @property
    def symbol(self) -> str:
        """The function that takes a row, or says where to write."""
        return f"{self.name}_{'push_row' if self.streamed else 'input'}"

    @property
    def prototypes(self) -> tuple[str, ...]:
        """The C prototypes, without semicolons."""
        return tuple(_prototypes("feed", self).split("\n\n"))


def feed_of(module: Module, graph: Graph) -> Feed | None:
    """How a function's input comes; None where it is a parameter."""
    for node in graph.nodes:
        if isinstance(node.op, Arrive):
            taken, made = (graph.values[name] for name in (node.inputs[0], node.outputs[0]))
            shape, streamed = made.type.shape, node.op.streamed
            size = made.type.size // shape[0] if streamed else made.type.size
            name = local_names(graph)[taken.name]
            parameter = Parameter(taken.name, name, made.type.dtype.c, size, scalar=False, out=False)
            return Feed(module.name, parameter, streamed, shape)
    return None


def as_given(module: Module, inputs: Sequence[Array]) -> list[Array]:
    """Inputs (rows, *their shapes) as a caller of the C gives them: pixels with their channels innermost where they come into the arena."""
    graph, found = module.predict, [np.asarray(one) for one in inputs]
    for node in graph.nodes:
        if isinstance(node.op, Arrive):
            at = [v.name for v in graph.of(Storage.INPUT)].index(node.inputs[0])
            order = node.op.order(*graph.types(node.inputs))
            found[at] = found[at].reshape(len(found[at]), -1)[:, order].reshape(found[at].shape)
    return found


def signature(module: Module, graph: Graph) -> Signature:
    """The public C function of a graph: `predict` for a class or a number, `predict_proba`, `decision`, `transform`, or `run`
    for tensors.
    """
    outputs = graph.of(Storage.OUTPUT)
    scalars = [v for v in outputs if v.type.shape == ()]
    tensors = [v for v in outputs if v.type.shape != ()]
    result = _returned(scalars, tensors)
    names = local_names(graph)
    fed = feed_of(module, graph)
    taken = [
        _parameter(v, names, out=False) for v in graph.of(Storage.INPUT) if fed is None or v.name != fed.parameter.value
    ]
    given = [_parameter(v, names, out=True) for v in (*tensors, *scalars) if v is not result]
    does = _does(result, tensors)
    returns = "float" if does == "value" else "int"
    symbol = f"{module.name}_{_verb(module, graph, does)}"
    own = module.state != "static"
    state = f"{'' if graph.state else 'const '}{module.name}_state *{STATE}" if own else ""
    return Signature(symbol, does, returns, result.name if result else None, (*taken, *given), state)


def local_names(graph: Graph) -> dict[str, str]:
    """What the C calls each value of a function: parameters keep their names before temporaries do."""
    order = (Storage.INPUT, Storage.OUTPUT, Storage.TEMP)
    return locals_of(v.name for storage in order for v in graph.of(storage))


def _returned(scalars: Sequence[Value], tensors: Sequence[Value]) -> Value | None:
    """The one number that a function can return; a class's index even beside tensors."""
    if len(scalars) != 1:
        return None
    labelled = scalars[0].labels is not None
    return scalars[0] if labelled or (not tensors and scalars[0].type.dtype is DType.F32) else None


def asked(does: Does) -> str:
    """The output that a function was made for: several values or labels are asked for as one is."""
    return {"values": "value", "labels": "label"}.get(does, does)


def _does(result: Value | None, tensors: Sequence[Value]) -> Does:
    if result is None:
        only = tensors[0] if len(tensors) == 1 else None
        if only is None or only.name not in _SEVERAL or bool(only.tables) != (only.name == "label"):
            return "run"
        return _SEVERAL[only.name]
    if result.labels is None:
        return "value"
    if not tensors:
        return "label"
    return "decision" if tensors[0].name == "decision" else "proba"


def _verb(module: Module, graph: Graph, does: Does) -> str:
    if module.state != "static":
        return f"op_{graph.name}"  # what the caller has checks what it gives these
    if graph is not module.predict:
        return "learn" if graph.name == "learn" else f"run_{rests_of([graph.name])[graph.name]}"
    return _VERBS[does]


_SEVERAL: dict[str, Does] = {"transform": "transform", "value": "values", "label": "labels"}  # of one tensor
_VERBS: dict[Does, str] = {
    "label": "predict",
    "proba": "predict_proba",
    "decision": "decision",
    "value": "predict",
    "values": "predict",
    "labels": "predict",
    "transform": "transform",
    "run": "run",
}


def _parameter(value: Value, names: dict[str, str], *, out: bool) -> Parameter:
    kind = value.type
    return Parameter(value.name, names[value.name], kind.dtype.c, kind.size, kind.shape == (), out)


def interface_macros(module: Module) -> list[tuple[str, int | str, str]]:
    """The macros of the public header: counts that a caller sizes buffers with."""
    prefix, graph = module.name.upper(), module.predict
    rows: list[tuple[str, int | str, str]] = [
        (f"{prefix}_FEATURES", v.type.size, "") for v in graph.of(Storage.INPUT)[:1]
    ]
    feed = feed_of(module, graph)
    if feed and feed.streamed:
        rows.append((f"{prefix}_ROWS", feed.rows, "that make an input"))
        rows.append((f"{prefix}_ROW", feed.parameter.size, "elements of a row"))
        rows.append((f"{prefix}_E_ROWS", "(-1)", "not all of them have come"))
    if module.state != "static":
        learning = learning_of(module)
        codes = (*REFUSED, GONE) if "ask" in learning.functions else REFUSED
        rows += [(f"{prefix}_{name}", code, says) for name, code, says in codes]
        if learning.replays:
            rows.append((f"{prefix}_REPLAYS", learning.replays, "samples that are learnt again after each row"))
        rows.append((f"{prefix}_STATE", learning.nbytes, "bytes of what is learnt"))
        if "save" in learning.functions:
            rows.append((f"{prefix}_SCHEMA", f"0x{learning.schema:08X}u", "of a saved state"))
    labels = label_function(module)
    if module.state != "static":
        rows.append((f"{prefix}_CLASSES", learning_of(module).classes, ""))
    elif labels:
        rows.append((f"{prefix}_CLASSES", labels.classes, "of the answer that has most" if labels.firsts else ""))
    counts = ((count_of(module, v.name), v.type.size) for v in graph.of(Storage.OUTPUT))
    rows += [(f"{prefix}_{count}", size, "") for count, size in counts if count not in ("", "CLASSES")]
    if labels and labels.kind == "strings":
        rows.append((f"{prefix}_LABEL_SIZE", labels.size, "bytes of the longest label with its end"))
    return rows


@dataclass(frozen=True)
class LabelFunction:
    """What turns a class's index into the user's label.

    kind     "index": label i is i; "integers": from a table; "strings": copied from flash to the caller's buffer
    values   the labels as the C gives them, int or str
    returns  the C type that comes back
    bits     of an entry of the table of integers; 8 for strings
    size     bytes of the longest string with its end; 0 for integers
    numbers  whether the strings are numbers that no integer type holds
    verb     what the function is called: a trainer's `label` takes one
    answers  of several answers how many there are: the function takes which; 0 for one
    firsts   where the labels of each answer begin in `values`, and where the last ones end; empty where all have the same
    """

    name: str
    kind: Literal["index", "integers", "strings"]
    values: tuple[int, ...] | tuple[str, ...]
    returns: str
    bits: int
    size: int = 0
    numbers: bool = False
    verb: str = "label"
    answers: int = 0
    firsts: tuple[int, ...] = ()

    @property
    def classes(self) -> int:
        """How many an answer has at most."""
        return max((b - a for a, b in pairwise(self.firsts)), default=len(self.values))

    @property
    def prototype(self) -> str:
        """The C prototype, without its semicolon."""
        return _prototypes("label", self)

    @property
    def nbytes(self) -> int:
        """Bytes of the table in flash."""
        firsts = len(self.firsts) * (1 if len(self.values) < 256 else 2)
        if self.kind == "strings":
            return firsts + sum(len(str(v).encode()) + 1 for v in self.values) + 1  # the empty one for what is no class
        return firsts + len(self.values) * self.bits // 8 if self.kind == "integers" else 0

    @property
    def pieces(self) -> tuple[tuple[str, ...], ...] | None:
        """The strings, each as literals of a line; None where all of them are longer than a literal may be."""
        return tuple(_pieces(str(v)) for v in self.values) if self.nbytes <= LITERAL else None

    @property
    def characters(self) -> Iterator[list[int]]:
        """The strings as the bytes of each, its end included."""
        return ([*str(v).encode(), 0] for v in self.values)


def count_of(module: Module, name: str) -> str:
    """What the macro that counts an output's numbers is called; "" where there is none. A graph may give another number of
    probabilities than it has labels: one of these may stand for what is no class.
    """
    outputs = module.predict.of(Storage.OUTPUT)
    sizes = [v.type.size for v in outputs if v.name == name and v.type.shape != ()]
    if not sizes:
        return ""
    classes = {len(v.labels) for v in outputs if v.labels is not None}
    return ("CLASSES" if classes == {*sizes} else "PROBAS") if name == "proba" else COUNTS.get(name, "")


REFUSED = (
    ("E_INPUT", "(-2)", "a feature is NaN or too large"),
    ("E_LABEL", "(-3)", "there is no such class"),
    ("E_BUSY", "(-4)", "the state is being saved"),
)  # codes of a trainer's functions
GONE = ("E_TICKET", "(-5)", "the row is no longer kept")


@dataclass(frozen=True)
class Learning:
    """What a trainer's functions take: the row as `predict` has it, and which classes a label may be of (0 up to `classes`).

    functions  of what they do: init, reset, predict, learn, and what the state has the fields for
    fields     of the state that hold more than numbers: their elements
    replays    samples that are learnt again after each row
    schema     tells states of this trainer from others
    nbytes     of the state
    least      rows that have to be learnt before pairs of classes are dropped
    limit      the largest feature of float32 that is taken
    """

    row: Parameter
    classes: int
    functions: tuple[str, ...]
    fields: Mapping[str, int]
    replays: int
    schema: int
    nbytes: int
    least: int = 0
    limit: float = LARGEST

    @property
    def is_float(self) -> bool:
        """Whether a feature may be no number."""
        return self.row.ctype == "float"


def learning_of(module: Module) -> Learning:
    """What the functions of a trainer need to know of its graphs."""
    graph = module.predict
    row = next(p for p in signature(module, graph).parameters if not p.out)
    labels = next(v.labels for v in graph.of(Storage.OUTPUT) if v.labels) or ()
    kept = {v.name: v.type for v in graph.of(Storage.STATE)}
    draws = [node.op.replays for node in module.nodes if isinstance(node.op, Draw)]
    has = {
        "stats": "seen",
        "confusion": "confusion",
        "drift": "alarm",
        "drop": "live",
        "ask": "tickets",
        "label": "tickets",
    }
    also = tuple(name for name, field in has.items() if field in kept)
    drops = [node.op.least for node in module.nodes if isinstance(node.op, DropPairs)]
    stored = ("save", "load") if module.state == "stored" else ()
    constants = [v for graph in module.functions for v in graph.of(Storage.CONST)]
    pairs = {str(v.data.tolist()) for v in constants if v.name == "pairs" and v.data is not None}  # all the same
    layout = f"{[(name, str(kept[name])) for name in sorted(kept)]} {labels} {row.ctype}{''.join(pairs)}"
    return Learning(
        row,
        len(labels),
        ("init", "reset", "predict", "learn", *also, *stored),
        {name: type.size for name, type in kept.items()},
        draws[0] if draws else 0,
        zlib.crc32(layout.encode()),
        sum(type.nbytes for type in kept.values()),
        drops[0] if drops else 0,
    )


def label_function(module: Module) -> LabelFunction | None:
    """The label function of a module; None where nothing is labelled.

    Labels that are whole numbers are integers, True and False 1 and 0. Where one is not (1.5, 1e30), all are text.
    """
    value = next((v for v in module.predict.of(Storage.OUTPUT) if v.tables), None)
    if value is None:
        return None
    if module.state != "static":
        found = label_function(replace(module, state="static"))
        return None if found is None or found.kind == "index" else replace(found, verb="class")
    tables = value.tables
    if value.labels is not None:
        return _labels(module.name, value.labels)
    same = len({*tables}) == 1 or all(_labels("", one).kind == "index" for one in tables)
    found = _labels(module.name, max(tables, key=len) if same else tuple(label for one in tables for label in one))
    firsts = () if same else tuple(int(at) for at in np.cumsum([0, *map(len, tables)]))
    return replace(found, answers=len(tables), firsts=firsts)


def _labels(name: str, labels: Sequence[Label]) -> LabelFunction:
    if all(_is_whole(label) for label in labels):
        return _integers(name, tuple(int(label) for label in labels))
    texts = tuple(_text(label) for label in labels)
    longest = max(len(text.encode()) for text in texts)
    numbers = not any(isinstance(label, str) for label in labels)
    return LabelFunction(name, "strings", texts, "const char *", 8, longest + 1, numbers)


def _integers(name: str, values: tuple[int, ...]) -> LabelFunction:
    bits = next(b for b in (8, 16, 32, 64) if all(-(1 << (b - 1)) <= v < 1 << (b - 1) for v in values))
    kind: Literal["index", "integers"] = "index" if values == (*range(len(values)),) else "integers"
    return LabelFunction(name, kind, values, "int64_t" if bits == 64 else "int32_t", bits)


def _is_whole(label: Label) -> bool:
    if isinstance(label, float):
        return label.is_integer() and int(label) in INT64
    return not isinstance(label, str) and int(label) in INT64


def _text(label: Label) -> str:
    """A label as C can hold it: UTF-8 has no lone surrogates, and a NUL would end it; its picture stands for it."""
    text = repr(float(label)) if isinstance(label, float) else str(label)
    return text.encode(errors="replace").decode().replace("\0", "␀")


def _pieces(text: str) -> tuple[str, ...]:
    """The parts of a text that each fit a line as a literal of C."""
    from mcugen.templating import COLUMNS, c_str

    parts, width = [""], 0
    for letter in text:
        width += len(c_str(letter)) - 2
        if width > COLUMNS - 12:  # the margin, the quotes, and "\0" behind the last
            parts.append("")
            width = len(c_str(letter)) - 2
        parts[-1] += letter
    return tuple(parts)


def summary(module: Module) -> str:
    """One line on what the model is, fit for a comment."""
    graph = module.predict
    takes = ", ".join(str(v.type) for v in graph.of(Storage.INPUT))
    gives = ", ".join(str(v.type) for v in graph.of(Storage.OUTPUT))
    return remark(f"{_ops(graph)}; {takes} -> {gives}")


def _ops(graph: Graph) -> str:
    if len(graph.nodes) > LISTED:
        counts = Counter(node.op.name for node in graph.nodes)
        return f"{len(graph.nodes)} nodes: {', '.join(f'{n} {name}' for name, n in counts.items())}"
    details = ((node.op.name, node.op.describe()) for node in graph.nodes)
    return ", ".join(f"{name} ({detail})" if detail else name for name, detail in details)


def _prototypes(macro: str, of: Signature | LabelFunction | Feed) -> str:
    from mcugen.templating import environment

    return str(getattr(environment().get_template("prototypes.c.j2").module, macro)(of)).strip()
