"""How the leaves of several trees become an answer: averaged, added up, voted for, or their median taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mcugen.ops.tree_ensemble.trees import Trees

How = Literal["mean", "sum", "votes", "median"]
Link = Literal["identity", "sigmoid", "softmax", "exp", "isolation"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Combine:
    """What an ensemble does with the leaves that a row reaches.

    how     mean    of all trees (forests, bagging)
            sum     a score = its base + the leaves of its trees; all trees of one score follow one another, as many for each
                    (boosting, isolation forests)
            votes   the score of a class = its base + the weights of the trees whose leaf is that class (AdaBoost)
            median  of the leaves by the trees' weights (AdaBoost's regressor)
    base    (scores,) what each score begins with
    weights (trees,) of votes and median
    link    makes probabilities, a value or a decision of the scores
    factor  the link's: sigmoid(factor · score), softmax(factor · score); of isolation see `decisions`
    amount  of isolation: the decision far from 0
    at_zero the class where the only score is exactly 0
    """

    how: How = "mean"
    base: Floats = field(default_factory=lambda: np.zeros(1))
    weights: Floats = field(default_factory=lambda: np.zeros(0))
    link: Link = "identity"
    factor: float = 1.0
    amount: float = 1.0
    at_zero: int = 0

    @property
    def n_scores(self) -> int:
        """How many numbers are added up."""
        return len(self.base)

    @property
    def gain(self) -> float:
        """By how much an answer moves for a score that moves by 1, at most; of `exp` relative to the answer."""
        if self.link == "isolation":
            return self.amount * self.factor
        return {"sigmoid": self.factor / 4, "softmax": self.factor}.get(self.link, 1.0)

    def scores(self, trees: Trees, rows: npt.NDArray[np.generic]) -> Floats:
        """The scores (rows, scores) as float64, tree by tree as scikit-learn adds them."""
        leaves = list(trees.apply(rows))
        if self.how == "median":
            return self._median(np.stack([trees.values[leaf, 0] for leaf in leaves], axis=1))[:, np.newaxis]
        total = np.tile(self.base, (len(rows), 1)) if self.how != "mean" else np.zeros((len(rows), trees.n_outputs))
        for i, leaf in enumerate(leaves):
            if self.how == "sum":
                total[:, i * self.n_scores // trees.n_trees] += trees.values[leaf, 0]
            else:
                total += trees.values[leaf] * (self.weights[i] if self.how == "votes" else 1.0)
        return total / trees.n_trees if self.how == "mean" else total

    def _median(self, values: Floats) -> Floats:
        order = np.argsort(values, axis=1, kind="stable")
        reached = np.cumsum(self.weights[order], axis=1)
        middle = (reached >= 0.5 * reached[:, -1:]).argmax(axis=1)
        rows = np.arange(len(values))
        return np.asarray(values[rows, order[rows, middle]])

    def classes(self, scores: Floats) -> npt.NDArray[np.int32]:
        """The index of each row's class: of the best score, or by the sign of the only one."""
        if scores.shape[1] > 1 or self.how == "mean":
            return np.asarray(scores.argmax(axis=1), np.int32)
        return np.asarray((scores[:, 0] >= 0) if self.at_zero else (scores[:, 0] > 0), np.int32)

    def probabilities(self, scores: Floats) -> Floats:
        """(rows, classes) of the scores."""
        if self.how == "mean":
            return scores
        with np.errstate(over="ignore"):
            if scores.shape[1] == 1:
                one = 1 / (1 + np.exp(-self.factor * scores))
                return np.concatenate([1 - one, one], axis=1)
            powers = np.exp(self.factor * (scores - scores.max(axis=1, keepdims=True)))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def decisions(self, scores: Floats) -> Floats:
        """What `decision_function` gives. Of isolation: amount · (1 - exp(-factor · score))."""
        if self.link == "isolation":
            with np.errstate(over="ignore"):
                return np.asarray(self.amount * (1 - np.exp(-self.factor * scores)))
        return scores

    def values(self, scores: Floats) -> Floats:
        """(rows,) a regressor's answers."""
        with np.errstate(over="ignore"):
            return np.exp(scores[:, 0]) if self.link == "exp" else scores[:, 0]


MEAN = Combine()


def isolation(offset: float, depth: float) -> tuple[float, Combine]:
    """The depth at which an isolation forest's decision is 0, and how its trees' depths are combined.

    offset  what is taken from the score -2**(-sum / depth): a negative number
    depth   the sum of the trees' depths at which the score is -1/2
    """
    border = -depth * log(-offset) / log(2)
    combined = Combine("sum", np.array([-border]), link="isolation", factor=log(2) / depth, amount=-offset, at_zero=1)
    return border, combined
