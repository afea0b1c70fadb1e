"""The generated folders: what is in them, what the Arduino and PlatformIO formats ask for, and whether they build.

The model is a stand-in with the emitter's API: two C files that answer the class of the largest input.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np
import pytest
from tools import require

from mcugen.boards import Arch, Board, PlatformIO, Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.folder import write
from mcugen.ir import DType, GraphBuilder, Label, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.op import Op
from mcugen.ops.choose import Choose
from mcugen.ops.relu import Relu
from mcugen.project import FLAGS, As, layout
from mcugen.templating import environment

CORE = Path("/usr/share/arduino/hardware/arduino/avr")
KINDS = ("label", "proba", "value", "run")
FORMS = get_args(As)
TEXTS = ("setosa", "größe", '"a",\tb', "日本")
WIDE = (-(2**62), 5, 2**40)


@dataclass(frozen=True, eq=False)
class StandIn(Op):
    """An op of the outputs that a model can have."""

    name: ClassVar[str] = "stand_in"
    kind: str = "label"
    classes: int = 3

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        index, scores = TensorType((), DType.I32), TensorType((self.classes,), DType.F32)
        return {
            "label": (index,),
            "proba": (index, scores),
            "value": (TensorType((), DType.F32),),
            "run": (scores, TensorType((), DType.I64)),
        }[self.kind]

    def describe(self) -> str:
        return f"kind={self.kind} | odd"


def module(
    kind: str = "label", labels: tuple[Label, ...] = (-1, 0, 7), features: int = 4, name: str = "iris"
) -> Module:
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((features,), DType.F32))
    outputs = builder.add(StandIn(kind, len(labels)), x, names=("label", "proba") if kind == "proba" else ())
    for number, out in enumerate(outputs):
        builder.output(out, labels=labels if number == 0 and kind in ("label", "proba") else None)
    return Module(name, (builder.build(),))


def relus(outputs: int = 1) -> Module:
    """A graph of tensors: relu of relu, emitted as `net_run`."""
    builder = GraphBuilder("predict")
    (a,) = builder.add(Relu(), builder.input("x", TensorType((4,), DType.F32)), names=("a",))
    for number in range(outputs):
        builder.output(*builder.add(Relu(), a, names=(f"y{number}",)))
    return Module("net", (builder.build(),))


C_FILES = """
{% set text = labels and labels[0] is string %}
#ifndef {{ name|upper }}_H
#define {{ name|upper }}_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define {{ name|upper }}_FEATURES {{ features }}
#define {{ name|upper }}_CLASSES {{ classes }}
{% if kind == "value" %}
float {{ name }}_predict(const float x[{{ features }}]);
{% elif kind == "run" %}
int {{ name }}_run(const float x[{{ features }}], float stand_in[{{ classes }}], int64_t *stand_in_1);
{% elif kind == "proba" %}
int {{ name }}_predict_proba(const float x[{{ features }}], float p[{{ classes }}]);
{% else %}
int {{ name }}_predict(const float x[{{ features }}]);
{% endif %}
{% if kind in ("value", "run") %}
{% elif text %}
#define {{ name|upper }}_LABEL_SIZE 32
const char *{{ name }}_label(int i, char *buf);
{% elif labels %}
{{ int }} {{ name }}_label(int i);
{% endif %}
#ifdef __cplusplus
}
#endif
#endif
//----
#include "{{ name }}.h"
{% if kind == "value" %}
float {{ name }}_predict(const float x[{{ features }}]) { return x[0] * x[{{ features - 1 }}] + 1.0f; }
{% elif kind == "run" %}
int {{ name }}_run(const float x[{{ features }}], float stand_in[{{ classes }}], int64_t *stand_in_1) {
  for (int i = 0; i < {{ classes }}; i++) stand_in[i] = x[0];
  *stand_in_1 = -1;
  return 0;
}
{% else %}
static int best(const float x[{{ features }}]) {
  int b = 0;
  for (int i = 1; i < {{ features }} && i < {{ classes }}; i++) if (x[i] > x[b]) b = i;
  return b;
}
{% if kind == "proba" %}
int {{ name }}_predict_proba(const float x[{{ features }}], float p[{{ classes }}]) {
  const int b = best(x);
  for (int i = 0; i < {{ classes }}; i++) p[i] = i == b ? 1.0f : 0.0f;
  return b;
}
{% else %}
int {{ name }}_predict(const float x[{{ features }}]) { return best(x); }
{% endif %}
{% endif %}
{% if kind in ("value", "run") %}
{% elif text %}
const char *{{ name }}_label(int i, char *buf) {
  const char *t = {% for l in labels %}i == {{ loop.index0 }} ? {{ l | c_str }} : {% endfor %}"";
  unsigned n = 0;
  do buf[n] = t[n]; while (t[n++]);
  return buf;
}
{% elif labels %}
{{ int }} {{ name }}_label(int i) { return {% for l in labels %}i == {{ loop.index0 }} ? {{ l }} : {% endfor %}0; }
{% endif %}
"""


def files(
    kind: str = "label", labels: tuple[Label, ...] = (-1, 0, 7), features: int = 4, name: str = "iris"
) -> dict[str, str]:
    text = environment().from_string(C_FILES.strip() + "\n")
    classes = len(labels)
    int_ = "int64_t" if labels == WIDE else "int32_t"
    both = text.render(name=name, kind=kind, labels=labels, features=features, classes=classes, int=int_)
    header, source = both.split("//----\n")
    return {f"src/{name}.h": header, f"src/{name}.c": source}


def laid_out(as_: As = "arduino", board: str | Board = "uno", **kinds: object) -> dict[str, str]:
    found = load_board(board) if isinstance(board, str) else board
    sample = kinds.pop("sample", None)
    facts = kinds.pop("facts", None)
    return dict(layout(module(**kinds), files(**kinds), found, as_, sample, facts))  # type: ignore[arg-type]


HOST = replace(load_board("uno"), name="host", title="a computer", arch="host", progmem=False, platformio=None)


# --- what is in the folder


def test_the_arduino_library_has_the_layout_of_the_specification() -> None:
    assert sorted(laid_out("arduino")) == [
        "README.md",
        "examples/Iris/Iris.ino",
        *(f"examples/Iris/mcugen_link.{kind}" for kind in "ch"),
        "keywords.txt",
        "library.properties",
        *(f"src/iris.{kind}" for kind in "ch"),
    ]


def test_the_other_forms() -> None:
    assert sorted(laid_out("platformio")) == [
        "README.md",
        "lib/iris/library.json",
        *(f"lib/iris/src/iris.{kind}" for kind in "ch"),
        "platformio.ini",
        "src/main.cpp",
        *(f"src/mcugen_link.{kind}" for kind in "ch"),
    ]
    assert sorted(laid_out("c")) == ["README.md", "iris.c", "iris.h"]
    assert sorted(layout(module(), {"iris.h": "x\n"}, HOST, "header")) == ["README.md", "iris.h"]
    assert list(laid_out("zip")) == ["iris.zip"]


@pytest.mark.parametrize("as_", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_input_gives_the_same_bytes(as_: As, kind: str) -> None:
    once = laid_out(as_, kind=kind, sample=[1, 2, 3, float("nan")], facts={"flash": "1 B"})
    assert once == laid_out(as_, kind=kind, sample=[1, 2, 3, float("nan")], facts={"flash": "1 B"})
    assert list(once) == sorted(once)
    for text in once.values():
        assert b"/work" not in (text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("as_", ["arduino", "platformio", "c"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [(1, 2), TEXTS])
def test_the_text_is_tidy(as_: As, kind: str, labels: tuple[Label, ...]) -> None:
    for path, text in laid_out(as_, kind=kind, labels=labels, sample=[1, 2, 3, 4]).items():
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert not re.search(r"[ \t]\n|\n\n\n|\r", text), path


# --- the Arduino library, by https://docs.arduino.cc/arduino-cli/library-specification


def properties(board: Board) -> dict[str, str]:
    text = laid_out("arduino", board)["library.properties"]
    return dict(line.split("=", 1) for line in text.splitlines())


def test_library_properties() -> None:
    found = properties(load_board("uno"))
    required = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert required <= found.keys()
    assert all(found.values())
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}", found["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert found["category"] == "Data Processing"  # one of the specification's nine
    assert found["url"].startswith("https://")
    assert not found["paragraph"].startswith(found["sentence"])  # the specification: sentence is put in front of it
    assert found["includes"] == "iris.h"


@pytest.mark.parametrize(
    ("arch", "platform", "architectures"),
    [
        ("avr", "atmelavr@5.2.0", "avr"),
        ("cortex-m0plus", "atmelsam@8.3.0", "samd"),
        ("cortex-m3", "ststm32@19.6.0", "stm32"),
        ("cortex-m4f", "ststm32@19.6.0", "stm32"),
        ("cortex-m4f", "platformio/nordicnrf52@10.11.0", "nrf52"),
        ("xtensa", "espressif32@6.0.0", "esp32"),
        ("riscv32", "espressif32@6.0.0", "esp32"),
        ("cortex-m4f", "", "nrf52"),
        ("host", "", "*"),
    ],
)
def test_architectures(arch: Arch, platform: str, architectures: str) -> None:
    pio = PlatformIO(platform, "x") if platform else None
    assert properties(replace(load_board("uno"), arch=arch, platformio=pio))["architectures"] == architectures


def test_keywords_are_separated_by_tabs_and_of_known_kinds() -> None:
    lines = [line.split("\t") for line in laid_out(kind="proba", labels=TEXTS)["keywords.txt"].splitlines()]
    assert lines == [
        ["iris_predict_proba", "KEYWORD2"],
        ["iris_label", "KEYWORD2"],
        ["IRIS_FEATURES", "LITERAL1"],
        ["IRIS_CLASSES", "LITERAL1"],
        ["IRIS_LABEL_SIZE", "LITERAL1"],
    ]
    assert laid_out(kind="value")["keywords.txt"] == "iris_predict\tKEYWORD2\nIRIS_FEATURES\tLITERAL1\n"


def test_the_sketch_has_its_folders_name() -> None:
    (path,) = [p for p in laid_out() if p.endswith(".ino")]
    folder, file = path.split("/")[1:]
    assert file == f"{folder}.ino"
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", folder)


def test_zip_is_the_library_in_one_folder() -> None:
    with zipfile.ZipFile(io.BytesIO(laid_out("zip")["iris.zip"])) as archive:
        assert archive.testzip() is None
        entries = archive.infolist()
        content = {e.filename: archive.read(e).decode() for e in entries}
    assert content == {f"iris/{path}": text for path, text in laid_out("arduino").items()}
    assert [e.filename for e in entries] == sorted(content)
    assert {(e.date_time, e.external_attr >> 16, e.create_system) for e in entries} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644, 3)
    }


# --- PlatformIO


def test_platformio_ini_is_pinned_and_states_what_the_c_relies_on() -> None:
    ini = ConfigParser()
    ini.read_string(laid_out("platformio")["platformio.ini"])
    assert ini.sections() == ["env", "env:uno"]  # without vectors there are no tests
    section = {**ini["env"], **ini["env:uno"]}
    assert re.fullmatch(r"atmelavr@\d+\.\d+\.\d+", section["platform"])
    assert (section["board"], section["framework"], section["monitor_speed"]) == ("uno", "arduino", "115200")
    assert section["build_flags"].split() == list(FLAGS)
    assert "-ffp-contract=off" in FLAGS


def test_library_json() -> None:
    found = json.loads(laid_out("platformio")["lib/iris/library.json"])
    assert found["name"] == "iris"
    assert found["build"]["flags"] == list(FLAGS)


def test_platformio_needs_a_board_that_it_knows() -> None:
    with pytest.raises(McugenError) as caught:
        laid_out("platformio", HOST)
    assert caught.value.diagnostics[0].code == "E0901"
    assert laid_out("c", HOST)


@pytest.mark.parametrize("order", [(*FLAGS, "-Ofast"), ("-Ofast", *FLAGS)])
def test_the_flags_win_over_a_frameworks_ofast(order: tuple[str, ...]) -> None:
    require("gcc")
    command = ["gcc", *order, "-dM", "-E", "-x", "c", "/dev/null"]
    macros = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "__FAST_MATH__" not in macros
    assert "__FINITE_MATH_ONLY__ 1" not in macros


# --- the README


def test_readme_says_how_to_call_it() -> None:
    text = laid_out("c", kind="proba", labels=TEXTS, facts={"flash": "4,096 B", "RAM": "0 B"})["README.md"]
    for part in (
        "# iris",
        "iris_predict_proba(x, p)",
        "IRIS_FEATURES",
        "IRIS_LABEL_SIZE",
        "NAN",
        '1  "größe"',
        r'2  "\"a\",\tb"',
        "| flash | 4,096 B |",
        "| stand_in | kind=proba \\| odd |",
        "-ffp-contract=off",
    ):
        assert part in text, part


def test_readme_lists_many_labels_only_in_part() -> None:
    text = laid_out("c", labels=tuple(range(500)))["README.md"]
    assert "... and 436 more" in text
    assert len(text.splitlines()) < 120


def test_readme_shows_unprintable_labels_in_escapes() -> None:
    text = laid_out("c", labels=("a\nb\u202e", np.str_("x")))["README.md"]
    assert r'0  "a\nb\u202e"' in text


# --- what is refused


def test_a_sample_of_the_wrong_length() -> None:
    with pytest.raises(McugenError) as caught:
        laid_out(sample=[1, 2, 3])
    assert caught.value.diagnostics[0].code == "E0110"
    assert "4" in caught.value.diagnostics[0].help


def test_a_name_that_is_taken() -> None:
    with pytest.raises(McugenError) as caught:
        laid_out(name="while")
    assert caught.value.diagnostics[0].code == "E0111"


def test_sample_values_become_the_floats_that_the_model_sees() -> None:
    sample = [0.1, np.float64(1e300), float("-inf"), np.nan]
    assert "    0.1f, INFINITY, -INFINITY, NAN\n" in laid_out(sample=sample)["examples/Iris/Iris.ino"]


# --- it builds


def compile_sketch(sketch: Path, include: Path) -> None:
    core = [f"-I{CORE}/cores/arduino", f"-I{CORE}/variants/standard", "-DF_CPU=16000000L", "-DARDUINO=10819"]
    flags = ["-mmcu=atmega328p", "-Os", "-std=gnu++11", "-fno-exceptions", "-DDECIMAL_DIG=__DECIMAL_DIG__", *core]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(["avr-g++", *flags, *warnings, f"-I{include}", "-fsyntax-only", "-x", "c++", sketch], check=True)


@pytest.mark.parametrize("sample", [None, [1, float("nan"), 0.1, 4]])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("labels", [(-1, 0, 7), WIDE, TEXTS])
def test_the_sketch_compiles_for_an_uno(
    tmp_path: Path, kind: str, labels: tuple[Label, ...], sample: list[float] | None
) -> None:
    require("avr-g++", "arduino-core-avr")
    write(tmp_path, laid_out("arduino", kind=kind, labels=labels, sample=sample))
    compile_sketch(tmp_path / "examples/Iris/Iris.ino", tmp_path / "src")


def several(labels: tuple[tuple[Label, ...], ...]) -> Module:
    """A model of several labels, or of several values where there are none, emitted as `many_predict`."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((4,), DType.F32))
    if labels:
        builder.output(builder.add(Choose((2, 2)), x)[0], name="label", tables=labels)
    else:
        builder.output(builder.add(Relu(), x)[0], name="value")
    return Module("many", (builder.build(),))


