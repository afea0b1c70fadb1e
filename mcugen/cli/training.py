"""The commands for models that learn on the device: write one, and teach it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcugen.cli import options
from mcugen.cli.frame import Session
from mcugen.cli.steps import UNPROVEN, show_written

if TYPE_CHECKING:
    from mcugen.boards import Board
    from mcugen.targets.link import Line
    from mcugen.teach import Lesson, Rows
    from mcugen.trainers import Format
    from mcugen.trainers.trainer import Trainer


OWN = (
    "base",
    "C",
    "rule",
    "decoder",
    "droppable",
    "averaged",
    "r",
    "eta",
    "l2",
    "momentum",
    "batch",
)  # that not every learner has


def _labels(context: click.Context, parameter: click.Parameter, text: str | None) -> int | list[str] | None:
    """A number of classes, or their labels."""
    if text is None:
        return None
    if text.strip().lstrip("-").isdigit():
        return int(text)
    return [one.strip() for one in text.split(",")]


@click.command(epilog="Example: mcugen trainer opt-ovo --features 64 --classes 10 --board nano33ble -o digits")
@options.debug
@options.json
@options.allow_pickle
@click.option("--board", "-b", required=True, metavar="NAME", help="The board, or the path of a board's TOML file; `mcugen boards` lists them.")  # fmt: skip
@click.option("--features", type=int, metavar="N", help="Numbers of a row.")
@click.option("--classes", callback=_labels, metavar="K|A,B,...", help="How many classes there are, or their labels. Default: 2.")  # fmt: skip
@click.option("--from", "start", metavar="MODEL", help="A fitted linear classifier to go on from, with a StandardScaler in front or none: features, classes and learner follow from it.")  # fmt: skip
@click.option("--numeric", type=click.Choice(["float32", "int16", "int8"]), help="What weights are kept in. Default: int16, or float32 where the board has an FPU or the learner knows nothing else.")  # fmt: skip
@click.option("--scaler", type=click.Choice(["running", "frozen", "none"]), help="running: means and variances are learnt, too. frozen: they stay as --from has them. none: rows come standardised. Default: running, unless --from has none.")  # fmt: skip
@click.option("--input", type=click.Choice(["float32", "int8", "uint8", "int16"]), default="float32", show_default=True, help="What the caller's rows are made of.")  # fmt: skip
@click.option("--watch", type=click.Choice(["nothing", "all", "classes"]), default="all", show_default=True, help="What is counted: how well rows are predicted before they are learnt, and whether errors become more frequent; of each class, too, with a confusion matrix.")  # fmt: skip
@click.option("--C", "C", type=float, metavar="NUMBER", help="How far a row may move weights: large follows every row, small is steady. Default: 0.01.")  # fmt: skip
@click.option("--rule", type=click.Choice(["pa", "pa1", "pa2"]), help="How steps are limited: not at all, cut at C, or smoothly. Default: pa2.")  # fmt: skip
@click.option("--base", type=click.Choice(["pa", "sgd"]), help="Of opt-ovo: whether its learners are those of train++ or of opt-sgd, with their options. Default: pa.")  # fmt: skip
@click.option("--decoder", type=click.Choice(["vote", "soft", "ddag"]), help="Of opt-ovo: how its learners decide. ddag asks one less than there are classes. Default: vote.")  # fmt: skip
@click.option("--droppable", is_flag=True, default=None, help="Of opt-ovo: with a function that drops the learners that decisions do not need.")  # fmt: skip
@click.option("--averaged", is_flag=True, default=None, help="Predict by the mean of the weights over the rows that were learnt, for twice the RAM.")  # fmt: skip
@click.option("--r", type=float, metavar="NUMBER", help="Of arow: how little a row may move weights. Default: 1.")
@click.option(
    "--eta", type=float, metavar="NUMBER", help="Of opt-sgd, or base sgd: the rate of learning. Default: 0.1."
)
@click.option(
    "--l2", type=float, metavar="NUMBER", help="Of opt-sgd, or base sgd: how much weights are drawn to 0. Default: 0."
)
@click.option(
    "--momentum", type=float, metavar="NUMBER", help="Of opt-sgd, or base sgd: how much of a step goes on. Default: 0."
)
@click.option(
    "--batch", type=int, metavar="N", help="Of opt-sgd, or base sgd: rows that make a step together. Default: 1."
)
@click.option("--pending", type=int, default=0, metavar="N", help="Rows that are kept until their class is known.")
@click.option("--samples", type=int, default=0, metavar="N", help="Rows that are remembered and learnt again.")
@click.option("--policy", type=click.Choice(["cbrs", "reservoir", "ring"]), default="cbrs", show_default=True, help="Which of them are remembered: as many of each class as can be, a fair sample, or the last.")  # fmt: skip
@click.option("--replays", type=int, default=1, show_default=True, metavar="N", help="How many of them are learnt again after each row.")  # fmt: skip
@click.option("--weighted", is_flag=True, help="Learn each class again as often, however many samples it has.")
@click.option("--direct/--indirect", default=True, help="Whether a new row is learnt itself, too, or only those that are remembered.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Of the device's random numbers.")
@click.option("--no-store", is_flag=True, help="Without functions that save the state.")
@click.option("--name", default="trainer", show_default=True, metavar="NAME", help="Prefix of every C symbol, and the library's name.")  # fmt: skip
@click.option("-o", "folder", type=click.Path(path_type=Path), metavar="DIR", help="The folder to write. Default: ./NAME.")  # fmt: skip
@click.option("--as", "as_", type=click.Choice(["arduino", "platformio", "header", "c", "zip"]), default="arduino", show_default=True, help="An Arduino library, a PlatformIO project, one header, plain C, or the library as a zip.")  # fmt: skip
@click.option("--measure", is_flag=True, help="Count what a call takes in the board's simulator.")
@click.argument("learner", required=False)
@click.pass_obj
def trainer(
    session: Session,
    /,
    learner: str | None,
    board: str,
    features: int | None,
    classes: int | list[str] | None,
    numeric: Format | None,
    no_store: bool,
    folder: Path | None,
    as_: str,
    measure: bool,
    **asked: Any,
) -> None:
    """Write C that learns on the board.

    \b
    LEARNER is one of
      train++        passive-aggressive (PA-II), one class against the rest; the usual one for two classes
      multiclass-pa  the same with all classes together: the least RAM; the usual one for more classes
      opt-ovo        one learner for each pair of classes: the best answers, the most RAM
      arow           weights that know how sure they are: the steadiest in one pass, float32 only
      opt-sgd        logistic regression by gradient descent, float32 only
    The C has init, predict, learn (which returns the prediction made before), and as asked statistics, drift, late labels, replay
    and saving. Before anything is written it is compared with what it should be, on this computer.
    """
    from mcugen.boards import load_board
    from mcugen.trainers import all_learners
    from mcugen.trainers.trainer import trainer as make

    if features is None and asked["start"] is None:
        raise click.UsageError("say how many numbers a row has (--features N), or what to go on from (--from MODEL)")
    known, kind = load_board(board), all_learners().get(learner or "")
    floats = known.fpu or (kind is not None and "int16" not in kind.formats) or asked["base"] == "sgd"
    chosen = {name: value for name, value in asked.items() if name not in OWN or value is not None}
    with session.working("compiling the trainer"):
        made = make(
            learner, n_features=features, classes=classes, board=board, store=not no_store,
            numeric=numeric or ("float32" if floats else "int16"), **chosen,
        )  # fmt: skip
    _show(session, made)
    _prove(session, made)
    if measure:
        _measure(session, made)
    target = folder or Path(made.wanted.name)
    show_written(session, made.write(target, as_), target)


def _show(session: Session, made: Trainer) -> None:
    from mcugen.report.show import row, table
    from mcugen.storage import saving

    wanted, report, board = made.wanted, made.report, made.target.board
    session.say(f"{wanted.learner.name}: {wanted.learner.title}, {wanted.features} features, {len(wanted.labels)} classes, {wanted.numeric}")  # fmt: skip
    shown = table("", "bytes>", title="RAM")
    for what, nbytes in (
        ("state", made.memory.state),
        ("a row", report.buffers),
        ("stack, estimated", report.stack.value),
    ):
        row(shown, what, f"{nbytes:,}")
    session.show(shown)
    kept = saving(made.memory.state, board)
    if wanted.stored:
        session.say(f"saving: {kept}")
    session.put(
        learner=wanted.learner.name, features=wanted.features, classes=[*wanted.labels], numeric=wanted.numeric,
        ram={"state": made.memory.state, "row": report.buffers, "stack": report.stack.value},
        saving={"record": kept.record, "slots": kept.slots, "saves": kept.saves, "safe": kept.safe},
    )  # fmt: skip


def _prove(session: Session, made: Trainer) -> None:
    from mcugen.targets.host import find_compiler

    if find_compiler() is None:
        session.say(f"not proven: {UNPROVEN}")
        session.put(proven=False)
        return
    with session.working("comparing with what it should be"):
        rows = made.prove()
    bits = " bit for bit" if made.wanted.learner.exact else " but for the rounding of exp"
    session.say(f"proven: {rows} rows learnt on this computer, the state is the same{bits}")
    session.put(proven=True, rows=rows)


def _measure(session: Session, made: Trainer) -> None:
    from mcugen.trainers.device import taken

    with session.working("counting in the simulator"):
        found = taken(made)
    session.say(f"measured: predict {found.predict:,.0f} {found.unit}, learn {found.learn:,.0f} on average and {found.most:,} at most, stack {found.stack:,} B")  # fmt: skip
    session.put(measured={"predict": found.predict, "learn": found.learn, "most": found.most, "stack": found.stack, "unit": found.unit})  # fmt: skip


PARTS = 10  # of the rows: after each it is told how well they go


@click.command(epilog="Example: mcugen teach rows.csv --board uno --project firmware/examples/live_sensor")
@options.debug
@options.json
@options.board
@options.port
@click.option("--project", type=click.Path(path_type=Path), metavar="DIR", help="A PlatformIO project: it is built, and taught in the board's simulator in place of a board at a serial port.")  # fmt: skip
@click.option("--label", metavar="COLUMN", help="The column of classes: its name in the first line, or its number from 1. Default: the last.")  # fmt: skip
@click.option("--classes", metavar="A,B,...", help="The names of the classes, in the trainer's order. Default: they are 0, 1, ...")  # fmt: skip
@click.option("--test", type=click.Path(path_type=Path), metavar="FILE", help="Rows that are only predicted, after all others were learnt.")  # fmt: skip
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE", help="Write all that the board has learnt to this file, for `mcugen.trainer` on the computer.")  # fmt: skip
@click.argument("rows", type=click.Path(path_type=Path), metavar="ROWS")
@click.pass_obj
def teach(
    session: Session,
    /,
    rows: Path,
    board: str,
    port: str | None,
    project: Path | None,
    label: str | None,
    classes: str | None,
    test: Path | None,
    state: Path | None,
) -> None:
    """Teach rows to a sketch that learns, over its serial port.

    ROWS is a text with a row a line: its numbers and its class. The board predicts each row, answers, and learns it; an empty
    class or ? is only predicted. How many it has taken for what they are is told while it learns.
    """
    from mcugen.boards import load_board
    from mcugen.folder import check_file, write_file
    from mcugen.teach import Lesson

    if project is not None and port is not None:
        raise click.UsageError("--port is a board's, --project is simulated: give one of them")
    if state is not None:
        check_file(state, "--state")
    found, names = load_board(board), classes.split(",") if classes else None
    learnt = _rows(rows, label, names)
    tested = _rows(test, label, names) if test else None
    with _line(session, found, project, port) as line:
        lesson = Lesson(line)
        with session.working("waiting for the board"):
            lesson.begin()
        if state is not None:
            lesson.state()  # a sketch that does not say it is found before an hour of teaching
        _teach(session, lesson, learnt)
        stats = lesson.say("stats")
        session.say(f"the board says: {stats}")
        session.put(stats=stats)
        if tested is not None:
            _test(session, lesson, tested)
        if state is not None:
            write_file(state, lesson.state(), "--state")
            session.say(f"wrote {state}")
            session.put(state=str(state))


@contextmanager
def _line(session: Session, board: Board, project: Path | None, port: str | None) -> Iterator[Line]:
    """The board at the port, or the one that is simulated with the project's sketch."""
    from mcugen.targets import toolchain_for
    from mcugen.targets.serial import choose_port, open_line

    if project is None:
        with open_line(choose_port(port)) as line:
            yield line
        return
    with session.working(f"building for {board.title}"):
        built = _built(project, board)
    with toolchain_for(board).talk(built, board) as line:
        yield line


