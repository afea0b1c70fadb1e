"""The commands about mcugen itself: boards, ops, explain, doctor, demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mcugen.cli import options
from mcugen.cli.frame import Session

if TYPE_CHECKING:
    from mcugen.boards import Board


@click.command(epilog="Example: mcugen boards --json")
@options.debug
@options.json
@click.pass_obj
def boards(session: Session) -> None:
    """List the boards that come with mcugen.

    With what their framework leaves free. A board of your own is a TOML file like those; give its path to --board.
    """
    from mcugen.boards import all_boards
    from mcugen.report.show import boards_table

    found = all_boards()
    session.show(boards_table(found))
    session.put(boards=[_board(board) for board in found])


def _board(board: Board) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(board), "flash_free": board.flash_free, "ram_free": board.ram_free}


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


COMMANDS: tuple[click.Command, ...] = (boards, explain)
