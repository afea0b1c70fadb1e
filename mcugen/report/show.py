"""The report on a terminal: tables by rich. Bytes, cycles (or instructions) of one call, ms at the board's clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from mcugen.boards import Board
from mcugen.diagnostics import Loc
from mcugen.ir import Module, Storage
from mcugen.report import Figure, Layer, Report
from mcugen.report.json import assumes, milliseconds
from mcugen.targets.cores import timing_of

if TYPE_CHECKING:
    from mcugen.doctor import Check
    from mcugen.fit import Verdict
    from mcugen.frontends.onnx_layers import Beside
    from mcugen.measure import LayerCount, Measured, Timed
    from mcugen.targets.toolchain import Build
    from mcugen.verify import Proof

NONE = "-"
NO_LIMIT = 2**40  # bytes that no board has: the board `host`


def table(*columns: str, title: str = "", caption: str = "") -> Table:
    """An empty table; a column whose title ends with > is set to the right. Cells are never broken, except the last ones."""
    made = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), title_justify="left", caption_justify="left")
    made.title, made.title_style = Text(title, "bold") if title else None, ""
    made.caption, made.caption_style = Text(caption, "dim") if caption else None, ""
    for number, column in enumerate(columns, 1):
        side: Literal["left", "right"] = "right" if column.endswith(">") else "left"
        made.add_column(Text(column.rstrip(">")), justify=side, no_wrap=number < len(columns))
    return made


def row(to: Table, *cells: str, style: str | None = None) -> None:
    """Add a row of plain text: square brackets in it stay what they are."""
    to.add_row(*(Text(cell) for cell in cells), style=style)


def read_line(module: Module, loc: Loc) -> str:
    """What was read: `digits.skops: tree_ensemble (trees=10 nodes=2,334 output=label), 64 features, 10 classes`."""
    graph = module.predict
    ops = ", ".join(
        f"{node.op.name} ({node.op.describe()})" if node.op.describe() else node.op.name for node in graph.nodes
    )
    tables = next((v.tables for v in graph.of(Storage.OUTPUT) if v.tables), ())
    numbers = sum(v.type.size for v in graph.of(Storage.OUTPUT))
    classes = f"a class of each of {counted(len(tables), 'answer')}" if len(tables) > 1 else ""
    gives = (
        classes or counted(len(tables[0]), "class")
        if tables
        else "a number"
        if numbers == 1
        else counted(numbers, "number")
    )
    return f"read {loc}: {ops}, {counted(graph.of(Storage.INPUT)[0].type.size, 'feature')}, {gives}"


def report_tables(
    report: Report,
    board: Board,
    build: Build | None = None,
    measured: Measured | None = None,
    counts: Mapping[str, LayerCount] | None = None,
) -> Iterator[Table]:
    """The whole report: what it needs beside what there is, every layer, and every layer's other forms."""
    yield budget(report, board, build, measured)
    yield layers(report, counts or {})
    yield from (forms(layer, board) for layer in report.layers if layer.others)


def budget(report: Report, board: Board, build: Build | None = None, measured: Measured | None = None) -> Table:
    """Flash, RAM and time beside the board's limits; with a build, the estimate beside what the ELF and simulator say."""
    columns = ("", "needs>", *(["measured>"] if build else []), "free>", "")
    made = table(*columns, title=f"{report.model} on {board.title}", caption=_caption(report, build))

    def add(name: str, value: str, found: int | None, free: str, detail: str, over: bool = False) -> None:
        cell = [] if not build else [NONE if found is None else _bytes(found)]
        row(made, name, value, *cell, free, detail, style="red" if over else None)

    def limited(name: str, needed: int, found: int | None, free: int, detail: str) -> None:
        add(name, _bytes(needed), found, _bytes(free), detail, needed > free)

    stack = measured.stack if measured else None
    copied = build.model_flash if build and report.copied else 0
    ram = build.model_ram + report.buffers + stack + copied if build and stack is not None else None
    of = f"of {_bytes(board.flash)}; {framework_takes(report)}"
    limited("flash", report.flash.value, build.model_flash if build else None, report.flash_free, of)
    parts = "static + buffers + stack + copied:" if report.copied else "static + buffers + stack:"
    limited("RAM", report.ram.value, ram, report.ram_free, f"of {_bytes(board.ram)}; {parts}")
    add("  static", _bytes(report.static), build.model_ram if build else None, "", "data of the model's own")
    add("  buffers", _bytes(report.buffers), report.buffers, "", "the caller's row and answers")
    add("  stack", _bytes(report.stack.value), stack, "", "the deepest of a call")
    if report.copied:
        add(
            "  copied", _bytes(report.copied), build.model_flash if build else None, "", "code and tables, run from RAM"
        )
    for one in report.memory["memories"]:
        array = build.arenas.get(one["name"]) if build else None
        limited(one["name"], one["bytes"], array, one["limit"], "of the temporaries; free: what `--ram` gives them")
    found = f"{measured.mean:,.0f}" if measured else NONE
    if report.cycles.value:
        detail = time(report.cycles, board) + ("; measured: the mean over rows at the thresholds" if measured else "")
        row(made, report.cycles.unit, _figure(report.cycles), *([found] if build else []), "", detail)
    elif report.layers:
        row(made, report.cycles.unit, "unknown", *([found] if build else []), "", "not known for this model and board")
    if report.firmware.flash.known or build:
        add("firmware", *_whole(report.firmware.flash, build.flash if build else None, board.flash), _FIRMWARE)
        add(
            "",
            *_whole(report.firmware.ram, build.ram if build else None, board.ram),
            "its static RAM, without the stack",
        )
    return made


