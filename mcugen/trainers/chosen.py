"""What this computer chooses for an Opt-OVO learner that has learnt: the pairs that it keeps, and the tables of its Bayes decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from mcugen.diagnostics import did_you_mean, error
from mcugen.evaluate import evaluate
from mcugen.ir import Array, DType, Label
from mcugen.learning import MARGIN_BITS
from mcugen.trainers import Wanted, module_of
from mcugen.trainers.opt_ovo import OptOVO
from mcugen.trainers.pairs import Floats, Ints, Mask, correlation, greedy, groups, nearest, tables

if TYPE_CHECKING:
    from mcugen.trainers.trainer import Trainer

How = Literal["greedy", "nearest"]
FOLDS = 3
OF_PAIRS = ("live", "needed", "judged")


def pruned(trainer: Trainer, rows: Array, classes: Ints, keep: object, how: object) -> Trainer:
    """The trainer with `keep` of its pairs, and what it has learnt for these."""
    learner, count = _whole(trainer), len(trainer.wanted.labels)
    every = count * (count - 1) // 2
    if learner.pairs:
        raise error("E0112", "some pairs have no learner already", help="prune the trainer that has all pairs")
    if how not in get_args(How):
        help = f"{did_you_mean(str(how), get_args(How))}it is one of {', '.join(get_args(How))}"
        raise error("E0112", f"how is {how!r}", help=help)
    if not isinstance(keep, int | np.integer) or isinstance(keep, bool) or not count - 1 <= keep <= every:
        help = f"give a whole number from {count - 1} to {every}: each class needs a pair"
        raise error("E0112", f"keep is {keep!r}", help=help)
    if learner.decoder in ("ddag", "bayes"):
        help = "prune a trainer that votes (decoder='vote'); `with_bayes` is for after that"
        raise error("E0112", f"decoder is {learner.decoder!r}, which pruning changes", help=help)
    _check_classes(trainer, classes)
    if how == "greedy":
        kept = greedy(_unseen(trainer, rows, classes), classes, int(keep), count)
    else:
        kept = nearest(_seen(trainer.wanted, trainer.host.values, rows).z, classes, int(keep), count)
    return _again(trainer, replace(learner, pairs=_named(kept, count)), kept)


def with_bayes(trainer: Trainer, rows: Array, classes: Ints) -> Trainer:
    """The trainer with the decoder `bayes`, whose tables are counted over these rows, and all that it has learnt."""
    learner, count = _whole(trainer), len(trainer.wanted.labels)
    _check_classes(trainer, classes)
    kept = np.isin(np.arange(count * (count - 1) // 2), learner.columns)
    margins = _seen(trainer.wanted, trainer.host.values, rows).margins
    found = tables(margins, classes, groups(correlation(margins), kept), count)
    return _again(trainer, replace(learner, decoder="bayes", tables=found, droppable=False))


def left(trainer: Trainer) -> tuple[tuple[Label, Label], ...]:
    """The pairs of labels that decide."""
    learner, labels = _opt_ovo(trainer), trainer.wanted.labels
    votes = learner.left(trainer.host.values)
    return tuple((labels[a], labels[b]) for (a, b), one in zip(learner.kept_pairs, votes, strict=True) if one)


def _whole(trainer: Trainer) -> OptOVO:
    """The learner, all of whose pairs vote."""
    learner = _opt_ovo(trainer)
    if not learner.left(trainer.host.values).all():
        raise error("E0112", "some pairs are dropped already", help="choose before the first is dropped")
    return learner


def _opt_ovo(trainer: Trainer) -> OptOVO:
    learner = trainer.wanted.learner
    if not isinstance(learner, OptOVO):
        raise error("E0112", f"{learner.name} has no pairs of classes", help="use the learner opt-ovo")
    return learner


def _check_classes(trainer: Trainer, classes: Array) -> None:
    missing = {*range(len(trainer.wanted.labels))} - {*classes.tolist()}
    if missing:
        label = trainer.wanted.labels[min(missing)]
        raise error("E0110", f"no row is of class {label!r}", help="give rows of all classes")


@dataclass(frozen=True)
class _Seen:
    """Rows as the learners get them, (n, d), and a margin (n, K(K-1)/2) of each pair, 0 where it has no learner."""

    z: Floats
    margins: Floats


def _seen(wanted: Wanted, state: Mapping[str, Array], rows: Array) -> _Seen:
    learner = wanted.learner
    assert isinstance(learner, OptOVO)
    plain = replace(learner, decoder="vote", tables=None, droppable=False)
    graph = module_of(replace(wanted, learner=plain)).predict
    names = graph.nodes[graph.producer["margins"]].inputs[0], "margins"
    found = [evaluate(graph, {**state, "x": row}, names) for row in rows]
    z, kept = (np.stack([one[name] for one in found]).astype(np.float64) for name in names)
    count = len(wanted.labels)
    margins = np.zeros((len(rows), count * (count - 1) // 2))
    margins[:, learner.columns] = kept if wanted.weights is DType.F32 else kept / 2**MARGIN_BITS
    return _Seen(z, margins)


def _unseen(trainer: Trainer, rows: Array, classes: Ints) -> Floats:
    """Margins of rows for learners that have not seen them: each third by those that learnt the other two, in one pass."""
    from mcugen.trainers.trainer import build

    wanted = trainer.wanted
    start = {name: one for name, one in _kept(trainer).items() if name in wanted.scaler_state}
    plain = replace(wanted, watched="nothing", samples=0, pending=0, start=start if wanted.scaler == "frozen" else {})
    other = build(plain, trainer.target)
    found = np.zeros((len(rows), other.wanted.learner.rows(len(wanted.labels))))
    part = np.arange(len(rows)) % FOLDS
    for fold in range(FOLDS):
        other.host.reset()
        other.host.learn(rows[part != fold], classes[part != fold])
        found[part == fold] = _seen(plain, other.host.values, rows[part == fold]).margins
    return found


def _kept(trainer: Trainer) -> dict[str, Array]:
    """What scaler and learners know; which pairs decisions need has to be seen anew."""
    wanted, values = trainer.wanted, trainer.host.values
    return {name: np.array(values[name]) for name in wanted.scaler_state | wanted.learner_state if name not in OF_PAIRS}


def _again(trainer: Trainer, learner: OptOVO, kept: Mask | None = None) -> Trainer:
    """A trainer with another learner that begins with what this one's knows, that is with these of its rows of weights."""
    from mcugen.trainers.trainer import build

    start, scaler = _kept(trainer), trainer.wanted.scaler_state
    if kept is not None:
        start |= {name: one[kept] for name, one in start.items() if name not in scaler and one.shape}
    return build(replace(trainer.wanted, learner=learner, start=start), trainer.target)


def _named(kept: Mask, classes: int) -> tuple[tuple[int, int], ...]:
    first, second = np.triu_indices(classes, 1)
    return tuple(zip(first[kept].tolist(), second[kept].tolist(), strict=True))