@pytest.mark.parametrize("labels", [(), ((0, 1), (0, 1)), ((0, 2**40), (5, 6)), (("no", "yes"), ("a", "b"))])
def test_a_sketch_of_several_answers(tmp_path: Path, labels: tuple[tuple[Label, ...], ...]) -> None:
    require("avr-g++", "arduino-core-avr")
    many, board = several(labels), load_board("uno")
    target = Target(board)
    content = layout(many, emit(many, plan(many, target), target), board, "arduino", [1, -2, 3, -4])
    write(tmp_path, content)
    compile_sketch(tmp_path / "examples/Many/Many.ino", tmp_path / "src")
    called = re.search(r"```c\n(.*?)```", str(content["README.md"]), re.DOTALL)
    assert called
    (tmp_path / "called.c").write_text(calling(called.group(1)))
    subprocess.run(
        ["avr-gcc", "-mmcu=atmega328p", f"-I{tmp_path}/src", "-fsyntax-only", tmp_path / "called.c"], check=True
    )


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_graph_of_tensors_is_run_not_predicted(tmp_path: Path, outputs: int) -> None:
    require("avr-g++", "arduino-core-avr")
    net, board = relus(outputs), load_board("uno")
    target = Target(board)
    content = layout(net, emit(net, plan(net, target), target), board, "arduino", [1, -2, 3, -4])
    write(tmp_path, content)
    compile_sketch(tmp_path / "examples/Net/Net.ino", tmp_path / "src")
    readme, keywords = (str(content[path]) for path in ("README.md", "keywords.txt"))
    given = [f"y{number}" for number in range(outputs)]
    assert f"\nnet_run({', '.join(['x', *given])});\n" in readme
    assert "float x[NET_FEATURES]; /* 4 numbers */\nfloat y0[4]; /* out, 4 numbers */\n" in readme
    assert f"takes 4 numbers and gives {4 * outputs} numbers" in readme
    assert "_predict" not in readme + keywords + str(content["examples/Net/Net.ino"])
    called = re.search(r"```c\n(.*?)```", readme, re.DOTALL)
    assert called
    (tmp_path / "called.c").write_text(calling(called.group(1)))
    subprocess.run(
        ["avr-gcc", "-mmcu=atmega328p", f"-I{tmp_path}/src", "-fsyntax-only", tmp_path / "called.c"], check=True
    )


