"""The command for models that learn on the device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcugen.cli import options
from mcugen.cli.frame import Session
from mcugen.cli.steps import UNPROVEN, show_written

if TYPE_CHECKING:
    from mcugen.trainers import Format
    from mcugen.trainers.trainer import Trainer


OWN = ("C", "rule", "decoder", "averaged", "r", "eta", "l2", "momentum", "batch")  # options that not every learner has


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
@click.option("--decoder", type=click.Choice(["vote", "soft", "ddag"]), help="Of opt-ovo: how its learners decide. ddag asks one less than there are classes. Default: vote.")  # fmt: skip
@click.option("--averaged", is_flag=True, default=None, help="Predict by the mean of the weights over the rows that were learnt, for twice the RAM.")  # fmt: skip
@click.option("--r", type=float, metavar="NUMBER", help="Of arow: how little a row may move weights. Default: 1.")
@click.option("--eta", type=float, metavar="NUMBER", help="Of opt-sgd: the rate of learning. Default: 0.1.")
@click.option("--l2", type=float, metavar="NUMBER", help="Of opt-sgd: how much weights are drawn to 0. Default: 0.")
@click.option("--momentum", type=float, metavar="NUMBER", help="Of opt-sgd: how much of a step goes on. Default: 0.")
@click.option("--batch", type=int, metavar="N", help="Of opt-sgd: rows that make a step together. Default: 1.")
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
    floats = known.fpu or (kind is not None and "int16" not in kind.formats)
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


COMMANDS = (trainer,)
