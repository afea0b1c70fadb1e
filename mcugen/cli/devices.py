"""The commands that go on to a board: build, run in a simulator, flash, monitor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcugen.cli import options
from mcugen.cli.frame import Session
from mcugen.cli.steps import compiled_model, options_of, prove

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
@options.folder
@click.pass_obj
def run(session: Session, /, folder: Path | None, **asked: Any) -> None:
    """Build MODEL's sketch and run it in the board's simulator.

    Shows what it sends over its serial port: the answer to a sample row, then to every row of --data, each with the time
    it took.
    """
    from mcugen.deploy import project_folder, sample_row, typed
    from mcugen.report.json import modelled_cycles
    from mcugen.report.show import modelled_text
    from mcugen.targets import toolchain_for
    from mcugen.targets.cores import timing_of

    compiled = _proven(session, **asked)
    rows, board = compiled.rows, compiled.target.board
    with project_folder(folder) as here:
        built = _built(session, compiled, here, sample_row(compiled, rows))
        sent = b"" if rows is None else typed(compiled, rows)
        with session.working(f"running on a simulated {board.title}"):
            done = toolchain_for(board).run(built.elf, board, sent)
    serial = done.serial.decode("utf-8", "replace").replace("\r\n", "\n")
    session.say(re.sub(r"row \d+ of \d+\n", "", serial).rstrip("\n"))  # all but the last of a streamed input
    about = modelled_text(done.modelled, board)
    session.say(
        f"\n{done.cycles:,} {toolchain_for(board).unit} in all{', ' * bool(about)}{about}; at most {done.sram_peak:,} of {board.ram:,} B of RAM in use (measured)"
    )
    session.put(
        serial=serial,
        cycles=done.cycles,
        modelled_cycles=modelled_cycles(done.modelled, timing_of(board)),
        sram_peak={"value": done.sram_peak, "unit": "B", "source": "measured"},
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
    session.say(f"prove it: mcugen verify {options_of(asked)} --on board --port {chosen}")
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


@click.command(epilog="Example: mcugen simulate .pio/build/uno/firmware.elf --board uno")
@options.debug
@options.board
@click.argument("elf", metavar="ELF", type=click.Path(path_type=Path))
@click.pass_obj
def simulate(session: Session, elf: Path, board: str) -> None:
    """Run a program in the board's simulator.

    ELF is what PlatformIO linked for the board. What it sends over its serial port is shown when it has ended, or has been
    silent for two seconds. Tests of a project (`pio test -e NAME_simulated`) are run by this.
    """
    from mcugen.boards import load_board
    from mcugen.diagnostics import error, nearest_file
    from mcugen.targets import toolchain_for

    found = load_board(board)
    if not elf.is_file():
        help = "give the ELF file of a program" if elf.exists() else nearest_file(elf)
        raise error("E0101", f"{elf} is no file" if elf.exists() else f"there is no program {elf}", help=help)
    with session.working(f"running on a simulated {found.title}"):
        done = toolchain_for(found).run(elf, found)
    session.say(done.serial.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n"))


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},  # they are PlatformIO's
    epilog="Example: mcugen pio test -d digits-uno -e native",
)
@options.debug
@click.option("--board", "-b", metavar="FILE", help="The TOML file of a board of your own, which the project is for.")
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def pio(board: str | None, args: tuple[str, ...]) -> None:
    """Call PlatformIO as mcugen does.

    With its registry's platforms where the registry answers, else with mcugen's own over the system's tools, for the
    project in this folder or in the one after -d. ARGS and the exit code are PlatformIO's.
    """
    from mcugen.boards import load_board
    from mcugen.targets.platformio import call_pio, choose_platform, project_platform

    own = load_board(board) if board else None
    platform = choose_platform(project_platform(_project(args)))
    click.echo(f"PlatformIO with the {platform} platform", err=True)
    raise click.exceptions.Exit(call_pio(args, platform, own))


COMMANDS = (build, run, flash, monitor, simulate, pio)


def _project(args: Sequence[str]) -> Path:
    """The folder that PlatformIO's options name: `-d DIR`, `-dDIR`, `--project-dir DIR` or `--project-dir=DIR`."""
    for option, following in pairwise([*args, ""]):
        if option in ("-d", "--project-dir"):
            return Path(following)
        if option.startswith(("-d", "--project-dir=")):
            return Path(option.removeprefix("--project-dir=").removeprefix("-d"))
    return Path()


def _proven(session: Session, **asked: Any) -> Compiled:
    """The model compiled, fitting and compared with the C on this computer, before a board sees it."""
    from mcugen.targets import toolchain_for

    compiled = compiled_model(session, **asked)
    toolchain_for(compiled.target.board)
    compiled.require_fit()
    rows = compiled.rows if compiled.quantised else None
    prove(session, compiled, rows, str(asked["data"]), no_check=False)
    return compiled


def _built(session: Session, compiled: Compiled, folder: Path, sample: list[float] | None = None) -> Any:
    from mcugen.deploy import build

    with session.working(f"building for {compiled.target.board.title}"):
        return build(compiled, folder, sample)
