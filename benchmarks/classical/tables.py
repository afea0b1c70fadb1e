"""The tables: every tool in every cell, ratios to the best exact peer, their geometric means beside what is promised."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmarks.classical.results import OURS, Result, order

FAMILIES = {  # what is promised of AVR cycles: at most this share of the best exact peer's
    "decision tree": 1 / 3.5,
    "forests": 1 / 4,
    "boosting": 1 / 8,
    "linear SVM": 1 / 10,
    "RBF SVM": 1 / 3.5,
    "logistic": 1 / 4,
    "naive Bayes": 1 / 2.5,
    "MLP": 1 / 3.5,
    "kNN": 1 / 2.5,
}


@dataclass(frozen=True)
class Metric:
    """A figure on a core that is compared, in the form of mcugen that is made for it, and the promise over all cells."""

    core: str
    what: str
    form: str
    promised: float | None
    input: str = "float"

    @property
    def title(self) -> str:
        """For the tables."""
        what = "instructions" if self.what == "cycles" and self.core != "avr" else self.what
        return f"{self.core} {what}{'' if self.input == 'float' else ' on ' + self.input}"

    def of(self, result: Result) -> float:
        """The figure; a byte or a cycle where there is none, so that it can be divided by."""
        return max(1.0, float(getattr(result, self.what)))


METRICS = (
    Metric("avr", "cycles", f"{OURS} speed", 1 / 4),
    Metric("avr", "flash", f"{OURS} size", 1 / 3),
    Metric("cortex-m4f", "cycles", f"{OURS} speed", 1 / 2),
    Metric("cortex-m0plus", "flash", f"{OURS} size", None),
)
QUANTISED = tuple(
    Metric(core, "flash", f"{OURS} size", None, "uint8_t") for core in ("avr", "cortex-m4f", "cortex-m0plus")
)
BOOSTED = (  # one build has both that are promised
    Metric("avr", "flash", f"{OURS} size", 1 / 2),
    Metric("avr", "cycles", f"{OURS} size", 1 / 2),
    Metric("avr", "cycles", f"{OURS} speed", None),
    Metric("cortex-m4f", "cycles", f"{OURS} speed", None),
    Metric("cortex-m0plus", "flash", f"{OURS} size", None),
)

COLUMNS: tuple[tuple[str, int, Callable[[Result], str]], ...] = (
    ("model", 12, lambda r: r.model),
    ("data", 15, lambda r: r.data),
    ("by", 16, lambda r: r.tool),
    ("form", 18, lambda r: r.form),
    ("flash", -11, lambda r: f"{r.flash:,} B"),
    ("SRAM", -10, lambda r: f"{r.ram:,} B"),
    ("stack", -9, lambda r: f"{r.stack:,} B"),
    ("cycles", -13, lambda r: f"{r.cycles:,.0f}"),
    ("rows", -9, lambda r: str(r.rows) if r.rows == r.of else f"{r.rows}/{r.of}"),
    ("wrong", -6, lambda r: str(r.wrong)),
    ("close", -8, lambda r: f"{r.wrong_close}/{r.close}"),
)


def table(results: Sequence[Result], core: str) -> Iterator[str]:
    """Every tool in every cell of a core."""
    rows = sorted((r for r in results if r.core == core), key=order)
    if not rows:
        return
    unit = "cycles" if core == "avr" else "instr."
    yield f"{core}, {rows[0].flags}, {rows[0].compiler}; {rows[0].unit} per prediction, mean over the rows run"
    yield ""
    yield "".join(_cell(unit if title == "cycles" else title, width) for title, width, _ in COLUMNS).rstrip()
    for _, cell in groupby(rows, lambda r: r.cell):
        for one in (some := [*cell]):
            if not one.reason:
                yield "".join(_cell(text(one), width) for _, width, text in COLUMNS).rstrip()
        for one in (r for r in some if r.reason and not r.reason.startswith(SILENT)):
            yield "".join(_cell(text(one), width) for _, width, text in COLUMNS[:4]) + f"  - {one.reason}"
        yield ""


TOO_LARGE = "does not fit"  # which is no loss where nobody's does
SILENT = "no such"  # model, form: the CSV has them


def _cell(text: str, width: int) -> str:
    return f"{text:<{width}}" if width > 0 else f"{text:>{-width}}"


@dataclass(frozen=True)
class Ratio:
    """mcugen beside the best exact peer of a cell: ours / theirs."""

    ours: Result
    peer: Result
    ratio: float


def ratios(results: Sequence[Result], metric: Metric) -> list[Ratio]:
    """The cells that both mcugen and an exact peer have."""
    there = [r for r in results if r.core == metric.core and r.input == metric.input and r.exact]
    peers: dict[tuple[str, ...], list[Result]] = {}
    for one in (r for r in there if not r.ours):
        peers.setdefault(one.cell, []).append(one)
    best = {cell: min(found, key=metric.of) for cell, found in peers.items()}
    own = [r for r in there if r.tool == metric.form and r.cell in best]
    return [Ratio(r, best[r.cell], metric.of(r) / metric.of(best[r.cell])) for r in sorted(own, key=order)]


def compared(results: Sequence[Result], metric: Metric) -> Iterator[str]:
    """Ratios of every cell, geometric means of every family and of all. A line that ends with MISSED misses a target."""
    found = ratios(results, metric)
    if not found:
        return
    yield f"{metric.title}: {metric.form} beside the best exact peer"
    yield ""
    for one in found:
        figures = f"{metric.of(one.ours):>12,.0f}{metric.of(one.peer):>12,.0f}"
        peer = f"{one.peer.tool} {one.peer.form}"
        note = "  WORSE than the peer" if one.ratio > 1 else ""
        yield f"  {one.ours.model:<12}{one.ours.data:<15}{figures}  {peer:<24}{times(one.ratio):>8}{note}"
    yield ""
    families = FAMILIES if metric.what == "cycles" and metric.core == "avr" else dict.fromkeys(FAMILIES)
    for family, promised in families.items():
        if some := [one for one in found if one.ours.family == family]:
            yield mean_line(family, some, promised)
    yield mean_line("all", found, metric.promised)


def mean(some: Sequence[Ratio]) -> float:
    """The geometric mean."""
    return math.exp(sum(math.log(one.ratio) for one in some) / len(some))


def mean_line(name: str, some: Sequence[Ratio], promised: float | None) -> str:
    """A geometric mean, and what was promised."""
    found = mean(some)
    if promised is None:
        return f"  {name:<27}{times(found):>8}  of {len(some)} cells"
    verdict = "met" if found <= promised else "MISSED"
    return f"  {name:<27}{times(found):>8}  of {len(some)} cells, target {times(promised)}: {verdict}"


def times(ratio: float) -> str:
    """A ratio as people say it."""
    return f"1/{1 / ratio:.2f}" if ratio < 1 else f"{ratio:.2f}"


def missed(results: Sequence[Result], metrics: Sequence[Metric]) -> Iterator[str]:
    """What is not as promised: a mean over its target, a cell behind a peer, an answer that is wrong, SRAM."""
    for metric in metrics:
        lines = [*compared(results, metric)]
        yield from (f"{metric.title}: {line.strip()}" for line in lines if line.endswith("MISSED") or "WORSE" in line)
    for one in (r for r in results if r.ours):
        rows = "" if one.input == "float" else f" of {one.input}"
        name = f"{one.core}, {one.model} on {one.data}{rows}, {one.tool}"
        if one.reason and not (
            one.reason.startswith(TOO_LARGE) and all(r.reason for r in results if r.cell == one.cell)
        ):
            yield f"{name}: {one.reason}"
        if one.wrong:
            yield f"{name}: {one.wrong} wrong answers"
        if one.ram:
            yield f"{name}: {one.ram} B of static SRAM"
