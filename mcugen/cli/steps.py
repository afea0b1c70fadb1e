"""The steps that several commands take: compile, read rows, prove, and show each."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from mcugen.cli.frame import Session

if TYPE_CHECKING:
    from pathlib import Path

    from mcugen.compile import Compiled
    from mcugen.folder import Written
    from mcugen.ir import Array
    from mcugen.verify import Proof

UNPROVEN = "no C compiler found; `mcugen doctor` says how to get one"


def compiled_model(
    session: Session, model: str, dump: Callable[[str, str], None] | None = None, **asked: Any
) -> Compiled:
    """The model compiled for the board; whether it fits and is right is shown and judged by the command."""
    from mcugen.compile import compile as run

    # a spinner would run through the dump
    with session.working(f"compiling {model}") if dump is None else contextlib.nullcontext():
        compiled = run(model, check_fit=False, check_answers=False, dump=dump, **asked)
    for note in compiled.source.notes:
        click.echo(f"note: {note}", err=True)
    return compiled


def options_of(asked: Mapping[str, Any]) -> str:
    """The model, the board and every option that decides the C, as one types them: for a command to go on with."""
    words = [str(asked["model"]), "--board", str(asked["board"])]
    for name, shape in asked.get("shapes", {}).items():
        words += ["--shape", f"{name}={','.join(map(str, shape))}"]
    for name, usual in _DECISIVE.items():
        if asked.get(name, usual) != usual:
            words += [f"--{name.replace('_', '-')}", *([] if usual is False else [str(asked[name])])]
    return shlex.join(words)


_DECISIVE = {
    "name": None,
    "optimize": "auto",
    "numeric": "auto",
    "requant": "integer",
    "by_rows": "auto",
    "stream_input": False,
    "arena_input": False,
    "ram": None,
    "output": None,
    "input": "float32",
    "calibration": "minmax",
    "max_disagreement": 0.0,
    "data": None,
    "allow_pickle": False,
}


def show_written(session: Session, written: Written, folder: Path) -> None:
    """Say which files of a folder were written, removed, or stayed as they were."""
    for path in written.changed:
        session.say(f"wrote {folder / path}")
    for path in written.removed:
        session.say(f"removed {folder / path}")
    if written.unchanged:
        session.say(f"unchanged: {len(written.unchanged)} of {len(written.changed) + len(written.unchanged)} files")
    files = {
        "changed": [*written.changed],
        "unchanged": [*written.unchanged],
        "removed": [*written.removed],
    }
    session.put(folder=str(folder), files=files)


def prove(session: Session, compiled: Compiled, rows: Array | None, data: str, no_check: bool) -> None:
    """Compare the C on this computer with the model, at its thresholds and on the user's rows; say so, or why not."""
    from mcugen.compile import QUICK_ROWS
    from mcugen.targets.host import find_compiler

    if no_check or find_compiler() is None:
        reason = "--no-check" if no_check else UNPROVEN
        session.say(f"not proven: {reason}")
        session.put(proven=False, proofs=[])
        return
    with session.working("comparing with the model"):
        proofs = [compiled.verify(limit=QUICK_ROWS)]
        proofs += [compiled.verify(rows, source=f"rows of {data}")] if rows is not None else []
    show_proofs(session, compiled, proofs)


def show_proofs(session: Session, compiled: Compiled, proofs: list[Proof]) -> None:
    """Say what was compared; E0801 and E0802 where too much differs."""
    from mcugen.report.json import of_proof
    from mcugen.report.show import proof_line, worst_rows
    from mcugen.verify import require

    for proof in proofs:
        session.say(proof_line(proof))
        if proof.wrong:
            session.show(worst_rows(proof))
    judged = [p for p in proofs if p.terms.judged]
    session.put(proven=all(p.proven for p in judged), proofs=[of_proof(p) for p in proofs])
    for proof in proofs:
        require(proof, compiled.source.loc)
