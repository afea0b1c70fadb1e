"""A tree's or forest's own answers, for proving that the generated C gives the same ones."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.frontends import Output
from mcugen.frontends.sklearn.reference import indices
from mcugen.frontends.sklearn.trees import HOLDS, kind_of
from mcugen.ir import Array

NEAR_TIE = 1e-12  # a class ahead by less is ahead by the rounding of a float64 sum, not by the model
TOLERANCE = 1e-6  # of probabilities, absolute; of numbers, relative
NEAR_FLOATS = 1e-7  # the same where the C rounds means to floats before it compares them
LESS = 1e-5  # of several answers, of each or of 1 where it is smaller

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


def _fresh(estimator: object) -> Any:
    """An estimator of scikit-learn's own class that holds what the front-end checked, and nothing else of the file's."""
    kind, state = kind_of(estimator), vars(estimator)
    assert kind is not None, "read_estimator has passed it"
    fresh: Any = kind.base()
    for name in HOLDS:
        if name in state and (kind.classifier or "class" not in name):
            setattr(fresh, name, state[name])
    if kind.forest:
        fresh.estimators_ = [_fresh(member) for member in state["estimators_"]]
        fresh.n_estimators = len(fresh.estimators_)
        fresh.n_jobs = 1  # with more, trees add up in the order in which threads finish, and the last bits vary
    return fresh


class TreeReference:
    """A fitted tree or forest that passed `read_estimator`, asked row by row.

    Rows are (rows, features), cast to float32 as the C takes them; NaN and infinities are allowed. scikit-learn's own
    `predict` and `predict_proba` answer every row that they accept. Rows that they refuse (infinities in every version,
    NaN in some) go through each tree's compiled `tree_.predict`, averaged exactly as the forest does.
    """

    def __init__(self, estimator: object) -> None:
        self._model = _fresh(estimator)
        self._trees = [m.tree_ for m in getattr(self._model, "estimators_", [self._model])]

    tolerance = TOLERANCE
    relative = True

    @property
    def model(self) -> Any:
        """The object that is asked."""
        return self._model

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The index of the predicted class of each row, (rows,) int64."""
        index = {label: i for i, label in enumerate(self._model.classes_.tolist())}

        def asked(x: Rows) -> Scores:
            return np.array([index[label] for label in self._model.predict(x).tolist()], np.float64)

        return self._answers(rows, asked, lambda x: self._mean(x).argmax(axis=1)).astype(np.int64)

    def numbers(self, what: Output, rows: Array) -> Scores:
        """The class probabilities (rows, classes), or a regressor's predictions (rows,)."""
        if what == "proba":
            return self._answers(rows, lambda x: self._model.predict_proba(x), self._mean)
        return self._answers(rows, lambda x: self._model.predict(x), lambda x: self._mean(x)[:, 0])

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """All: every tree has an answer to missing values and infinities."""
        return np.ones(len(rows), np.bool_)

    def rounding(self, rows: Array) -> Scores:
        """A bound of what float64 rounds in each row's sum over all trees, as part of the mean, (rows,)."""
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(rows, dtype=np.float32)
        total = np.zeros(len(x))
        for tree in self._trees:
            total += np.abs(tree.predict(x)[:, 0])
        return total * float(np.finfo(np.float64).eps)

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose best class is ahead of the second by what only a float64 sum's rounding can be, in mean probability."""
        if not hasattr(self._model, "classes_") or len(self._model.classes_) < 2:
            return np.zeros(len(rows), np.bool_)
        best = np.sort(self.numbers("proba", rows), axis=1)
        return np.asarray(best[:, -1] - best[:, -2] < NEAR_TIE)

    def _answers(self, rows: Array, asked: Any, by_trees: Any) -> Scores:
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(rows, dtype=np.float32)
        finite, missing = np.isfinite(x).all(axis=1), np.isnan(x).any(axis=1) & ~np.isinf(x).any(axis=1)
        parts = [(m, x[m]) for m in (finite, missing, ~finite & ~missing)]
        answers = [self._part(part, asked, by_trees) for _, part in parts]
        out = np.empty((len(x), *answers[0].shape[1:]))
        for (mask, _), answer in zip(parts, answers, strict=True):
            out[mask] = answer
        return out

    def _part(self, x: Rows, asked: Any, by_trees: Any) -> Scores:
        if not len(x) or np.isinf(x).any():
            return np.asarray(by_trees(x), np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # feature names: the rows are plain arrays on purpose
            try:
                return np.asarray(asked(x), np.float64)
            except ValueError:
                if np.isfinite(x).all():
                    raise
                return np.asarray(by_trees(x), np.float64)

    def _mean(self, x: Rows) -> Scores:
        total = np.zeros((len(x), self._trees[0].max_n_classes))
        for tree in self._trees:
            total += tree.predict(x)
        return total / len(self._trees)


class SeveralTreesReference(TreeReference):
    """One whose leaves hold several answers. A mean is compared in the units of its own answer."""

    tolerance = LESS
    relative = False

    def numbers(self, what: Output, rows: Array) -> Scores:
        """A regressor's predictions, (rows, answers)."""
        return self._answers(rows, lambda x: self._model.predict(x), lambda x: self._mean(x)[..., 0])

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The indices of the predicted classes, (rows, answers)."""
        tables = [one.tolist() for one in self._model.classes_]
        asked = self._answers(rows, lambda x: indices(tables, self._model.predict(x)), lambda x: self._best(x))
        return asked.astype(np.int64)

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows with an answer whose two best classes are as near as the floats that the C compares."""
        if not hasattr(self._model, "classes_"):
            return np.zeros(len(rows), np.bool_)
        with np.errstate(over="ignore"):
            mean = self._mean(np.ascontiguousarray(rows, dtype=np.float32))
        best = np.sort(np.pad(mean, ((0, 0), (0, 0), (1, 0)), constant_values=-1.0), axis=2)
        return np.asarray((best[..., -1] - best[..., -2] < NEAR_FLOATS).any(axis=1))

    def _best(self, x: Rows) -> Scores:
        return np.asarray(self._mean(x).argmax(axis=2), np.float64)

    def rounding(self, rows: Array) -> Scores:
        """A bound of what float64 rounds in each sum over all trees, as part of the mean, (rows, answers)."""
        with np.errstate(over="ignore"):
            x = np.ascontiguousarray(rows, dtype=np.float32)
        total = np.sum([np.abs(tree.predict(x)).max(axis=2) for tree in self._trees], axis=0)
        return np.asarray(total * float(np.finfo(np.float64).eps))

    def _mean(self, x: Rows) -> Scores:
        """(rows, answers, classes or 1)."""
        return np.asarray(np.sum([tree.predict(x) for tree in self._trees], axis=0) / len(self._trees))
