"""The report as a page of its own: no script, nothing fetched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mcugen import __version__
from mcugen.boards import Board
from mcugen.diagnostics import Loc, error
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
    loc = Loc(str(file))
    try:
        if file.exists() and not _is_ours(file):
            help = "nothing was written: give the name of a file that is not there yet"
            raise error("E0603", "mcugen did not write this file", help=help, loc=loc)
        _replace(file, text)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise error("E0604", f"cannot write: {reason}", help="give another file with --html", loc=loc) from problem


def _is_ours(file: Path) -> bool:
    with file.open("rb") as opened:
        return MARK.encode() in opened.read(200)


def _replace(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:60]}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
