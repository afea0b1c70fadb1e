"""The commands about mcugen itself: boards, ops, explain, doctor, demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcugen.cli import options
from mcugen.cli.frame import Session
from mcugen.diagnostics import EXIT_TOOL

if TYPE_CHECKING:
    from mcugen.boards import Board


@click.command(epilog="Example: mcugen boards uno")
@options.debug
@options.json
@click.argument("name", metavar="[NAME]", required=False)
@click.pass_obj
def boards(session: Session, name: str | None) -> None:
    """List the boards that come with mcugen.

    With what their framework leaves free. NAME shows one, and what it keeps without power. A board of your own is a TOML
    file like those; give its path to --board, or here.
    """
    from mcugen.boards import all_boards, load_board
    from mcugen.report.show import boards_table
    from mcugen.storage import memory_of

    found = all_boards() if name is None else (load_board(name),)
    session.show(boards_table(found))
    if name is not None:
        session.say(f"keeps without power: {memory_of(found[0])}")
    session.put(boards=[_board(board) for board in found])


def _board(board: Board) -> dict[str, Any]:
    from dataclasses import asdict

    free = {"flash_free": board.flash_free, "ram_free": board.ram_free}
    return {**asdict(board), **free, "framework_known": board.framework_known}


@click.command(epilog="Example: mcugen explain E0501")
@options.debug
@options.json
@click.argument("code", metavar="[CODE]", required=False)
@click.pass_obj
def explain(session: Session, code: str | None) -> None:
    """Explain an error code.

    What it means, and the exit code of a command that ends with it. Without CODE, list them all.
    """
    from mcugen.explain import explained, known, listed

    if code is None:
        session.say(listed())
        session.put(codes=[known(one) for one in _codes()])
        return
    found = _nearest(code)
    session.say(explained(found))
    session.put(**known(found))


def _codes() -> list[str]:
    from mcugen.diagnostics import CODES

    return [*CODES]


def _nearest(code: str) -> str:
    """The code as the table has it, or a usage error that names the nearest."""
    from difflib import get_close_matches

    wanted, codes = code.strip().strip("[]").upper(), _codes()
    for candidate in (wanted, f"E{wanted.removeprefix('E').zfill(4)}"):
        if candidate in codes:
            return candidate
    near = get_close_matches(wanted, codes, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "`mcugen explain` lists them all"
    raise click.UsageError(f"there is no code '{code}'; {hint}")


@click.command(epilog="Example: mcugen ops --estimators")
@options.debug
@options.json
@click.option("--estimators", is_flag=True, help="List scikit-learn's estimators instead, and what becomes of each.")
@click.pass_obj
def ops(session: Session, estimators: bool) -> None:
    """List the ops and what they support.

    An op is what a model becomes before it is C: a forest is one tree_ensemble.
    """
    if estimators:
        _list_estimators(session)
        return
    from mcugen.explain import op_pages

    found = op_pages()
    for op in found:
        session.say(click.style(op["name"], bold=True))
        session.say("\n\n".join(part for part in (op["summary"], op["supports"]) if part) + "\n")
    session.put(ops=found)


def _list_estimators(session: Session) -> None:
    from mcugen.explain import estimator_pages

    with session.working("asking scikit-learn for its estimators"):
        found = estimator_pages()
    for one in found:
        name = click.style(one["name"], bold=one["supported"], dim=not one["supported"])
        session.say(f"{name}: {'' if one['supported'] else 'not supported: '}{one['text']}")
    session.put(estimators=found)


@click.command(epilog="Example: mcugen doctor")
@options.debug
@options.json
@click.pass_obj
def doctor(session: Session) -> None:
    """Say what is installed, and how to get what is missing.

    Ends with 5 where something is missing; `compile` and `fit` need only the first eight.
    """
    from dataclasses import asdict

    from mcugen.doctor import examine, python
    from mcugen.report.show import checks

    with session.working("looking around"):
        found = [*examine()]
    session.show(checks(found))
    missing = [check for check in found if check.found is None]
    session.say(f"Python {python()}")
    session.say(f"{len(missing)} of {len(found)} missing" if missing else "everything is there")
    session.put(python=python(), checks=[asdict(check) for check in found], missing=[check.name for check in missing])
    if missing:
        raise click.exceptions.Exit(EXIT_TOOL)


@click.command(epilog="Example: mcugen demo -o demo-out")
@options.debug
@click.option(
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    default="demo-out",
    show_default=True,
    metavar="DIR",
    help="The folder to write.",
)
@click.pass_obj
def demo(session: Session, folder: Path) -> None:
    """Go the whole way once, with a forest trained on digits.

    Train, compile, prove, build, run on a simulated Uno, flash it, read its answers.
    """
    from mcugen.demo import demo as run

    run(folder, session.say)


COMMANDS: tuple[click.Command, ...] = (boards, ops, explain, doctor, demo)
