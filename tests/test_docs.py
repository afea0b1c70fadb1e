"""The words hold: commands in ```console blocks run and print what stands there, tables match their sources, links lead somewhere.

A document's blocks run in order in one empty folder. A ```python block whose first line is `# name.py` becomes that file.
Outputs may differ in their numbers, which depend on versions of scikit-learn and compilers, but not where CI is set.
`pytest tests/test_docs.py --update-golden` writes outputs and tables anew; read the diff before you keep it.
"""

from __future__ import annotations

import csv
import difflib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tools import is_there, require

from mcugen.boards import Board, all_boards
from mcugen.targets.cores import CORES

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from benchmarks import networks, sram  # noqa: E402
from benchmarks.classical.cases import BOOSTERS  # noqa: E402
from benchmarks.classical.results import OURS, RESULTS, Result, read  # noqa: E402
from benchmarks.classical.tables import BOOSTED, FAMILIES, METRICS, Metric, Ratio, mean, ratios, times  # noqa: E402

RUN = ("README.md", "docs/tutorial.md")  # documents whose commands are run
TEXTS = sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

BLOCK = re.compile(r"^```(?P<language>console|python)(?P<needs>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"(?P<head><!-- table: (?P<name>\w+) -->\n).*?(?P<tail><!-- end -->)", re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


class Shell:
    """Runs the blocks of a document in a folder; `missing` are the tools that a block wanted and that are not there.

    A block is taken as it stands where only its numbers differ, unless `exact`.
    """

    def __init__(self, folder: Path, exact: bool) -> None:
        self.exact = exact
        self.folder = folder / "work"
        self.folder.mkdir()
        self.missing: list[str] = []
        self._programs = folder / "bin"
        self._programs.mkdir()
        self._program("python", f'exec {shlex.quote(sys.executable)} "$@"')
        self._program("mcugen", f'exec {shlex.quote(sys.executable)} -m mcugen "$@"')

    def block(self, found: re.Match[str]) -> str:
        """The block as it should stand in the document."""
        body = found["body"]
        if found["language"] == "python":
            if name := re.match(r"# (\S+\.py)\n", body):
                (self.folder / name[1]).write_text(body)
            return found[0]
        missing = [tool for tool in found["needs"].replace("needs", "").split() if not is_there(tool)]
        self.missing += missing
        if missing:
            return found[0]
        output = "".join(self._session(body))
        same = not self.exact and _without_numbers(output) == _without_numbers(body)
        return f"```{found['language']}{found['needs']}\n{body if same else output}```"

    def _session(self, body: str) -> Iterator[str]:
        for command in re.findall(r"^\$ (.*)$", body, re.MULTILINE):
            yield f"$ {command}\n"
            yield self._output(command)

    def _output(self, command: str) -> str:
        path = os.pathsep.join([str(self._programs), os.environ["PATH"]])
        env = {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1"}
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env={**os.environ, **env}, text=True, timeout=120, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())

    def _program(self, name: str, text: str) -> None:
        file = self._programs / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)


def _without_numbers(text: str) -> str:
    """What is the same whatever the compiler: other numbers make other widths of columns, too."""
    return re.sub(r"[\d.,]+|─+|\s+", "#", text).replace("##", "#")


@pytest.mark.parametrize("document", RUN)
def test_commands_print_what_the_document_says(document, request, tmp_path):
    shell = Shell(tmp_path, exact=bool(os.environ.get("CI")) or request.config.getoption("--update-golden"))
    _compare(document, lambda text: BLOCK.sub(shell.block, text), request)
    require(*shell.missing)


def _compare(document: str, renew: Callable[[str], str], request: pytest.FixtureRequest) -> None:
    file = ROOT / document
    text = file.read_text(encoding="utf-8")
    renewed = renew(text)
    if request.config.getoption("--update-golden"):
        file.write_text(renewed, encoding="utf-8")
        return
    changes = difflib.unified_diff(
        text.splitlines(), renewed.splitlines(), "as it stands", "as it is", lineterm="", n=1
    )
    assert text == renewed, f"{document}: `pytest tests/test_docs.py --update-golden` makes it\n" + "\n".join(changes)


# ---- tables ---------------------------------------------------------------------------------------------------------


def _rows(*rows: tuple[str, ...], right: str) -> str:
    """A Markdown table; `right` has an r for every column that is set to the right."""
    rules = ("---:" if side == "r" else "---" for side in right)
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "| " + " | ".join(rules) + " |", *body]) + "\n"


def boards_table() -> str:
    """What `mcugen boards` lists, as the README has it."""
    head = ("`--board`", "board", "MCU", "clock", "flash free", "RAM free", "free is", "simulated by")
    rows = [
        (
            f"`{b.name}`", b.title, b.mcu, f"{b.clock / 1e6:g} MHz", f"{b.flash_free:,} B", f"{b.ram_free:,} B",
            b.framework_known, SIMULATORS[b.simulator],
        )
        for b in all_boards() if b.arch != "host"
    ]  # fmt: skip
    return _rows(head, *rows, right="   rrr  ")


