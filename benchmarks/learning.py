"""Rows that trainers learn, in their order, and what is measured of it: for benchmarks/trainers.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from sklearn import datasets
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

import mcugen
from mcugen.trainers.trainer import Trainer

C = 0.01  # where none is chosen
Rows = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Rows to learn, in their order, and rows to judge by."""

    x: Rows
    y: Labels
    x_test: Rows
    y_test: Labels


@dataclass(frozen=True)
class Figure:
    """One figure and what it is held against."""

    part: str
    data: str
    learner: str
    what: str
    found: float
    target: float | None = None
    at_most: bool = False  # the target is the most, not the least
    sklearn: float | None = None
    before: str = ""  # what the work that trainers began with reported

    @property
    def missed(self) -> bool:
        """Whether the target is."""
        if self.target is None:
            return False
        return self.found > self.target if self.at_most else self.found < self.target


# ---- rows and learners ----------------------------------------------------------------------------------------------


@cache
def data(name: str) -> tuple[Rows, Labels]:
    """All rows and labels of a data set that scikit-learn has."""
    found = getattr(datasets, f"load_{name}")()
    return found.data.astype(np.float64), found.target.astype(np.int64)


@cache
def split(name: str, seed: int) -> Split:
    """Stratified, 70 % to learn, shuffled."""
    x, y = data(name)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    return Split(x, y, x_test, y_test)


def folds(whole: Split, seed: int) -> list[Split]:
    """Threefold cross-validation of the training part, each in random order."""
    cut = StratifiedKFold(3, shuffle=True, random_state=seed).split(whole.x, whole.y)
    ordered = [(np.random.RandomState(seed).permutation(seen), held) for seen, held in cut]
    return [Split(whole.x[seen], whole.y[seen], whole.x[held], whole.y[held]) for seen, held in ordered]


@cache
def trainer(learner: str, features: int, classes: int, **options: object) -> Trainer:
    """A trainer that has learnt nothing; one for each set of options, as each is C that has to be compiled."""
    return mcugen.trainer(
        learner, n_features=features, classes=classes, **{"watch": "nothing", "store": False, **options}
    )  # type: ignore[arg-type]


def fresh(learner: str, name: str, **options: object) -> Trainer:
    """A trainer for a data set, with nothing learnt."""
    x, y = data(name)
    found = trainer(learner, x.shape[1], int(y.max()) + 1, **{"C": C, **options})
    found.reset()
    return found


def learnt(one: Trainer, rows: Split, passes: int) -> Trainer:
    """The first pass in the order of the rows, every other one in another."""
    random = np.random.RandomState(0)
    for i in range(passes):
        order = np.arange(len(rows.y)) if i == 0 else random.permutation(len(rows.y))
        one.partial_fit(rows.x[order], rows.y[order])
    return one


def right(one: Trainer, rows: Split, passes: int) -> float:
    """Percent of the rows to judge by."""
    one.reset()
    return 100 * learnt(one, rows, passes).score(rows.x_test, rows.y_test)


def standardised(rows: Split) -> Split:
    """By the means and deviations of the rows to learn."""
    scaler = StandardScaler().fit(rows.x)
    return Split(scaler.transform(rows.x), rows.y, scaler.transform(rows.x_test), rows.y_test)


# ---- streams ------------------------------------------------------------------------------------------------------


def shuffled(name: str, seed: int) -> tuple[Rows, Labels]:
    """All rows of a data set in random order."""
    x, y = data(name)
    order = np.random.RandomState(seed).permutation(len(y))
    return x[order], y[order]


def stream(name: str, rows: int, seed: int) -> tuple[Rows, Labels]:
    """Rows of a data set in random order, again and again."""
    x, y = data(name)
    random = np.random.RandomState(100 + seed)
    order = np.concatenate([random.permutation(len(y)) for _ in range(rows // len(y) + 1)])[:rows]
    return x[order], y[order].copy()


def blobs(seed: int, classes: int = 50, features: int = 22, each: int = 100) -> Split:
    """Gaussian clouds (deviation 0.9) around normally distributed centres."""
    random = np.random.RandomState(seed)
    centres, y = random.randn(classes, features), np.repeat(np.arange(classes), each)
    x = centres[y] + 0.9 * random.randn(len(y), features)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    return Split(x, y, x_test, y_test)


STREAMS = ("independent", "bursts", "class by class")


def imbalanced(kind: str, seed: int, ratio: float = 27.0) -> Split:
    """Digits of which the commonest class has 27 times the rows of the rarest, and the balanced rows to judge by."""
    rows, random = split("digits", seed), np.random.RandomState(seed + 50)
    most, order = int(np.bincount(rows.y).min()), random.permutation(10)
    sizes = [max(1, round(most * ratio ** (-place / 9))) for place in range(10)]
    of = [random.permutation(np.flatnonzero(rows.y == one))[:size] for one, size in zip(order, sizes, strict=True)]
    if kind == "independent":
        stream = random.permutation(np.concatenate(of))
    elif kind == "class by class":
        stream = np.concatenate([of[i] for i in random.permutation(10)])
    else:
        bursts = [one[i : i + 10] for one in of for i in range(0, len(one), 10)]
        stream = np.concatenate([bursts[i] for i in random.permutation(len(bursts))])
    return Split(rows.x[stream], rows.y[stream], rows.x_test, rows.y_test)