_FIRMWARE = "flash of the whole program on mcugen's own platform"


def _whole(needed: Figure, found: int | None, limit: int) -> tuple[str, int | None, str]:
    return (_bytes(needed.value) if needed.known else "unknown", found, _bytes(limit))


def _caption(report: Report, build: Build | None) -> str:
    said = "\n".join(filter(None, [_numbers(report), f"needs: {report.flash.source}"]))
    return (
        f"{said}; measured: the ELF built with PlatformIO's {build.platform} platform, and the simulator"
        if build
        else said
    )


def _numbers(report: Report) -> str:
    return f"number format {report.numeric_why}" if report.numeric_why else ""


def framework_takes(report: Report) -> str:
    """`the framework takes 1,442 B`, and whether that is estimated or not known."""
    if report.framework_flash is None:
        return "what the framework takes is unknown"
    estimated = " (estimated)" if report.framework_known == "estimated" else ""
    return f"the framework takes {_bytes(report.framework_flash)}{estimated}"


def time(cycles: Figure, board: Board) -> str:
    """`0.53 ms at 16 MHz`, and what it assumes where instructions were counted; nothing where it is not known."""
    needed, assumed = milliseconds(cycles, board), assumes(cycles)
    return f"{needed:.3g} ms at {board.clock / 1e6:g} MHz{' and ' * bool(assumed)}{assumed}" if needed else ""


def layers(report: Report, counts: Mapping[str, LayerCount]) -> Table:
    """Every layer, where it was counted alone with that; the one where most RAM is live is marked."""
    memory = report.memory
    least = memory["order_proven"] and memory["arena"] == memory["lower_bound"]
    bound = "the least there can be" if least else f"at least {_bytes(memory['lower_bound'])}"
    on_stack = " on the stack" if memory["arena"] and memory["arena_on"] == "stack" else ""
    maccs = any(layer.macc for layer in report.layers)  # trees multiply nothing
    columns = (
        "layer",
        "op",
        "output",
        *(["MACC>"] if maccs else []),
        "flash>",
        f"{report.cycles.unit}>",
        *(["alone>"] if counts else []),
        "RAM live>",
        "",
    )
    caption = f"arena {_bytes(memory['arena'])}{on_stack} ({bound})"
    caption += "; alone: the layer as a program's only one, measured" if counts else ""
    made = table(*columns, title="layers", caption=caption)
    for layer in report.layers:
        peak = "peak" if layer.name == memory["peak_at"] and len(report.layers) > 1 else ""
        count = counts.get(layer.name)
        alone = [f"{count.cycles:,}" if count else NONE] if counts else []
        macc = [f"{layer.macc:,}"] if maccs else []
        numbers = (*macc, _bytes(layer.flash), _figure(layer.cycles), *alone, _bytes(layer.live))
        row(made, layer.name, layer.op, layer.shape, *numbers, " ".join(filter(None, (layer.detail, peak, layer.node))))
    return made


def forms(layer: Layer, board: Board) -> Table:
    """The form that a layer has, and what the others would cost."""
    unit = layer.cycles.unit
    made = table("form", "flash>", f"{unit}>", "", title=f"forms of {layer.name}, all exact")
    others = ((f.name, f.cost.flash, Figure.of(f.cost.cycles if f.cost.counted else None, unit)) for f in layer.others)
    for name, flash, cycles in sorted([(layer.form, layer.flash, layer.cycles), *others], key=lambda one: one[:2]):
        chosen = "chosen" if name == layer.form else ""
        said = ", ".join(part for part in (time(cycles, board), chosen) if part)
        row(made, name, _bytes(flash), _figure(cycles), said)
    return made


def verdicts(found: Iterable[Verdict]) -> Table:
    """The table of `mcugen fit`."""
    made = table("board", "flash, B>", "RAM, B>", "cycles>", "ms>", "", caption=_FIT)
    for one in found:
        row(made, one.board.name, *_needs(one), _verdict(one), style=_STYLES[one.fits])
    return made


_FIT = "estimated: needed/free beside the board's framework\ncycles: instructions where not AVR; ms at one a cycle"
_STYLES = {True: None, None: "yellow", False: "red"}