SIMULATORS = {"simavr": "simavr", "qemu": "QEMU", "": "-"}
# tests/simulated/test_link_on_boards.py: flashed through their real bootloaders, and rows over a garbling serial line
FLASHED = ("uno", "nano", "mega2560")
TALKED_TO = (*FLASHED, "feather_nrf52840", "metro_m0", "bluepill_f103c8", "esp32c3")
PAGES = {
    "nordicnrf52": "nrf52",
    "atmelsam": "samd",
    "ststm32": "stm32",
    "raspberrypi": "rp2040",
    "espressif32": "esp32",
}


def verification_table() -> str:
    """How each board is verified, from its file and from the targets that there are."""
    head = ("board", "MCU", "core", "PlatformIO", "sketch built by", "runs on", "flashed", "rows over serial", "page")
    rows = [
        (
            f"`{b.name}`", b.mcu, b.arch, b.platformio.platform, *_built_and_run(b),
            "in simulation, real bootloader" if b.name in FLASHED else "no",
            "in simulation" if b.name in TALKED_TO else "no", f"[{page}]({page}.md)",
        )
        for b in all_boards() if b.platformio
        for page in [_page(b.platformio.platform.partition("@")[0])]
    ]  # fmt: skip
    return _rows(head, *rows, right="         ")


def _page(platform: str) -> str:
    return PAGES.get(platform, "avr" if platform == "atmelavr" else platform)


def _built_and_run(board: Board) -> tuple[str, str]:
    """By which compiler, and on which simulated machine; the models alone take the same ones."""
    if board.arch == "avr":
        return "avr-gcc, Arduino core", "simavr, the same MCU"
    if core := CORES.get(board.arch):
        return f"{core.prefix}gcc, bare metal", f"QEMU {core.qemu[core.qemu.index('-M') + 1]}"
    return "none: C compiled for lx106, types checked for ESP32", "this computer: the C only"


def benchmark_table() -> str:
    """The figures that benchmarks/trees.py keeps."""
    with (ROOT / "benchmarks" / "results" / "trees.csv").open() as file:
        results = list(csv.DictReader(file))
    head = ("core", "model", "by", "form", "a call takes", "worst", "flash", "RAM", "stack", "wrong")
    rows = [
        (
            r["core"], r["model"], r["tool"], r["form"],
            f"{float(r['cycles']):,.0f} {r['unit']}", f"{int(r['worst']):,}",
            *(f"{int(r[key]):,} B" for key in ("flash", "ram", "stack")), f"{r['wrong']} of {r['rows']}",
        )
        for r in results
    ]  # fmt: skip
    return _rows(head, *rows, right="    rrrrrr")


def classical_table() -> str:
    """By family, what benchmarks/classical keeps: mcugen's figures as parts of the best exact peer's."""
    head = ("family", *(metric.title for metric in METRICS))
    results = [one for one in read(RESULTS) if one.family in FAMILIES]
    found = [ratios(results, metric) for metric in METRICS]
    rows = [
        (family, *(_in_short([r for r in some if r.ours.family == family]) for some in found)) for family in FAMILIES
    ]
    return _rows(head, *rows, ("all", *map(_in_short, found)), right=" rrrr")


def _in_short(some: Sequence[Ratio]) -> str:
    """The geometric mean of a family's cells, how many these are, and the worst of them."""
    if not some:
        return "no exact peer"
    return f"{times(mean(some))} of {len(some)}, worst {times(max(r.ratio for r in some))}"


def cells_table() -> str:
    """Cell by cell, what benchmarks/classical keeps: mcugen's figure and the best exact peer's."""
    return _by_cell([r for r in read(RESULTS) if r.model not in BOOSTERS], METRICS, [m.title for m in METRICS])


def boosters_table() -> str:
    """The same of XGBoost and LightGBM on AVR, where one build has both figures that are promised."""
    metrics = [metric for metric in BOOSTED if metric.core == "avr"]
    titles = [f"{metric.title}, {metric.form.removeprefix(OURS).strip()}" for metric in metrics]
    return _by_cell([r for r in read(RESULTS) if r.model in BOOSTERS], metrics, titles)


def _by_cell(results: Sequence[Result], metrics: Sequence[Metric], titles: Sequence[str]) -> str:
    head = ("model", "data", *titles)
    found = [_cells(results, metric) for metric in metrics]
    keys = dict.fromkeys((r.model, r.data) for r in results if r.ours and r.input == "float")
    return _rows(
        head, *((*key, *(some.get(key, "-") for some in found)) for key in keys), right="  " + "r" * len(metrics)
    )


