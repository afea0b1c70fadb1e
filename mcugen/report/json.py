"""The report as the JSON that `--json` prints. Keys are stable: one may come, none goes without a new schema number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mcugen.boards import Board
from mcugen.report import Figure, Firmware, Layer, Report

if TYPE_CHECKING:
    from mcugen.fit import Verdict
    from mcugen.measure import LayerCount, Measured, Timed
    from mcugen.op import Form
    from mcugen.targets.toolchain import Build
    from mcugen.verify import Proof


def as_dict(
    report: Report, board: Board, build: Build | None = None, counts: Mapping[str, LayerCount] | None = None
) -> dict[str, Any]:
    """A report; `measured` is the ELF's own figures once it was built, else None. Bytes, cycles of one call, ms. A layer's is what
    was counted of it alone.
    """
    return {
        "model": report.model,
        "board": report.board,
        "optimize": report.optimize,
        "numeric": report.numeric,
        "numeric_why": report.numeric_why or None,
        "fits": report.fits,
        "flash": {
            **_figure(report.flash),
            "framework": report.framework_flash,
            "framework_source": report.framework_known,
            "free": report.flash_free,
        },
        "ram": {
            **_figure(report.ram),
            "static": report.static,
            "buffers": report.buffers,
            "stack": report.stack.value,
            "copied": report.copied,
            "framework": report.framework_ram,
            "framework_source": report.framework_known,
            "free": report.ram_free,
        },
        "stack": _figure(report.stack),
        "cycles": _figure(report.cycles),
        "firmware": {**_firmware(report.firmware, board), "registry": _firmware(report.registry, board)},
        "time": {
            "value": milliseconds(report.cycles, board),
            "unit": "ms",
            "source": report.cycles.source,
            "assumes": assumes(report.cycles),
        },
        "memory": {**report.memory, "source": "estimated"},
        "layers": [_layer(layer, (counts or {}).get(layer.name)) for layer in report.layers],
        "measured": _measured(build) if build else None,
    }


def milliseconds(cycles: Figure, board: Board) -> float | None:
    """What the cycles take at the board's clock, an instruction as a cycle; None where the board has no clock (`host`) or
    they are not known.
    """
    return cycles.value / board.clock * 1000 if board.clock and cycles.value else None


def assumes(cycles: Figure) -> str:
    """What a time relies on: nothing where cycles were counted."""
    return "one instruction a cycle" if cycles.unit == "instructions" and cycles.known else ""


def of_verdict(verdict: Verdict) -> dict[str, Any]:
    """A row of `mcugen fit`."""
    return {
        "board": verdict.board.name,
        "fits": verdict.fits,
        "sketch_fits": verdict.report.sketch_fits if verdict.report else None,
        "problems": [d.message for d in verdict.problems],
        "report": as_dict(verdict.report, verdict.board) if verdict.report else None,
    }


def of_proof(proof: Proof) -> dict[str, Any]:
    """A comparison of the C with the model. What was not even a number is None.

    `off` has the largest error of every output that is numbers, absolute and as part of the model's range; `numeric` is the
    smaller number format that was judged, `max_disagreement` what it may change, `judged` whether it counts.
    """
    worst = [{"row": r.number, "expected": r.expected, "found": r.found} for r in proof.worst]
    off = [{**asdict(one), "largest": _finite(one.largest), "part": _finite(one.part)} for one in proof.off]
    found = {key: value for key, value in asdict(proof).items() if key != "terms"}
    terms = {
        "numeric": proof.terms.numeric or None,
        "max_disagreement": proof.terms.allowed,
        "judged": proof.terms.judged,
    }
    return {**found, **terms, "proven": proof.proven, "largest": _finite(proof.largest), "worst": worst, "off": off}


def _finite(number: float) -> float | None:
    return number if abs(number) < float("inf") else None


def of_measured(measured: Measured) -> dict[str, Any]:
    """What the simulator counted, per call; `cycles` says in `unit` whether they are instructions. Then `instructions` is their
    mean and `modelled_cycles` that of what they take by the core's table, None where there is none.
    """
    cycles = {"min": measured.least, "mean": measured.mean, "max": measured.most, "unit": measured.unit}
    return {
        "cycles": {**cycles, "source": "measured"},
        "instructions": measured.mean if measured.unit == "instructions" else None,
        "modelled_cycles": modelled_cycles(measured.modelled, measured.timing),
        "stack": {"value": measured.stack, "unit": "B", "source": "measured"},
    }


def modelled_cycles(cycles: float, timing: str) -> dict[str, Any] | None:
    """Cycles by a core's table, without wait states; None where there is none."""
    return {"value": cycles, "timing": timing, "wait_states": 0, "source": "modelled"} if cycles else None


def of_timed(timed: Timed) -> dict[str, Any]:
    """What the board's own clock said, per call."""
    times = {"min": timed.least, "mean": timed.mean, "max": timed.most, "unit": "us"}
    return {"time": {**times, "source": "measured"}}


def _layer(layer: Layer, count: LayerCount | None) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "detail": layer.detail,
        "shape": layer.shape,
        "macc": layer.macc,
        "flash": _figure(Figure(layer.flash, "B")),
        "cycles": _figure(layer.cycles),
        "live": layer.live,
        "form": layer.form,
        "others": [_form(form) for form in layer.others],
        "where": layer.loc,
        "node": layer.node or None,
        "measured": _count(layer, count) if count else None,
    }


def _count(layer: Layer, count: LayerCount) -> dict[str, Any]:
    return {
        layer.cycles.unit: count.cycles,
        "modelled_cycles": count.modelled or None,
        "of": "the layer alone",
        "source": "measured",
    }


def _form(form: Form) -> dict[str, Any]:
    cost = form.cost
    cycles = cost.cycles if cost.counted else None
    return {"form": form.name, "flash": cost.flash, "cycles": cycles, "stack": cost.stack, "source": "estimated"}


def _firmware(found: Firmware, board: Board) -> dict[str, Any]:
    flash, ram = {**_figure(found.flash), "limit": board.flash}, {**_figure(found.ram), "limit": board.ram}
    return {"platform": found.platform, "flash": flash, "ram": ram}


def _figure(figure: Figure) -> dict[str, Any]:
    return asdict(figure) | ({} if figure.known else {"value": None})


def _measured(build: Build) -> dict[str, Any]:
    figures = {
        "flash": build.flash,
        "ram": build.ram,
        "model_flash": build.model_flash,
        "model_ram": build.model_ram,
    }
    arenas = {name: _figure(Figure(size, "B", "measured")) for name, size in build.arenas.items()}
    found = {k: _figure(Figure(v, "B", "measured")) for k, v in figures.items()}
    return {"platform": build.platform, **found, "memories": arenas}