def _needs(one: Verdict) -> tuple[str, ...]:
    if one.report is None:
        return (NONE,) * 4
    report, needed = one.report, milliseconds(one.report.cycles, one.board)
    flash = f"{report.flash.value:,}/{report.flash_free:,}"
    ram = f"{report.ram.value:,}/{report.ram_free:,}"
    return (flash, ram, _figure(report.cycles), f"{needed:.3g}" if needed else NONE)


def _verdict(one: Verdict) -> str:
    short = {"E0501": "RAM", "E0502": "flash"}
    if one.problems:
        return f"no: {', '.join(dict.fromkeys(short.get(d.code, d.message) for d in one.problems))}"
    if one.report and one.fits and one.report.sketch_fits is False:
        return "fits, but not with mcugen's sketch around it"
    return "fits" if one.fits else "unknown: the framework's share is not known, free is beside mcugen's own"


def proof_line(proof: Proof) -> str:
    """`proven: 12,532 threshold rows on the host, 0 disagreements`, or what was found instead."""
    if not proof.terms.judged:
        return f"beside your rows: {proof}"
    if proof.wrong and proof.holds:
        return f"within --max-disagreement {proof.terms.allowed:g}: {proof}"
    return f"{'proven' if proof.proven else 'NOT proven'}: {proof}"


def counted(number: int, thing: str) -> str:
    """`1 class`, `1,200 features`."""
    ending = "" if number == 1 else "es" if thing.endswith("s") else "s"
    return f"{number:,} {thing}{ending}"


def worst_rows(proof: Proof) -> Table:
    """The rows that differ most."""
    made = table("row>", "the model says", "the C says", "apart>")
    for one in proof.worst:
        row(made, f"{one.number:,}", one.expected, one.found, f"{one.error:.3g}")
    return made


def layers_table(found: Iterable[Beside]) -> Table:
    """Every layer beside onnxruntime's; the first that differs in more than its last digits is where to look."""
    caption = "each on onnxruntime's own input; of integers in steps"
    made = table("layer", "op", "largest difference>", "differ>", "of>", caption=caption)
    for one in found:
        row(made, one.name, one.op, f"{one.largest:.3g}", f"{one.differ:,}", f"{one.of:,}")
    return made


def measured_line(measured: Measured, board: Board) -> str:
    """`per call: 1,204 to 2,310 cycles, mean 1,803 (0.113 ms at 16 MHz); deepest stack 38 B (measured)`; where instructions are
    counted, what they take by the core's table follows.
    """
    mean = time(Figure(round(measured.mean), measured.unit), board)
    counted = f"{measured.least:,} to {measured.most:,} {measured.unit}, mean {measured.mean:,.0f} ({mean})"
    about = modelled_text(measured.modelled, board)
    return f"per call: {counted}; deepest stack {measured.stack:,} B (measured){'; ' * bool(about)}{about}"


def modelled_text(cycles: float, board: Board) -> str:
    """`about 3,100 cycles, 0.048 ms at 64 MHz (modelled: Cortex-M4 timing table, no wait states)`; empty without a table."""
    if not cycles:
        return ""
    needed = time(Figure(round(cycles), "cycles"), board)
    return f"about {cycles:,.0f} cycles, {needed} (modelled: {timing_of(board)} timing table, no wait states)"


def timed_line(timed: Timed) -> str:
    """`per call on the board: 104 to 180 µs, mean 131 µs (measured)`."""
    return f"per call on the board: {timed.least:,} to {timed.most:,} µs, mean {timed.mean:,.0f} µs (measured)"


def boards_table(found: Iterable[Board]) -> Table:
    """The table of `mcugen boards`."""
    caption = "free: what an empty sketch with Serial leaves; unknown: free is at most that"
    made = table("board", "MCU", "MHz>", "flash free>", "RAM free>", "free is", "sim", caption=caption)
    for board in found:
        clock = f"{board.clock / 1e6:g}" if board.flash < NO_LIMIT else NONE
        sizes = (_kilobytes(board.flash_free), _kilobytes(board.ram_free), board.framework_known)
        row(made, board.name, board.mcu, clock, *sizes, board.simulator or NONE)
    return made


def checks(found: Iterable[Check]) -> Table:
    """The table of `mcugen doctor`: one line each."""
    made = table("", "for", "found, or how to get it")
    for check in found:
        text = check.found if check.found is not None else f"missing: {check.install}"
        row(made, check.name, check.use, text, style=None if check.found is not None else "red")
    return made


def _kilobytes(count: int) -> str:
    return f"{count / 1024:,.1f} KiB" if count < NO_LIMIT else "no limit"


def _bytes(count: int) -> str:
    return f"{count:,} B" if count < NO_LIMIT else "no limit"


def _figure(figure: Figure) -> str:
    return f"{figure.value:,}" if figure.known else "unknown"