def _cells(results: Sequence[Result], metric: Metric) -> Mapping[tuple[str, str], str]:
    own = [r for r in results if (r.core, r.input, r.tool) == (metric.core, metric.input, metric.form) and r.exact]
    alone = {(r.model, r.data): f"{metric.of(r):,.0f}" for r in own}
    beside = {
        (r.ours.model, r.ours.data): f"{metric.of(r.ours):,.0f} / {metric.of(r.peer):,.0f} {r.peer.tool}"
        for r in ratios(results, metric)
    }
    return alone | beside


NETWORKS = {"kws": "keyword spotting", "ic": "image classification", "ad": "anomaly detection"}


def networks_table() -> str:
    """The figures that benchmarks/networks.py keeps of a Cortex-M4F, beside its peers'."""
    head = ("", "mcugen", "row by row", "cycles, modelled", "TFLite Micro", "onnx2c")
    kept = [one for one in networks.kept() if one.core == "cortex-m4f"]
    found = {one.network.removesuffix("_qdq"): one for one in kept if one.by_rows == "never"}
    by_rows = {one.network.removesuffix("_qdq"): one for one in kept if one.by_rows == "always"}
    rows = []
    for kind in ("int8", "float"):
        for short, title in NETWORKS.items():
            one = found[f"{short}_{kind}"]
            own, rowwise = (
                f"{made.instructions / 1e6:.3g} · {made.flash / 1e3:.1f} · {made.ram / 1e3:.1f}"
                for made in (one, by_rows[f"{short}_{kind}"])
            )
            peers = [_peer(f"{short}_{kind}", tool) for tool in ("TFLite Micro", "onnx2c")]
            rows.append((f"{title}, {kind}", own, rowwise, f"{one.modelled_cycles / 1e6:.3g}", *peers))
    return _rows(head, *rows, right="      ")


def _peer(network: str, tool: str) -> str:
    """What a tool takes of a network, and how it was built where that is said."""
    for name, (millions, *sizes) in networks.PEERS[network].items():
        if name.startswith(tool):
            how = name.removeprefix(tool).strip(", ")
            figures = " · ".join(f"{one:g}" for one in (millions, *sizes) if one is not None)
            return f"{figures} ({how})" if how else figures
    return "-"


def ram_table() -> str:
    """The arenas that benchmarks/sram.py keeps of known networks."""
    head = ("KiB, int8", "exported", "layer by layer", "less", "row by row", "less")
    rows = []
    for one in sram.kept():
        sizes = [f"{size / 1024:,.1f}" for size in (one.exported, one.layers, one.rows)]
        less = [f"{one.saved(arena):.1f} %" for arena in (one.layers, one.rows)]
        rows.append((one.graph, sizes[0], sizes[1], less[0], sizes[2], less[1]))
    return _rows(head, *rows, right=" rrrrr")


def inputs_table() -> str:
    """RAM of networks with random weights by where their input is, as benchmarks/networks.py counted it."""
    found = {(one.network.removesuffix("_random"), one.input): one for one in networks.kept(networks.INPUT_RESULTS)}
    names = dict.fromkeys(name for name, _ in found)
    rows = [
        (name, *(f"{found[name, way].ram / 1e3:.1f}" for way in networks.INPUTS), f"{found[name, 'rows'].instructions / 1e6:.1f}")
        for name in names
    ]  # fmt: skip
    head = ("kB of RAM, int8", "the caller's buffer", "`--arena-input`", "`--stream-input`", "M instructions")
    return _rows(head, *rows, right=" rrrr")


TABLES: Mapping[str, Callable[[], str]] = {
    "boards": boards_table,
    "verification": verification_table,
    "benchmark": benchmark_table,
    "classical": classical_table,
    "cells": cells_table,
    "boosters": boosters_table,
    "networks": networks_table,
    "ram": ram_table,
    "inputs": inputs_table,
}


@pytest.mark.parametrize("document", ["README.md", "docs/boards/README.md", "benchmarks/README.md"])
def test_tables_match_their_sources(request, document):
    _compare(document, lambda text: TABLE.sub(lambda m: m["head"] + TABLES[m["name"]]() + m["tail"], text), request)


# ---- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", TEXTS)
def test_links_lead_somewhere(document):
    file = ROOT / document
    dead = [link for link in LINK.findall(file.read_text(encoding="utf-8")) if not (file.parent / link).exists()]
    assert not dead


@pytest.mark.parametrize("document", [*RUN, "CONTRIBUTING.md", "docs/architecture.md"])
def test_files_named_in_the_text_are_there(document):
    named = re.findall(
        r"`((?:mcugen|templates|firmware|boards|tests|benchmarks|docs|scripts)/[\w./-]*\w/?)`",
        (ROOT / document).read_text(),
    )
    assert not [name for name in named if not (ROOT / name).exists()]
