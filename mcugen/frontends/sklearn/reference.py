"""scikit-learn's own answers, for proving that the generated C gives the same ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import McugenError, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.pickle_file import one_line
from mcugen.frontends.sklearn.attributes import REPAIR
from mcugen.frontends.sklearn.head import Head
from mcugen.ir import Array, Label

NEAR_TIE = 1e-6  # a best score ahead of the second by less, relative to their size, hangs on how sums are rounded
TOLERANCE = 1e-5
METHODS = {"proba": "predict_proba", "decision": "decision_function", "value": "predict", "transform": "transform"}

Numbers = npt.NDArray[np.float64]


class SklearnReference:
    """A fitted estimator that a family has read, asked by scikit-learn's own methods.

    Rows are (rows, features), cast to float32 as the C takes them, and handed over as float64, so that scikit-learn's own
    sums are as exact as they can be.
    """

    tolerance = TOLERANCE
    relative = False

    def __init__(self, estimator: Any, head: Head) -> None:
        self._model = estimator
        self._head = head

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The index of the predicted class of each row, (rows,); of several answers (rows, answers)."""
        if self._head.tables:
            return indices(self._head.tables, self._asked(self._model.predict, rows))
        index = {label: i for i, label in enumerate(self._head.labels or ())}
        found = np.asarray(self._asked(self._model.predict, rows)).reshape(len(rows))  # CatBoost gives a column
        return np.array([index[label] for label in found.tolist()], np.int64)

    def numbers(self, what: Output, rows: Array) -> Numbers:
        """What scikit-learn's method for an output gives; a decision of one number a row as (rows, 1)."""
        found = np.asarray(self._asked(getattr(self._model, METHODS[what]), rows), np.float64)
        if what == "value":
            return found.reshape(len(found)) if found.size == len(found) else found
        return found.reshape(len(found), -1)

    def scores(self, rows: Array) -> Numbers:
        """What the class is the argmax of (rows, classes), or the sign of (rows, 1)."""
        what: Output = "decision" if hasattr(self._model, "decision_function") else "proba"
        return self.numbers(what, rows)

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose two best scores differ by 1e-6 or less, relative to their size."""
        if self._head.tables:
            return np.asarray(np.abs(self.scores(rows)).min(axis=1) <= NEAR_TIE)
        if self._head.labels is None or len(self._head.labels) < 2:
            return np.zeros(len(rows), np.bool_)
        return close(self.scores(rows))

    def rounding(self, rows: Array) -> Numbers:
        """0: the tolerance is far above what float64 rounds."""
        return np.zeros(len(rows))

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows of finite numbers; the others are refused by scikit-learn itself."""
        return np.asarray(np.isfinite(single(rows)).all(axis=1))

    def _asked(self, method: Callable[[Any], Any], rows: Array) -> Any:
        """The method's answers; those to rows that it does not accept are the answer to one that it does, or to zeros, and mean nothing."""
        x, accepted = single(rows).astype(np.float64), self.accepts(rows)
        x[~accepted] = x[accepted][0] if accepted.any() else 0.0
        try:
            return self._quietly(method, x)
        except McugenError:
            raise
        except Exception as problem:  # whatever scikit-learn makes of attributes that were edited or are missing
            text = f"{self._head.name} does not answer: {type(problem).__name__}: {one_line(problem)}"
            raise error("E0107", text, help=REPAIR) from problem

    def _quietly(self, method: Callable[[Any], Any], x: Numbers) -> Any:
        from sklearn import config_context

        plain = config_context(transform_output="default")  # whatever the process has set: frames have names of columns
        with warnings.catch_warnings(), np.errstate(all="ignore"), plain:
            warnings.simplefilter("ignore")  # feature names: the rows are plain arrays on purpose
            return method(x)


def roundings(reference: Reference, rows: Array) -> Numbers:
    """What a model's own sums may be off in each score or probability, (rows, scores); (rows, 1) where only the largest is known."""
    asked: Callable[[Array], Any] = getattr(reference, "roundings", reference.rounding)
    return np.asarray(asked(rows), np.float64).reshape(len(rows), -1)


def indices(tables: Sequence[Sequence[Label]], predicted: Any) -> npt.NDArray[np.int64]:
    """The class indices (rows, answers) of predicted labels (rows, answers)."""
    columns = zip(tables, np.asarray(predicted).T.tolist(), strict=True)
    return np.array([[table.index(label) for label in column] for table, column in columns], np.int64).T


def close(scores: Numbers) -> npt.NDArray[np.bool_]:
    """Rows of (rows, classes) whose two best are closer than 1e-6 of the larger; of (rows, 1) those that close to 0."""
    if scores.shape[1] == 1:
        return np.asarray(np.abs(scores[:, 0]) <= NEAR_TIE)
    best = np.sort(scores, axis=1)[:, -2:]
    size = np.maximum(np.abs(best).max(axis=1), np.finfo(np.float64).tiny)
    return np.asarray(best[:, 1] - best[:, 0] <= NEAR_TIE * size)


def single(rows: Array) -> npt.NDArray[np.float32]:
    """Rows as float32. A NaN of theirs may be a signalling one, of which casts warn: it becomes NumPy's own."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.ascontiguousarray(rows, dtype=np.float32)
    return np.where(np.isnan(found), np.float32(np.nan), found)
