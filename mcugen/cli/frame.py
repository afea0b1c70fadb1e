"""What all commands share: where their text goes, the JSON object, and how anything that goes wrong ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from mcugen.diagnostics import EXIT_BUG, EXIT_OK, EXIT_USAGE, Diagnostic, McugenError, error

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SCHEMA = 1  # of every JSON object; a key may come, none goes or changes its meaning without another number
EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 130, 141  # as shells count signals: 128 and the number of SIGINT, SIGPIPE
WIDTH = 140  # columns where the text goes to no terminal


@dataclass
class Session:
    """One run of the program: what was asked of all commands, and the JSON object that grows meanwhile."""

    json: bool = False
    debug: bool = False
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def people(self) -> IO[str]:
        """Where text for people goes: standard output, or standard error where the JSON object has that."""
        return sys.stderr if self.json else sys.stdout

    def say(self, text: str = "") -> None:
        """A line of text as it is."""
        click.echo(text, file=self.people, color=_color())

    def show(self, *things: RenderableType) -> None:
        """Tables and the like, an empty line after each; text in square brackets stays what it is."""
        console = _console(self.people)
        for thing in things:
            with console.capture() as caught:
                console.print(thing, markup=False, highlight=False, emoji=False)
            # rich fills every line with blanks up to the table's width
            self.say("\n".join(line.rstrip() for line in caught.get().splitlines()) + "\n")

    def put(self, **keys: Any) -> None:
        """Add to the JSON object."""
        self.answer |= keys

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """A spinner with the time that has passed, on a terminal only; it is gone afterwards."""
        if not sys.stderr.isatty():
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=_console(sys.stderr), transient=True) as progress:
            progress.add_task(text, total=None)
            yield

    def finish(self) -> None:
        """Print the JSON object, where one was asked for."""
        if self.json:
            click.echo(json.dumps({"schema": SCHEMA, **self.answer}, indent=2))
        sys.stdout.flush()

    def fail(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Say what is wrong, and put it into the JSON object."""
        found = [*diagnostics]
        for one in found:
            click.echo(styled(one), err=True, color=_color())
        self.put(error=[as_dict(one) for one in found])
        self.finish_after_all()

    def finish_after_all(self) -> None:
        """`finish` after an error: where standard output takes nothing, the error on standard error is enough."""
        try:
            self.finish()
        except BrokenPipeError:
            raise
        except OSError:
            _silence(sys.stdout)


def as_dict(one: Diagnostic) -> dict[str, Any]:
    """A diagnostic as the JSON object has it."""
    return {
        "code": one.code,
        "message": one.message,
        "where": str(one.loc),
        "notes": [*one.notes],
        "help": one.help,
    }


def styled(one: Diagnostic) -> str:
    """A diagnostic with its head in red and its way out in green; `click.echo` takes the colours out for a file."""
    head, *middle, last = str(one).split("\n")
    label, rest = head.split(":", 1)
    return "\n".join([click.style(label, fg="red", bold=True) + ":" + rest, *middle, click.style(last, fg="green")])