def calling(example: str) -> str:
    """The README's example as a program: its include, then the rest in a function."""
    include, rest = example.split("\n", 1)
    return f"{include}\nvoid f(void) {{\n{rest}}}\n"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the sketches of several models say to the same lines: built by PlatformIO in one run, run by simavr."""
    require("avr-gcc", "arduino-core-avr")
    from mcugen.targets.platformio import run_pio
    from mcugen.targets.simavr import simulate

    projects = {name: tmp_path_factory.mktemp(name) for name in MODELS}
    said = {}
    sent = "".join(f"{line}\r\n{PAUSE}" for line in LINES)
    for name, folder in projects.items():
        write(folder, laid_out("platformio", name=name, **MODELS[name]))
        done = run_pio(folder, [], timeout=300)
        assert done.returncode == 0, done.output
        assert "warning:" not in done.output
        elf = folder / ".pio/build/uno/firmware.elf"
        run = simulate(elf, mcu="atmega328p", freq=16_000_000, uart_in=sent.encode(), limit=24_000_000)
        assert run.sram_peak < 700
        said[name] = [re.sub(r"\(\d+ us\)$", "(us)", line) for line in run.serial.decode().split("\r\n")]
    return said


MODELS: dict[str, dict[str, object]] = {
    "texts": {"labels": TEXTS, "sample": [1, 2, 3, float("nan")]},
    "wide": {"labels": WIDE, "kind": "proba", "sample": [3, 2, 1, 0]},
    "price": {"kind": "value"},
    "net": {"kind": "run"},
}
LINES = [
    "1,2,3,0",
    "",
    "  1 , -2e3,inf , 0.5",
    "1,2,3",
    "1,2,3,4,5",
    "1,x,3,4",
    "1,,3,nan",
    "1e40,2,3,4",
    "9" * 40 + ",1,2,3",
    "4,3,2,1",
]
PAUSE = "\n" * 150  # as long as the longest answer takes: the Uno keeps only 64 bytes while it is busy
ERRORS = [f"error: a row has 4 numbers, this one {n}" for n in (3, 5)] + ["error: a field is not a number"]


def test_the_flashed_sketch_answers_in_texts(answers: dict[str, list[str]]) -> None:
    third, first = f"{TEXTS[2]}  (us)", f"{TEXTS[0]}  (us)"
    start = ["texts: send 4 numbers, separated by commas", f"sample row: {third}"]
    assert answers["texts"] == [*start, third, third, *ERRORS, third, first, ERRORS[2], first, ""]


def test_the_flashed_sketch_answers_in_probabilities(answers: dict[str, list[str]]) -> None:
    first, third = (
        f"{WIDE[0]}  p = 1.000000 0.000000 0.000000  (us)",
        f"{WIDE[2]}  p = 0.000000 0.000000 1.000000  (us)",
    )
    start = ["wide: send 4 numbers, separated by commas", f"sample row: {first}"]
    assert answers["wide"] == [*start, third, third, *ERRORS, third, first, ERRORS[2], first, ""]


def test_the_flashed_sketch_answers_in_values(answers: dict[str, list[str]]) -> None:
    values = [f"{v}  (us)" for v in ("1.000000", "1.500000", "nan", "inf", "5.000000")]
    start = ["price: send 4 numbers, separated by commas"]
    assert answers["price"] == [*start, *values[:2], *ERRORS, *values[2:4], ERRORS[2], values[4], ""]


def test_the_flashed_sketch_answers_in_tensors(answers: dict[str, list[str]]) -> None:
    def given(number: str) -> str:
        return f"{number} {number} {number}  -1  (us)"

    numbers = [given(n) for n in ("1.000000", "1.000000", "1.000000", "inf", "4.000000")]
    start = ["net: send 4 numbers, separated by commas"]
    assert answers["net"] == [*start, *numbers[:2], *ERRORS, *numbers[2:4], ERRORS[2], numbers[4], ""]