def _built(project: Path, board: Board) -> Path:
    from mcugen.diagnostics import Loc, error
    from mcugen.targets import toolchain_for

    if not (project / "platformio.ini").is_file():
        help = "give the folder of a PlatformIO project, such as `mcugen trainer --as platformio` writes"
        raise error("E0101", "there is no platformio.ini", help=help, loc=Loc(str(project)))
    return toolchain_for(board).build(project, board, project.name).elf


def _rows(file: Path, label: str | None, names: list[str] | None) -> Rows:
    from mcugen.datafile import read_labelled
    from mcugen.teach import Rows, classes_of

    numbers, labels = read_labelled(file, label)
    return Rows(numbers, classes_of(labels, names and [name.strip() for name in names]))


def _teach(session: Session, lesson: Lesson, rows: Rows) -> None:
    from mcugen.teach import Judged

    said: list[int] = []
    count = len(rows.classes)
    part = -(-count // PARTS)
    for text in rows.texts(learnt=True):
        said.append(lesson.learn(len(said) + 1, text))
        if len(said) % part == 0 or len(said) == count:
            so_far = Judged(said, rows.classes[: len(said)])
            session.say(f"{len(said):>7,} of {count:,} rows: {so_far.accuracy:6.1%} right so far, {so_far.last(part).accuracy:6.1%} of the last {part:,}")  # fmt: skip
    judged = Judged(said, rows.classes)
    session.put(said=said, rows=judged.known, right=judged.right, accuracy=judged.accuracy)


def _test(session: Session, lesson: Lesson, rows: Rows) -> None:
    from mcugen.teach import Judged

    with session.working("predicting"):
        said = [lesson.learn(number, text) for number, text in enumerate(rows.texts(learnt=False), 1)]
    judged = Judged(said, rows.classes)
    session.say(f"tested: {judged.right:,} of {judged.known:,} rows right ({judged.accuracy:.1%}), the mean of the classes {judged.balanced:.1%}")  # fmt: skip
    session.put(tested={"said": said, "rows": judged.known, "right": judged.right, "accuracy": judged.accuracy, "recall": judged.recall, "balanced": judged.balanced})  # fmt: skip


COMMANDS = (trainer, teach)
