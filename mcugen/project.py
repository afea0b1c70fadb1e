"""The folder that a person gets: the generated C with all that an Arduino library, a PlatformIO project or plain C needs."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from mcugen import __version__
from mcugen.boards import Board, all_boards
from mcugen.diagnostics import error
from mcugen.interface import (
    Does,
    Feed,
    Parameter,
    Signature,
    as_given,
    asked,
    count_of,
    feed_of,
    interface_macros,
    label_function,
    learning_of,
    signature,
)
from mcugen.ir import DType, Graph, Label, Module, Storage, Value
from mcugen.names import check_name
from mcugen.storage import saving, store_files
from mcugen.targets.link import fingerprint, firmware
from mcugen.targets.serial import BAUD
from mcugen.templating import c_floats, environment
from mcugen.vectors import Vectors, unit_tests
from mcugen.verify import other_shape

As = Literal["arduino", "platformio", "header", "c", "zip"]
Content = Mapping[str, str | bytes]

# What the C relies on. -fno-fast-math also takes the sting out of a framework's -Ofast, wherever that stands in the line.
FLAGS = ("-ffp-contract=off", "-fno-fast-math")

# Arduino's architecture names, as the first part of a board's FQBN has them: by PlatformIO platform, else by processor.
_BY_PLATFORM = {
    "atmelavr": "avr",
    "atmelsam": "samd",
    "ststm32": "stm32",
    "nordicnrf52": "nrf52",
    "espressif32": "esp32",
    "raspberrypi": "rp2040",
    "teensy": "avr",
}
_BY_ARCH = {
    "avr": "avr",
    "cortex-m0plus": "samd",
    "cortex-m3": "stm32",
    "cortex-m4f": "nrf52",
    "cortex-m7": "stm32",
    "xtensa": "esp32",
    "riscv32": "esp32",
}
_LISTED = 64  # labels that a README lists before it says how many more there are


@dataclass(frozen=True)
class Variable:
    """A variable of the sketch that holds an input or an output of the model."""

    name: str
    scalar: bool


@dataclass(frozen=True)
class Api:
    """What a caller of the generated C sees.

    feed    how the input comes, where it is no parameter of the function
    row     the row of features: a parameter, or what `feed` takes
    index   the C variable that holds the class's index; empty where there is none to give to `<name>_label`
    labels  what `<name>_label` gives: text, int32_t or int64_t; empty for a value
    count   what the macro of the output's numbers is called behind the prefix; empty where there is none
    limits  the least and the largest whole number that a row may have; None for floats
    missing whether a row may have NAN for what is missing
    memory_in, memory_out  the sketch's variables, in the order of the graph
    """

    name: str
    function: Signature
    feed: Feed | None
    row: Parameter
    index: str
    features: int
    classes: int  # of the answer that has most; 0 for a value
    labels: str
    count: str
    limits: tuple[int, int] | None
    missing: bool
    label_lines: tuple[str, ...]
    functions: tuple[str, ...]
    macros: tuple[str, ...]
    memory_in: tuple[Variable, ...]
    memory_out: tuple[Variable, ...]

    @property
    def kind(self) -> Does:
        """What the function does."""
        return self.function.does

    @property
    def inputs(self) -> list[Parameter]:
        """The parameters that the model reads; the first is the row of features, unless that comes in another way."""
        return [p for p in self.function.parameters if not p.out]

    @property
    def outputs(self) -> list[Parameter]:
        """The parameters that the model fills in."""
        return [p for p in self.function.parameters if p.out]

    @property
    def macro(self) -> str:
        """The prefix of the macros: `DIGITS` in `DIGITS_FEATURES`."""
        return self.name.upper()

    @property
    def example(self) -> str:
        """The name of the example sketch."""
        return self.name[0].upper() + self.name[1:]

    @property
    def summary(self) -> str:
        """The model in a few words, without a final full stop."""
        gives = {
            "label": f"one of {self.classes} classes",
            "proba": f"the probabilities of {self.classes} classes",
            "decision": f"one of {self.classes} classes and the decision function",
            "value": "a value",
            "values": _numbers(sum(p.size for p in self.outputs)),
            "labels": f"a class of each of {sum(p.size for p in self.outputs)} answers",
            "transform": _numbers(sum(p.size for p in self.outputs)),
            "run": _numbers(sum(p.size for p in self.outputs)),
        }
        return f"A model that takes {_numbers(sum(p.size for p in self.inputs))} and gives {gives[self.kind]}"


def _numbers(count: int) -> str:
    return "1 number" if count == 1 else f"{count} numbers"


def layout(
    module: Module,
    files: Mapping[str, str],
    board: Board,
    as_: As,
    sample: Sequence[float] | None = None,
    facts: Mapping[str, str] | None = None,
    vectors: Vectors | None = None,
    missing: bool = True,
    check: Mapping[str, str] = MappingProxyType({}),
) -> Content:
    """The complete folder as {path with slashes: text or bytes}; the same input gives the same bytes.

    files   what the emitter made: `src/<name>.h` and `src/<name>.c`; for "header" the one `<name>.h`
    sample  a row of the model's input for the sketch to try; E0110 where it is no such row
    facts   what the README says the model costs, in order: {"flash": "4,096 B"}
    vectors rows with the model's answers, for unit tests in `test/`
    missing whether the model takes rows in which something is missing
    check   what the emitter made for -DMCUGEN_CHECK, in `test/` too
    Raises E0111 for a name that C or Arduino does not take, E0901 for "platformio" on a board without PlatformIO.
    """
    check_name(module.name)
    api = _api(module, missing)
    learns = _learns(module, board) if module.learns else {}
    files = {**files, **learns.get("store", {})}
    values = {
        "api": api,
        "board": board,
        "form": "arduino" if as_ == "zip" else as_,
        "layers": _layers(module.functions[module.learns]),
        "keeps_state": bool(module.predict.of(Storage.STATE)),
        "facts": dict(facts or {}),
        "sample": _sample(sample, api, module),
        "hash": fingerprint(files),
        "flags": FLAGS,
        "baud": BAUD,
        "architecture": _architecture(board),
        "keywords": _keywords(api),
        "vectors": vectors and replace(vectors, rows=_ordered(vectors.rows, api, module)),
        "check": check,
        "simulated": _is_simulated(board),
        "version": __version__,
        "sketch": "trainer.cpp" if learns else "sketch.cpp",
        "readme": "trainer.md" if learns else "README.md",
        "beside": {} if learns else firmware(),
        **learns,
    }
    if as_ == "zip":
        return {f"{api.name}.zip": _zipped(api.name, _arduino(files, values))}
    return dict(sorted(_FORMS[as_](files, values).items()))


def _learns(module: Module, board: Board) -> dict[str, Any]:
    """What the templates of a trainer need besides, and the files that save its state."""
    learning, graph = learning_of(module), module.predict
    kept = saving(sum(v.type.nbytes for v in graph.of(Storage.STATE)), board)
    stored = module.state == "stored"
    return {
        "learning": learning,
        "scales": any(node.op.name == "standardise" for node in graph.nodes),
        "saving": str(kept) if stored else "",
        "keeps": kept.kept if stored and kept.slots and board.storage and board.storage.kind != "file" else None,
        "safe": kept.safe,
        "store": {f"src/{name}": text for name, text in store_files(board).items()} if stored else {},
    }


def _arduino(files: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    example = values["api"].example
    return {
        **files,
        "library.properties": _render("library.properties", values),
        "keywords.txt": _render("keywords.txt", values),
        f"examples/{example}/{example}.ino": _render(values["sketch"], values),
        **{f"examples/{example}/{name}": text for name, text in values["beside"].items()},
        "README.md": _render(values["readme"], values),
        **_tests(files, values, "../src"),
    }


def _platformio(files: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    board: Board = values["board"]
    if board.platformio is None:
        raise error(
            "E0901",
            f"PlatformIO builds nothing for '{board.name}'",
            help="choose a board that PlatformIO knows (`mcugen boards` lists them), or plain C with --as c",
        )
    library = f"lib/{values['api'].name}"
    return {
        **{f"{library}/{path}": text for path, text in files.items()},
        f"{library}/library.json": _render("library.json", values),
        "src/main.cpp": _render(values["sketch"], values),
        **{f"src/{name}": text for name, text in values["beside"].items()},
        "platformio.ini": _render("platformio.ini", values),
        "README.md": _render(values["readme"], values),
        **_tests(files, values, f"../{library}/src"),
    }


def _plain(files: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    return {
        **{path.rpartition("/")[2]: text for path, text in files.items()},
        "README.md": _render(values["readme"], values),
        **_tests(files, values, ".."),
    }


def _tests(files: Mapping[str, str], values: Mapping[str, Any], sources: str) -> dict[str, str]:
    """The folder `test/`: unit tests, where there are vectors for them, and what checks the arena; a header that is all of a library
    carries none.
    """
    if values["form"] == "header":
        return {}
    tests = {} if values["vectors"] is None else unit_tests(values["vectors"], values, sources, files)
    return {**values["check"], **tests}


def _is_simulated(board: Board) -> bool:
    """Whether `mcugen simulate --board NAME` can run it, which knows the boards that come with mcugen by their names."""
    return bool(board.simulator) and any(one.name == board.name for one in all_boards())


_FORMS = {"arduino": _arduino, "platformio": _platformio, "header": _plain, "c": _plain}


def _render(template: str, values: Mapping[str, Any]) -> str:
    return environment().get_template(f"project/{template}.j2").render(values)


def _zipped(folder: str, content: Content) -> bytes:
    # Stored, not deflated: the compressed bytes would depend on the machine's zlib.
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for path, text in sorted(content.items()):
            entry = zipfile.ZipInfo(f"{folder}/{path}", (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, so that the permissions below are read as such
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, text if isinstance(text, bytes) else text.encode())
    return data.getvalue()


def _api(module: Module, missing: bool) -> Api:
    graph = module.predict
    whole = graph.of(Storage.INPUT)[0].type
    limits = whole.dtype.limits if whole.dtype.nbytes <= 2 else None
    labelled, function = label_function(module), signature(module, graph)
    named = learning_of(module).functions if module.learns else ()
    index = next((v for v in graph.of(Storage.OUTPUT) if v.tables), None)
    tables = index.tables if index else ()
    feed = feed_of(module, graph)
    row = feed.parameter if feed else next(p for p in function.parameters if not p.out)
    prototypes = [*(feed.prototypes if feed else ()), function.prototype, *([labelled.prototype] if labelled else [])]
    return Api(
        name=module.name,
        function=function,
        feed=feed,
        row=row,
        index=_index(function, index),
        features=whole.size,
        classes=max(map(len, tables), default=0),
        labels="" if labelled is None else "text" if labelled.kind == "strings" else labelled.returns,
        count=count_of(module, asked(function.does)),
        limits=limits,
        missing=missing and whole.dtype is DType.F32,
        label_lines=tuple(_lines(tables)),
        functions=tuple(re.findall(r"(\w+)\(", " ".join(prototypes)))
        if not named
        else tuple(f"{module.name}_{one}" for one in named),
        macros=tuple(macro for macro, *_ in interface_macros(module)),
        memory_in=_variables(graph.of(Storage.INPUT), function, row.value),
        memory_out=_variables(graph.of(Storage.OUTPUT), function, row.value),
    )


def _variables(values: Sequence[Value], function: Signature, row: str) -> tuple[Variable, ...]:
    """The sketch's names: the first input is the row of features, what the function returns its result."""
    names = {p.value: f"{'output' if p.out else 'input'}_{p.name}" for p in function.parameters}
    names[row] = "features"
    if function.result is not None:
        names[function.result] = "result"
    return tuple(Variable(names[v.name], names[v.name] != "features" and v.type.shape == ()) for v in values)


