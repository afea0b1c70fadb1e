"""scikit-learn's own answers of nearest neighbours, and the rows on which they hang on the order of equally near points."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import NEAR_TIE, Numbers, SklearnReference
from mcugen.ir import Array
from mcugen.ops.knn import Knn

CDIST = {"euclidean": "sqeuclidean", "manhattan": "cityblock", "chebyshev": "chebyshev"}
AT_ONCE = 20_000_000  # distances


class NeighborsReference(SklearnReference):
    """A fitted estimator, with a tree made anew of its training rows: the one from a file follows unchecked indices.

    The estimator's `brute` algorithm expands squares, which costs it digits; the tree takes differences, as the C does.
    """

    def __init__(self, estimator: Any, head: Head, op: Knn) -> None:
        from sklearn.neighbors import KDTree

        model = copy.copy(estimator)
        model._fit_X = op.points
        model._tree = KDTree(op.points, metric=op.metric)
        model._fit_method = model.algorithm = "kd_tree"
        model.n_jobs = None
        model.outputs_2d_ = False
        model._y = op.answers
        super().__init__(model, head)
        self._op = op

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose class is not the same whichever of the points counts that are as far as the last neighbour."""
        if self._head.labels is None:
            return np.zeros(len(rows), np.bool_)
        votes, winner = self._votes(rows), self.labels(rows)
        sure = np.take_along_axis(votes.least, winner[:, np.newaxis], axis=1)
        before = np.arange(votes.least.shape[1]) < winner[:, np.newaxis]
        beaten = np.where(before, votes.most < sure, votes.most <= sure)
        if self._op.votes == "distance":
            beaten = votes.most <= sure * (1 - NEAR_TIE)
        np.put_along_axis(beaten, winner[:, np.newaxis], True, axis=1)
        return np.asarray(~beaten.all(axis=1) & self.accepts(rows))

    def rounding(self, rows: Array) -> Numbers:
        """What choosing among points that are equally far may change."""
        votes = self._votes(rows)
        if self._head.labels is not None:
            return np.asarray((votes.most - votes.least).max(axis=1))
        largest = float(np.abs(self._op.answers).max(initial=0.0))
        weighing = 2.0**-20 * largest if self._op.votes == "distance" else 0.0  # of weights in float32
        return np.asarray(votes.most[:, 0] - votes.least[:, 0]) + weighing

    def _votes(self, rows: Array) -> _Range:
        x = np.array(rows, np.float64)  # behind a scaler they are not float32
        x[~self.accepts(rows)] = 0.0
        chunk = max(1, AT_ONCE // len(self._op.points))
        parts = [self._range(x[at : at + chunk]) for at in range(0, max(len(x), 1), chunk)]
        return _Range(np.concatenate([p.least for p in parts]), np.concatenate([p.most for p in parts]))

    def _range(self, x: Numbers) -> _Range:
        from scipy.spatial.distance import cdist

        op = self._op
        distance = cdist(x, op.points, CDIST[op.metric])
        last = np.partition(distance, op.neighbours - 1, axis=1)[:, op.neighbours - 1 : op.neighbours]
        unsure = NEAR_TIE * last  # what the grid of the C loses is no excuse
        sure, even = distance < last - unsure, np.abs(distance - last) <= unsure
        need = op.neighbours - sure.sum(axis=1, keepdims=True)
        weights = np.ones_like(distance)
        if op.votes == "distance":
            real = np.sqrt(distance) if op.metric == "euclidean" else distance
            scale = np.maximum(real.min(axis=1, keepdims=True), 1e-300)
            weights = scale / np.maximum(real, 1e-300)
        total = (sure * weights).sum(axis=1, keepdims=True) + need * (even * weights).max(axis=1, keepdims=True)
        if self._head.labels is None:
            return _numbers(op.answers.astype(np.float64), sure, even, need, weights, total)
        return _classes(op, sure, even, need, weights, total)


@dataclass(frozen=True)
class _Range:
    """The least and the most of each answer (rows, answers) over all choices of equally far points."""

    least: Numbers
    most: Numbers


def _classes(op: Knn, sure: Any, even: Any, need: Any, weights: Numbers, total: Numbers) -> _Range:
    member = np.eye(op.classes)[op.answers.astype(np.intp)]
    certain = (sure * weights) @ member
    open_, last = even @ member, (even * weights).max(axis=1, keepdims=True)
    others = even.sum(axis=1, keepdims=True) - open_
    least = certain + np.maximum(0, need - others) * last
    most = certain + np.minimum(open_, need) * last
    return _Range(least / total, most / total)


def _numbers(numbers: Numbers, sure: Any, even: Any, need: Any, weights: Numbers, total: Numbers) -> _Range:
    """The open places filled with the least, or the largest, of the numbers that are equally far."""
    certain = (sure * weights) @ numbers
    last = (even * weights).max(axis=1) * need[:, 0]
    low = np.where(even, numbers, np.inf).min(axis=1)
    high = np.where(even, numbers, -np.inf).max(axis=1)
    settled = even.sum(axis=1) == need[:, 0]
    low, high = np.where(settled, 0.0, low), np.where(settled, 0.0, high)
    return _Range(((certain + last * low) / total[:, 0])[:, None], ((certain + last * high) / total[:, 0])[:, None])
