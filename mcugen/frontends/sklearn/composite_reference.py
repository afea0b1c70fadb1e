"""The answers of an estimator that holds others: scikit-learn's own, and which rows it answers at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.frontends import Output
from mcugen.frontends.sklearn import as_asked
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import NEAR_TIE, SklearnReference, roundings, single
from mcugen.ir import Array

PROBED = 512  # columns that are asked one by one whether they may be missing
PRODUCTS = (
    "FunctionTransformer",
    "Normalizer",
    "PolynomialFeatures",
)  # what they give is off by a part of itself, not of the row
NEAR_DOUBLE = 1e-12  # of a threshold of float64: closer is what float64 rounds in the steps before
LARGEST = float(np.finfo(np.float32).max)

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class CompositeReference(SklearnReference):
    """A pipeline, a column transformer or a vote, asked by scikit-learn's own methods.

    Rows with missing values are accepted where the model takes them in those columns, rows that some step sends beyond
    float32 are not. Rows that hang on a tree's threshold behind steps that round (a PCA, say) are near ties.
    """

    def __init__(self, estimator: Any, head: Head) -> None:
        super().__init__(as_asked(estimator), head)
        self._missing: Mask | None = None

    def scores(self, rows: Array) -> Floats:
        """What the class is the argmax of; of a model without scores, its labels one-hot."""
        if hasattr(self._model, "decision_function") or hasattr(self._model, "predict_proba"):
            return super().scores(rows)
        return np.eye(len(self._head.labels or ()))[self.labels(rows)]

    def numbers(self, what: Output, rows: Array) -> Floats:
        """See SklearnReference. XGBoost's classifiers have margins, and no `decision_function` for a pipeline to call."""
        last = self._last()
        if what == "decision" and last is not None and not hasattr(self._model, "decision_function"):
            return np.asarray(last.numbers(what, self._before_last(rows)), np.float64)
        return super().numbers(what, rows)

    def near_ties(self, rows: Array) -> Mask:
        """Rows whose two best scores are close, and those that the last step's own reference calls near ties."""
        last = self._last()
        if self._head.tables and last is not None:
            return np.asarray(self._on_thresholds(rows) | last.near_ties(self._before_last(rows)))
        ties = super().near_ties(rows) | self._on_thresholds(rows)
        if self._head.labels is None or last is None:
            return np.asarray(ties)
        return np.asarray(ties | last.near_ties(self._before_last(rows)))

    def accepts(self, rows: Array) -> Mask:
        """See the class."""
        accepted, before = self._plain(rows), self._before_last(rows)
        nowhere = np.isnan(before).any(axis=1) & ~np.isnan(single(rows)).any(
            axis=1
        )  # the logarithm of a negative number
        with np.errstate(invalid="ignore"):
            return np.asarray(accepted & ~nowhere & ~(np.abs(before) > LARGEST).any(axis=1))

    def rounding(self, rows: Array) -> Floats:
        """The last step's own; infinite for rows that hang on a threshold: the leaf depends on how steps before it round."""
        last = self._last()
        own = last.rounding(self._before_last(rows)) if last is not None else np.zeros(len(rows))
        hangs = self._on_thresholds(rows)
        return np.where(hangs if own.ndim == 1 else hangs[:, np.newaxis], np.inf, own)

    def roundings(self, rows: Array) -> Floats:
        """The last step's own, as in `rounding`."""
        last = self._last()
        if last is None:
            return self.rounding(rows)
        return np.where(self._on_thresholds(rows)[:, np.newaxis], np.inf, roundings(last, self._before_last(rows)))

    def _steps(self) -> list[Any]:
        steps = getattr(self._model, "steps", [])
        return [step for _, step in steps if step is not None and not isinstance(step, str)]

    def _plain(self, rows: Array) -> Mask:
        """Rows that the first step takes: of finite numbers, and missing ones where they may be."""
        x = single(rows)
        return np.asarray((np.isfinite(x) | (np.isnan(x) & self._missing_columns(x.shape[1]))).all(axis=1))

    def _before_last(self, rows: Array) -> Floats:
        """What the last step is given; for rows that are not plain, of zeros. Infinity where a step sends a row beyond float32."""
        x = np.where(self._plain(rows)[:, np.newaxis], single(rows).astype(np.float64), 0.0)
        beyond = np.zeros(len(x), np.bool_)
        with np.errstate(all="ignore"):
            for step in self._steps()[:-1]:
                x = self._through(step, x)
                lost = (np.abs(x) > LARGEST).any(axis=1)
                x[lost], beyond = 0.0, beyond | lost
        x[beyond] = np.inf
        return x

    def _through(self, step: Any, x: Floats) -> Floats:
        """What a step makes of rows; infinity of those that it refuses, as scalers do the logarithm of 0."""
        found, todo = dict[int, Floats](), [(0, len(x))]
        while todo:
            first, end = todo.pop()
            try:
                found[first] = np.array(self._quietly(step.transform, x[first:end]), np.float64)
            except ValueError:
                middle = (first + end) // 2
                todo += [(first, middle), (middle, end)] if end > first + 1 else []
        made = np.full((len(x), max((part.shape[1] for part in found.values()), default=1)), np.inf)
        for first, part in found.items():
            made[first : first + len(part)] = part
        return made

    def _last(self) -> Any:
        """The last step's own reference, where its family has one."""
        from mcugen.frontends.sklearn import reference_of

        steps = self._steps()
        found = reference_of(steps[-1]) if steps else None
        return found if type(found) is not SklearnReference else None

    def _missing_columns(self, count: int) -> Mask:
        """The columns in which the model takes NaN."""
        if self._missing is None:
            self._missing = self._ask_missing(count)
        return self._missing

    def _ask_missing(self, count: int) -> Mask:
        if self._takes(np.full((1, count), np.nan)):
            return np.ones(count, np.bool_)
        if count > PROBED:
            return np.zeros(count, np.bool_)
        return np.array([self._takes(np.where(np.arange(count) == i, np.nan, 0.0)[None]) for i in range(count)])

    def _takes(self, rows: Floats) -> bool:
        method = self._model.transform if self._head.outputs[0] == "transform" else self._model.predict
        try:
            self._quietly(method, rows)
        except ValueError:
            return False
        return True

    def _on_thresholds(self, rows: Array) -> Mask:
        """Rows closer to a threshold on their way through a tree than what steps before it may round."""
        from mcugen.frontends.sklearn import is_exact

        steps, hangs = self._steps(), np.zeros(len(rows), np.bool_)
        if not steps or all(is_exact(step) for step in steps[:-1]):
            return hangs
        asked = np.flatnonzero(self.accepts(rows))
        exact = self._before_last(rows)[asked]
        if hasattr(steps[-1], "_predictors"):
            hangs[asked] = _near_doubles(steps[-1], exact)
        x = exact.astype(np.float32)
        one_by_one = all(is_exact(step) or type(step).__name__ in PRODUCTS for step in steps[:-1])
        size = np.zeros(len(x)) if one_by_one else np.abs(x).max(axis=1, initial=0.0)
        for tree in _trees(steps[-1]) if len(asked) else ():
            hangs[asked] |= _near_thresholds(tree, x, size)
        return hangs