def _index(function: Signature, index: Value | None) -> str:
    """What a caller gives to `<name>_label`: what the function returned, or one of the numbers that it filled in."""
    if index is None:
        return ""
    if function.result == index.name:
        return "i"
    return next((p.name for p in function.parameters if p.value == index.name and p.scalar), "")


def _lines(tables: Sequence[Sequence[Label]]) -> Iterator[str]:
    """The labels that a README lists: of one answer, of all where they have the same, or of each."""
    if len({*map(tuple, tables)}) < 2:
        yield from _label_lines(tables[0] if tables else ())
        return
    for number, table in enumerate(tables[:_LISTED]):
        yield f"answer {number}:"
        yield from (f"    {line}" for line in _label_lines(table))
    if len(tables) > _LISTED:
        yield f"... and {len(tables) - _LISTED} more answers"


def _label_lines(labels: Sequence[Label]) -> Iterator[str]:
    width = len(str(len(labels) - 1))
    for index, label in enumerate(labels[:_LISTED]):
        # printable text as it is; the rest, such as line breaks and marks that turn the direction of text, in escapes
        yield f"{index:{width}}  {json.dumps(label, ensure_ascii=not str(label).isprintable(), default=str)}"
    if len(labels) > _LISTED:
        yield f"... and {len(labels) - _LISTED} more"


