"""The commands that go on to a board: build, run in a simulator, flash, monitor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcugen.cli import options
from mcugen.cli.frame import Session
from mcugen.cli.steps import compiled_model, prove, rows_of

if TYPE_CHECKING:
    from mcugen.compile import Compiled


@click.command(epilog="Example: mcugen build digits.skops --board uno -o digits-uno")
@options.reading
@options.board
@options.folder
@click.pass_obj
def build(session: Session, /, folder: Path | None, **asked: Any) -> None:
    """Build MODEL's sketch with PlatformIO.

    Shows what the linked program takes of the board beside what was estimated. The project is gone afterwards, unless -o
    says where to keep it.
    """
    from mcugen.deploy import project_folder
    from mcugen.report.json import as_dict
    from mcugen.report.show import budget

    compiled = _proven(session, **asked)
    with project_folder(folder) as here:
        built = _built(session, compiled, here)
        elf = str(built.elf) if folder else None
    session.show(budget(compiled.report, compiled.target.board, built))
    session.say(f"built {elf}" if elf else "built; -o DIR keeps the project")
    session.put(report=as_dict(compiled.report, compiled.target.board, built), elf=elf)


@click.command(epilog="Example: mcugen run digits.skops --board uno --data test.csv")
@options.reading
@options.board
@options.data
@options.folder
@click.pass_obj
def run(session: Session, /, data: Path | None, folder: Path | None, **asked: Any) -> None:
    """Build MODEL's sketch and run it in the board's simulator.

    Shows what it sends over its serial port: the answer to a sample row, then to every row of --data, each with the time
    it took.
    """
    from mcugen.deploy import project_folder, row_text, sample_row
    from mcugen.targets import toolchain_for

    compiled = _proven(session, **asked)
    rows, board = rows_of(compiled, data), compiled.target.board
    with project_folder(folder) as here:
        built = _built(session, compiled, here, sample_row(compiled, rows))
        sent = b"" if rows is None else row_text(rows)
        with session.working(f"running on a simulated {board.title}"):
            done = toolchain_for(board).run(built, board, sent)
    serial = done.serial.decode("utf-8", "replace").replace("\r\n", "\n")
    session.say(serial.rstrip("\n"))
    session.say(
        f"\n{done.cycles:,} cycles in all; at most {done.sram_peak:,} of {board.ram:,} B of RAM in use (measured)"
    )
    session.put(
        serial=serial, cycles=done.cycles, sram_peak={"value": done.sram_peak, "unit": "B", "source": "measured"}
    )


@click.command(epilog="Example: mcugen flash digits.skops --board uno --port /dev/ttyACM0")
@options.reading
@options.board
@options.port
@options.folder
@click.pass_obj
def flash(session: Session, /, port: str | None, folder: Path | None, **asked: Any) -> None:
    """Build MODEL's sketch and upload it to the board.

    Through PlatformIO, over the serial port of --port or the only one that is there.
    """
    from mcugen.deploy import project_folder, sample_row
    from mcugen.targets import toolchain_for
    from mcugen.targets.serial import choose_port

    chosen = choose_port(port)
    compiled = _proven(session, **asked)
    board = compiled.target.board
    with project_folder(folder) as here:
        _built(session, compiled, here, sample_row(compiled, None))
        with session.working(f"uploading over {chosen}"):
            log = toolchain_for(board).flash(here, board, chosen)
    session.say(f"flashed {board.title} over {chosen}")
    session.say(f"its answers: mcugen monitor --board {asked['board']} --port {chosen}")
    session.put(flashed=True, port=chosen, log=log)


@click.command(epilog="Example: mcugen monitor --board uno")
@options.debug
@options.board
@options.port
@click.pass_obj
def monitor(session: Session, board: str, port: str | None) -> None:
    """Show what a board sends over its serial port.

    Until Ctrl-C, or until the port goes.
    """
    from mcugen.boards import load_board
    from mcugen.targets import toolchain_for
    from mcugen.targets.serial import choose_port

    found = load_board(board)
    for line in toolchain_for(found).monitor(choose_port(port), found):
        session.say(line)


COMMANDS = (build, run, flash, monitor)


def _proven(session: Session, **asked: Any) -> Compiled:
    """The model compiled, fitting and compared with the C on this computer, before a board sees it."""
    from mcugen.report import require_fit
    from mcugen.targets import toolchain_for

    compiled = compiled_model(session, **asked)
    toolchain_for(compiled.target.board)
    require_fit(compiled.report, compiled.source.loc)
    prove(session, compiled, None, "", no_check=False)
    return compiled


def _built(session: Session, compiled: Compiled, folder: Path, sample: list[float] | None = None) -> Any:
    from mcugen.deploy import build

    with session.working(f"building for {compiled.target.board.title}"):
        return build(compiled, folder, sample)