def _near_thresholds(tree: Any, x: npt.NDArray[np.float32], size: npt.NDArray[Any]) -> Mask:
    """Rows that pass a threshold of a compiled tree closer than a millionth of it, or of `size` where a row has a larger one."""
    passed = tree.decision_path(x).tocoo()
    inner = tree.children_left[passed.col] >= 0
    row, node = passed.row[inner], passed.col[inner]
    apart = np.abs(x[row, tree.feature[node]] - tree.threshold[node])
    near = np.zeros(len(x), np.bool_)
    near[row[apart <= NEAR_TIE * np.maximum(size[row], np.abs(tree.threshold[node]))]] = True
    return near


def _near_doubles(boosting: Any, x: Floats) -> Mask:
    """Rows nearer to a threshold of histogram boosting, which compares float64, than the steps before are known to round."""
    nodes = np.concatenate([tree.nodes for trees in boosting._predictors for tree in trees])
    nodes, near = nodes[nodes["is_leaf"] == 0], np.zeros(len(x), np.bool_)
    for i in np.unique(nodes["feature_idx"]):
        known = np.unique(nodes["num_threshold"][nodes["feature_idx"] == i])
        for at in (np.searchsorted(known, x[:, i]), np.searchsorted(known, x[:, i]) - 1):
            threshold = known[np.clip(at, 0, len(known) - 1)]
            near |= np.abs(x[:, i] - threshold) <= NEAR_DOUBLE * np.abs(threshold)
    return near


def _trees(estimator: Any) -> Iterator[Any]:
    """The compiled trees of an estimator or of those that it holds, where they see its features as they are."""
    tree = getattr(estimator, "tree_", None)
    if hasattr(tree, "decision_path"):  # no tree of neighbours
        yield tree
    elif not hasattr(estimator, "estimators_features_"):
        for one in np.ravel(np.array(getattr(estimator, "estimators_", []), object)):
            yield from _trees(one)