def _layers(graph: Graph) -> list[tuple[str, str]]:
    return [(node.op.name, node.op.describe().replace("|", "\\|")) for node in graph.nodes]


def _keywords(api: Api) -> list[tuple[str, str]]:
    return [*((name, "KEYWORD2") for name in api.functions), *((name, "LITERAL1") for name in api.macros)]


def _sample(sample: Sequence[float] | None, api: Api, module: Module) -> list[str] | None:
    if sample is None or (api.row.ctype != "float" and api.limits is None):
        return None
    if len(sample) != api.features:
        raise other_shape((1, len(sample)), api.features, f"give a sample row of {api.features} numbers")
    sample = _ordered(np.asarray(sample)[None], api, module)[0].tolist()
    if api.limits is None:
        return [*c_floats(sample)]
    least, largest = api.limits
    off = [number for number in sample if not (least <= number <= largest and number == int(number))]
    if off:
        help = f"give whole numbers from {least} to {largest}"
        raise error("E0110", f"the sample has {off[0]:g}, which {api.row.ctype} does not hold", help=help)
    return [str(int(number)) for number in sample]


def _ordered(rows: Any, api: Api, module: Module) -> Any:
    """Rows (n, features) as the caller of the C gives them."""
    return as_given(module, [rows])[0] if api.feed else rows


def _architecture(board: Board) -> str:
    platform = board.platformio.platform.partition("@")[0].rpartition("/")[2] if board.platformio else ""
    return _BY_PLATFORM.get(platform) or _BY_ARCH.get(board.arch, "*")
