"""The report as a page of its own: no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mcugen import __version__
from mcugen.boards import Board
from mcugen.folder import write_file
from mcugen.report import Report
from mcugen.report.json import assumes, milliseconds
from mcugen.report.memory import BASELINE, Certificate, proof, stages
from mcugen.report.memory_map import memory_map
from mcugen.templating import environment

if TYPE_CHECKING:
    from mcugen.measure import LayerCount
    from mcugen.targets.toolchain import Build

MARK = "<!-- written by mcugen -->"


def page(
    report: Report,
    board: Board,
    build: Build | None = None,
    map: str = "",
    counts: Mapping[str, LayerCount] | None = None,
) -> str:
    """The page; the same report gives the same bytes. `map`: the picture of the memory plan, where there is one."""
    template = environment().get_template("report/report.html.j2")
    needed = milliseconds(report.cycles, board)
    return template.render(
        r=report,
        board=board,
        build=build,
        counts=counts or {},
        ms=needed,
        assumed=assumes(report.cycles),
        mark=MARK,
        version=__version__,
        map=map,
    )


def write_page(
    file: Path,
    report: Report,
    board: Board,
    build: Build | None = None,
    map: str = "",
    counts: Mapping[str, LayerCount] | None = None,
) -> None:
    """Write the page, whole or not at all. E0603 over a file that is no page of ours, E0604 where the disk refuses."""
    _write(file, page(report, board, build, map, counts))


def write_plan(file: Path, name: str, found: Certificate) -> None:
    """Write the page of a plan for which there is no C, like `write_page`."""
    template = environment().get_template("report/plan.html.j2")
    known = {"lines": stages(found), "saved": found.saved_by, "proof": proof(found.order), "baseline": BASELINE}
    map = memory_map(found.module.predict, found.used)
    _write(file, template.render(name=name, map=map, mark=MARK, version=__version__, **known))


def _write(file: Path, text: str) -> None:
    write_file(file, text.encode(), "--html", _is_ours)


def _is_ours(file: Path) -> bool:
    with file.open("rb") as opened:
        return MARK.encode() in opened.read(200)