class Commands(click.Group):
    """The group of all commands; also where everything that goes wrong becomes text and an exit code."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any) -> NoReturn:
        """Run a command and end the process with its exit code."""
        name = "mcugen"  # however it was started
        if "_MCUGEN_COMPLETE" in os.environ:
            super().main(args=args, prog_name=name, complete_var="_MCUGEN_COMPLETE")
        given = [*(sys.argv[1:] if args is None else args)]
        session = Session(json="--json" in given, debug="--debug" in given)
        _open_streams()
        _tolerate_any_character()
        sys.exit(_piped(lambda: _ended(session, lambda: self._run(name, given, session))))

    def _run(self, name: str, args: list[str], session: Session) -> int:
        with self.make_context(name, args, obj=session) as context:
            self.invoke(context)
        session.finish()
        return EXIT_OK

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a project meets them, not sorted."""
        return [*self.commands]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or a usage error with the nearest name."""
        from mcugen.diagnostics import did_you_mean

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            hint = did_you_mean(args[0], self.commands) or f"the commands are {', '.join(self.commands)}"
            ctx.fail(f"there is no command '{args[0]}'; {hint.strip()}")
        return super().resolve_command(ctx, args)


def _ended(session: Session, call: Callable[[], int]) -> int:
    """The exit code of a call, whatever becomes of it."""
    try:
        return call()
    except McugenError as problem:
        _trace(session)
        session.fail(problem.diagnostics)
        return problem.exit_code
    except click.exceptions.Exit as done:  # --help, and a command that says all and has an exit code of its own
        if session.answer:
            session.finish()
        return done.exit_code
    except click.ClickException as problem:
        return _usage(session, problem)
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(session)
    except BrokenPipeError:
        raise
    except Exception as problem:
        return _unexpected(session, problem)


def _usage(session: Session, problem: click.ClickException) -> int:
    problem.show()
    message = problem.format_message()
    session.put(error=[{"code": "usage", "message": message, "where": "", "notes": [], "help": "see --help"}])
    session.finish_after_all()
    return EXIT_USAGE


def _interrupted(session: Session) -> int:
    stopped = {
        "code": "interrupted",
        "message": "stopped by Ctrl-C",
        "where": "",
        "notes": [],
        "help": "start it again",
    }
    session.put(error=[stopped])
    session.finish_after_all()
    return EXIT_INTERRUPTED


def _unexpected(session: Session, problem: Exception) -> int:
    _trace(session)
    if isinstance(problem, OSError) and problem.errno in _UNWRITABLE:
        found = _unwritable(problem)
        session.fail(found.diagnostics)
        return found.exit_code
    text = " ".join(f"{type(problem).__name__}: {problem}".split())
    help = "please report it, with the command and what `--debug` shows"
    session.fail([Diagnostic("E7001", text, help)])
    return EXIT_BUG


_UNWRITABLE = {
    errno.ENOSPC: "free some space on the disk",
    errno.EDQUOT: "free some space on the disk",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
    errno.EBADF: "leave standard output open; `>/dev/null` silences it",
}


def _unwritable(problem: OSError) -> McugenError:
    help = _UNWRITABLE.get(problem.errno or 0, "send the output somewhere else")
    return error("E0604", f"cannot write: {problem.strerror or problem}", help=help)


def _trace(session: Session) -> None:
    if session.debug:
        traceback.print_exc()


def _piped(call: Callable[[], int]) -> int:
    """The exit code of a call whose reader may go away (`mcugen boards | head -1`), which is quiet, or take nothing."""
    try:
        return call()
    except BrokenPipeError:
        _silence(sys.stdout)
        return EXIT_BROKEN_PIPE
    except OSError as problem:  # while the end was told: to standard output, or to standard error itself
        _silence(sys.stdout)
        found = _unwritable(problem)
        try:
            click.echo(styled(found.diagnostics[0]), err=True, color=_color())
        except OSError:
            _silence(sys.stderr)
        return found.exit_code


def _silence(stream: IO[str]) -> None:
    """Python flushes at its end once more what a stream did not take: into nothing."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_streams() -> None:
    """A stream that the shell closed (`>&-`) is None in Python; here it is one that takes nothing, or stays silent."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")  # what is written fails as it does in C
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _tolerate_any_character() -> None:
    """A file name or a label may have characters that the terminal does not: better in escapes than not at all."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _color() -> bool | None:
    """None leaves it to click: colours on a terminal, none in a file."""
    return False if os.environ.get("NO_COLOR") else None


def _console(file: IO[str]) -> Console:
    from rich.console import Console

    own = file.isatty() or "COLUMNS" in os.environ
    return Console(file=file, width=None if own else WIDTH, soft_wrap=False)
