"""A trainer from Python: scikit-learn-shaped, and the very C that a board runs."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
import numpy.typing as npt

from mcugen.arguments import folder_of, form_of, rows_of, sample_of
from mcugen.boards import Target, load_board
from mcugen.diagnostics import Loc, did_you_mean, error
from mcugen.emit import Files, emit
from mcugen.frontends.sklearn.attributes import check_labels
from mcugen.interface import learning_of
from mcugen.ir import Array, Label, Module
from mcugen.memory.plan import MemoryPlan, plan
from mcugen.names import check_name
from mcugen.ops.remember import Policy
from mcugen.passes import run as run_passes
from mcugen.report import Report, report
from mcugen.trainers import ROWS, Format, Scaler, Wanted, Watched, all_learners, module_of
from mcugen.trainers.host import OnHost, is_sound
from mcugen.trainers.learner import WEIGHTS, Learner
from mcugen.trainers.warm import as_estimator, fitted, learnt, start_of

if TYPE_CHECKING:
    from mcugen.folder import Written
    from mcugen.trainers import Input

MOST_CLASSES = 254  # an alarm is a byte
MOST_FEATURES = 10_000
MOST_PENDING, MOST_SAMPLES, MOST_REPLAYS = 1_000, 65_000, 255


def trainer(
    learner: str | None = None,
    *,
    n_features: int | None = None,
    classes: int | Sequence[Label] | None = None,
    start: object = None,
    board: str | os.PathLike[str] = "host",
    name: str = "trainer",
    numeric: Format = "float32",
    scaler: Scaler | None = None,
    input: Input = "float32",
    watch: Watched = "all",
    pending: int = 0,
    samples: int = 0,
    policy: Policy = "cbrs",
    replays: int = 1,
    weighted: bool = False,
    direct: bool = True,
    seed: int = 1,
    store: bool = True,
    check_fit: bool = True,
    allow_pickle: bool = False,
    **options: object,
) -> Trainer:
    """A model that learns on the device, as C for a board and as an object that runs this C here.

    learner     "train++" (of several classes each against the rest), "multiclass-pa" (the least RAM for several classes), "opt-ovo" (a
                learner a pair of classes: the best answers), "arow" (the steadiest in one pass) or "opt-sgd" (logistic); by default
                train++, for several classes multiclass-pa
    n_features  numbers of a row
    classes     how many there are, or their labels; by default 2
    start       a fitted linear scikit-learn classifier, or a file of one, to go on from: a StandardScaler may be in front of it; then
                features, classes and learner follow from it
    board       the name of one that comes with mcugen, or the path of your own .toml; "host" has no limits
    name        prefix of every C symbol
    numeric     what weights are kept in: "float32", "int16" (12 fraction bits) or "int8" (5 to 7)
    scaler      "running": means and variances are learnt, too; "frozen": they stay what they begin with; "none": rows come standardised.
                By default it runs, but where `start` has none
    input       what a row is made of: "float32", "int8", "uint8" or "int16"
    watch       what is counted: "nothing", "all" rows, or those of "classes", too
    pending     how many rows are kept whose labels come later
    samples     how many rows are remembered and learnt again, `replays` of them after each row: by "cbrs" as balanced as can be,
                by "reservoir" or "ring"; `weighted`: of each class as often
    direct      whether a new row is learnt itself, too; without it all is learnt from those that are remembered
    seed        of the device's random numbers, from 1
    store       whether the C has functions that save the state
    check_fit   raise E0501 or E0502 where the board is too small
    options     of the learner: C, rule, base, decoder ...
    Raises McugenError only: E0112 for what is no value of an option.
    """
    begun = None if start is None else fitted(start, allow_pickle)
    if begun is None and n_features is None:
        raise error("E0112", "n_features is missing", help="say how many numbers a row has, or give a fitted `start`")
    labels = _labels((begun.labels if begun else 2) if classes is None else classes)
    if begun and (len(labels) != len(begun.labels) or n_features not in (None, begun.features)):
        message = f"`start` has {begun.features} features and {len(begun.labels)} classes"
        raise error("E0112", message, help="leave `n_features` and `classes` out: they follow from it")
    usual = "opt-ovo" if begun and begun.pairs else "train++" if begun or len(labels) == 2 else "multiclass-pa"
    scales = "running" if begun is None or begun.mean is not None else "none"
    made = Wanted(
        check_name(name),
        _learner(usual if learner is None else learner, len(labels), options),
        _count(begun.features if begun else n_features, "n_features", 1, MOST_FEATURES),
        labels,
        cast("Format", _one_of("numeric", numeric, WEIGHTS)),
        cast("Scaler", _one_of("scaler", scales if scaler is None else scaler, get_args(Scaler))),
        cast("Input", _one_of("input", input, ROWS)),
        cast("Watched", _one_of("watch", watch, get_args(Watched))),
        pending=_count(pending, "pending", 0, MOST_PENDING),
        samples=_count(samples, "samples", 0, MOST_SAMPLES),
        policy=cast("Policy", _one_of("policy", policy, get_args(Policy))),
        replays=_count(replays, "replays", 1, MOST_REPLAYS),
        weighted=bool(weighted),
        direct=bool(direct),
        seed=_count(seed, "seed", 1, 2**32 - 1),
        stored=bool(store),
    )
    if scaler in ("frozen", "running") and begun and begun.mean is None:
        help = "leave `scaler` out, or put a StandardScaler in front of the estimator"
        raise error("E0112", f"scaler is {scaler!r}, and `start` has learnt rows as they come", help=help)
    if scaler == "frozen" and not begun:
        help = "let it run, or `start` with a fitted classifier behind a StandardScaler"
        raise error("E0112", "scaler is 'frozen', and nothing is known of the rows", help=help)
    if begun and begun.mean is None and scaler is None and made.weights is not WEIGHTS["float32"]:
        help = "put a StandardScaler in front of the estimator, or say scaler='none' where rows come standardised"
        raise error("E0112", f"{numeric} weights take standardised rows, and `start` has no scaler", help=help)
    if begun:
        made = replace(made, start=start_of(begun, made))
    return _checked(build(made, Target(load_board(board))), check_fit)


def _checked(found: Trainer, check_fit: bool) -> Trainer:
    if check_fit:
        from mcugen.trainers.room import require_room

        require_room(found)
    return found


def build(wanted: Wanted, target: Target) -> Trainer:
    """Passes, plan, C and report of a trainer."""
    wanted.learner.check_format(wanted.numeric)
    _check_rows(wanted)
    module = run_passes(module_of(wanted), target)
    memory = plan(module, target)
    return Trainer(wanted, target, module, memory, report(module, memory, target))


@dataclass(eq=False)
class Trainer:
    """A trainer with its C, its report, and a state of its own on this computer."""

    wanted: Wanted
    target: Target
    module: Module
    memory: MemoryPlan
    report: Report

    @cached_property
    def files(self) -> Files:
        """The C as {path: text}: `src/<name>.h` and `src/<name>.c`."""
        return emit(self.module, self.memory, self.target, facts=self.facts)

    @property
    def facts(self) -> dict[str, str]:
        """What its header says that it costs."""
        return {"state": f"{self.memory.state:,} B of RAM, the caller's", "weights": self.wanted.numeric}

    @cached_property
    def classes_(self) -> Array:
        """The labels of the classes."""
        return np.array(self.wanted.labels)

    @property
    def n_features_in_(self) -> int:
        """Numbers of a row."""
        return self.wanted.features

    def partial_fit(self, x: object, y: object) -> Trainer:
        """Learn rows (n, features) with their labels (n,), one after the other. E0110 for what cannot be learnt."""
        self.learn(x, y)
        return self

    def learn(self, x: object, y: object) -> Array:
        """`partial_fit`; returns what each row was taken for before it was learnt: labels (n,)."""
        rows, classes = self._rows(x), self._classes(y)
        if len(rows) != len(classes):
            raise error("E0110", f"{len(rows)} rows have {len(classes)} labels", help="give a label for every row")
        return np.asarray(self.classes_[self.host.learn(rows, classes)])

    def predict(self, x: object) -> Array:
        """The label of each row (n, features): (n,)."""
        return np.asarray(self.classes_[self.host.predict(self._rows(x))])

    def score(self, x: object, y: object) -> float:
        """The part of rows whose label is found. E0110 without rows, and for another count of labels."""
        found, labels = self.predict(x), _given_labels(y)
        if not len(found) or len(found) != len(labels):
            raise error("E0110", f"{len(found)} rows have {len(labels)} labels", help="give a label for every row")
        return float(np.mean([one == label for one, label in zip(found.tolist(), labels, strict=True)]))

    def drift(self) -> int:
        """Whether errors have become more frequent since the last call: 0, 1 for those of all rows, 2 + c for those of class c."""
        return self.host.drift()

    @property
    def pairs_(self) -> tuple[tuple[Label, Label], ...]:
        """Of Opt-OVO the pairs of labels that decide, each by a row of `coef_`; those that `drop` left. E0112 of another learner."""
        from mcugen.trainers import chosen

        return chosen.left(self)

    def drop(self) -> int:
        """Drop the pairs of classes that no decision needed since the last time, as the board's `drop` does, until `reset`; how many
        are left. Nothing is dropped before 40 rows a class were learnt since then. E0112 for all but Opt-OVO with droppable=True.
        """
        if not self.wanted.learner.live():
            help = "make it with learner='opt-ovo' and droppable=True"
            raise error("E0112", "this trainer's pairs of classes cannot be dropped", help=help)
        return self.host.drop()

    def pruned(self, x: object, y: object, keep: int, how: str = "greedy", *, check_fit: bool = True) -> Trainer:
        """A trainer with `keep` of this one's pairs of classes that begins with what this one has learnt of them. Opt-OVO only.

        Rows (n, features) and labels (n,) are those that this one has learnt. `greedy` leaves out pairs without which as many rows
        are right, as learners of two thirds of the rows say of the other third; `nearest` keeps the classes that lie next to
        each other, which is quick for many classes. E0112 for what cannot be, E0501 and E0502 where the board is too small.
        """
        from mcugen.trainers import chosen

        return _checked(chosen.pruned(self, self._rows(x), self._classes(y), keep, how), check_fit)

    def with_bayes(self, x: object, y: object, *, check_fit: bool = True) -> Trainer:
        """A trainer with the decoder `bayes` that begins with what this one has learnt. Opt-OVO only.

        Its tables of probabilities are of the rows (n, features) with labels (n,), which are those that this one has learnt.
        E0112 for another learner, E0501 and E0502 where the board is too small.
        """
        from mcugen.trainers import chosen

        return _checked(chosen.with_bayes(self, self._rows(x), self._classes(y)), check_fit)

    def reset(self) -> None:
        """Forget what was learnt."""
        self.host.reset()

    @property
    def coef_(self) -> Array:
        """What it has learnt, in terms of rows as they come: weights (rows of weights, n_features)."""
        found = learnt(self)
        return found.weights if found.variance is None else found.weights * _per_deviation(found.variance)

    @property
    def intercept_(self) -> Array:
        """The biases to `coef_` (rows of weights,)."""
        found = learnt(self)
        if found.mean is None or found.variance is None:
            return found.bias
        return np.asarray(found.bias - found.weights @ (found.mean * _per_deviation(found.variance)))

    def to_sklearn(self) -> Any:
        """What it has learnt as a scikit-learn estimator: an SGDClassifier or a OneVsOneClassifier of them, behind a StandardScaler. It
        decides as the trainer does, where no feature is so far from its mean that the trainer limits it.
        """
        return as_estimator(learnt(self))

    @cached_property
    def host(self) -> OnHost:
        """The C on this computer. E0601 where it has no compiler."""
        return OnHost(self.module, self.memory, self.files)

    @property
    def state(self) -> bytes:
        """All that was learnt, byte for byte as a board keeps it; may be set to what was read from one."""
        return self.host.state

    @state.setter
    def state(self, content: object) -> None:
        found = bytes(content) if isinstance(content, bytes | bytearray | memoryview) else b""
        if len(found) != self.memory.state:
            message = f"the state has {len(found):,} bytes; this trainer's has {self.memory.state:,}"
            raise error(
                "E0110", message, help="read it from a board that runs the C of a trainer with the same options"
            )
        values = self.host.decoded(found)
        if not is_sound(values) or not self.wanted.learner.is_sound(values):
            help = "read it again, from a board that runs the C of a trainer with the same options"
            raise error("E0110", "the state is damaged, or another trainer's", help=help)
        self.host.state = found

    def prove(self) -> int:
        """Compare the C on this computer with the meaning of its ops, on rows that are made: the state has to be the same bit for bit
        (but for the rounding of exp in gradient descent); returns the number of rows. E0801 where it is not.
        """
        from mcugen.trainers.replayed import prove

        return prove(self)

    def write(self, folder: str | os.PathLike[str], as_: str = "arduino", sample: object = None) -> Written:
        """Write the library (or "platformio", "header", "c", "zip") to a folder."""
        from mcugen.folder import write
        from mcugen.project import layout

        form = form_of(as_)
        files = (
            emit(self.module, self.memory, self.target, header=True, facts=self.facts)
            if form == "header"
            else self.files
        )
        content = layout(self.module, files, self.target.board, form, sample_of(sample), self.facts)
        return write(folder_of(folder), content)

    def _rows(self, given: object) -> Array:
        """Rows as the C takes them. All are looked at before one is learnt: nothing is learnt of a batch that has a bad row."""
        rows = rows_of(given, self.module)
        limit = learning_of(self.module).limit
        refused = np.flatnonzero(~(np.abs(rows) <= limit).all(axis=1))
        if len(refused):
            help = f"give finite numbers up to {limit:g}"
            raise error("E0110", f"row {int(refused[0])} has a feature that is NaN or too large", help=help)
        return self.host.rows(rows)

    def _classes(self, y: object) -> npt.NDArray[np.int64]:
        known: dict[Any, int] = {label: at for at, label in enumerate(self.wanted.labels)}
        given = _given_labels(y)
        unknown = [one for one in given if not isinstance(one, Hashable) or one not in known][:1]
        if unknown:
            shown = ", ".join(map(repr, islice(known, 6)))
            raise error(
                "E0110", f"{unknown[0]!r} is none of the labels", help=f"they are {shown}: name all with `classes`"
            )
        return np.array([known[one] for one in given], np.int64)


def _given_labels(y: object) -> list[object]:
    try:
        return list(np.asarray(y).ravel().tolist())
    except ValueError as problem:
        raise error("E0110", f"the labels are no array: {problem}", help="give a label for every row") from problem


def _per_deviation(variance: Any) -> Any:
    """1 / sqrt(variance), 0 where nothing varies."""
    with np.errstate(divide="ignore"):
        return np.where(variance > 0, 1 / np.sqrt(variance), 0.0)


def _labels(given: object) -> tuple[Label, ...]:
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        labels: tuple[Any, ...] = tuple(range(min(int(given), MOST_CLASSES + 1)))
    elif isinstance(given, str | bytes) or not isinstance(given, Sequence | np.ndarray) or np.ndim(given) != 1:
        raise error("E0112", f"classes is {given!r}", help="give how many there are, or a list of labels")
    else:
        labels = tuple(one.item() if isinstance(one, np.generic) else one for one in given)
    check_labels(labels, Loc("classes"))
    if len(set(labels)) != len(labels):
        raise error("E0112", "two classes have the same label", help="give every label once")
    if not 2 <= len(labels) <= MOST_CLASSES:
        help = f"give 2 to {MOST_CLASSES} classes: a trainer tells one from another"
        count = given if isinstance(given, int | np.integer) else len(labels)
        raise error("E0112", f"{count} of a trainer's classes", help=help)
    return labels


def _learner(name: object, classes: int, options: Mapping[str, object]) -> Learner:
    known = all_learners()
    if not isinstance(name, str) or name not in known:
        help = f"{did_you_mean(str(name), known)}it is one of {', '.join(known)}"
        raise error("E0112", f"learner is {name!r}", help=help)
    kind = known[name]
    names = [one.name for one in fields(kind) if one.name != "classes"]
    for option in options:
        if option not in names:
            help = f"{did_you_mean(option, names)}{name} has {', '.join(names)}"
            raise error("E0112", f"{name} has no option '{option}'", help=help)
    plain = {key: one.item() if isinstance(one, np.generic) else one for key, one in options.items()}
    own: Any = {"classes": classes} if "classes" in {one.name for one in fields(kind)} else {}
    made = kind(**own, **cast("Any", plain))
    made.check(classes)
    return made


def _check_rows(wanted: Wanted) -> None:
    if not wanted.direct and not wanted.samples:
        help = "give `samples`, or leave `direct` on"
        raise error("E0112", "rows are neither learnt nor remembered", help=help)
    if wanted.scaler == "none" and wanted.weights is not WEIGHTS["float32"] and wanted.input in ("uint8", "int16"):
        help = "let the scaler run, or give float32 rows, or int8 with 5 fraction bits (32 is 1)"
        raise error("E0112", f"input is '{wanted.input}' without a scaler, and weights are {wanted.numeric}", help=help)


def _one_of(option: str, given: object, known: Sequence[str] | Mapping[str, object]) -> str:
    if not isinstance(given, str) or given not in known:
        help = f"{did_you_mean(str(given), known)}it is one of {', '.join(known)}"
        raise error("E0112", f"{option} is {given!r}", help=help)
    return given


def _count(given: object, option: str, least: int, most: int) -> int:
    if isinstance(given, int | np.integer) and not isinstance(given, bool) and least <= given <= most:
        return int(given)
    raise error("E0112", f"{option} is {given!r}", help=f"give a whole number from {least} to {most:,}")
