"""One versus one: a class from the scores of all pairs of classes, as libsvm and scikit-learn make it of them.

Scores (n, K(K-1)/2) have a column for each pair (0, 1), (0, 2) … (0, K-1), (1, 2) …; above 0 speaks for the first class of
the pair, as libsvm's do (scikit-learn's `OneVsOneClassifier` has the opposite sign). Two rules:

votes   a score above 0 is a vote for the first class, any other for the second; the label is the first class with the most
        votes: `SVC.predict`
ties    a score below 0 is a vote for the second class, any other for the first; equal votes are told apart by the sum of a
        class's scores: `SVC(break_ties=True).predict`, `OneVsOneClassifier.predict`

`templates/ovo.c.j2` is the same in C.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mcugen.ir import Array

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LARGE = 1e30  # from here on a sum counts as infinite, in the C too


def classes_of(pairs: int) -> int | None:
    """How many classes have so many pairs; None where no number does."""
    classes = round((1 + (1 + 8 * pairs) ** 0.5) / 2)
    return classes if classes * (classes - 1) // 2 == pairs else None


def votes(scores: Array, ties: bool = False) -> Counts:
    """The votes (n, K) that each class gets; scores may be integers."""
    first, second = _pairs(scores)
    for_first = scores >= 0 if ties else scores > 0  # type: ignore[operator]  # an array of numbers
    return counted(for_first, first) + counted(~for_first, second)


def counted(pairs: npt.NDArray[np.bool_], members: Counts) -> Counts:
    """How many of each row's pairs (n, pairs) are each class's (pairs, K): in float64, which counts as well and far quicker."""
    return np.asarray(pairs.astype(np.float64) @ members.astype(np.float64)).astype(np.int64)


def confidences(scores: Array) -> Array:
    """The sums (n, K) of what the scores say for each class, in the type of the scores."""
    first, second = _pairs(scores)
    return np.asarray(scores @ (first - second).astype(scores.dtype))


def winners(cast: Counts, sums: Array | None = None) -> npt.NDArray[np.int32]:
    """The label's index (n,): of votes (n, K) alone, or with sums (n, K) that break ties."""
    if sums is None:
        return np.asarray(cast.argmax(axis=1), np.int32)
    best, row = np.zeros(len(cast), np.int32), np.arange(len(cast))
    for i in range(1, cast.shape[1]):
        level = (cast[:, i] == cast[row, best]) & (sums[:, i] > sums[row, best])  # type: ignore[operator]  # numbers
        best = np.where((cast[:, i] > cast[row, best]) | level, np.int32(i), best)
    return best


def decisions(cast: Counts, sums: Floats) -> Floats:
    """scikit-learn's decision function "ovr" (n, K): votes, and the sums brought into (-1/3, 1/3)."""
    with np.errstate(invalid="ignore"):
        part = sums / (3 * (np.abs(sums) + 1))
    return np.asarray(cast + np.where(np.abs(sums) < LARGE, part, np.sign(sums) / 3))


def _pairs(scores: Array) -> tuple[Counts, Counts]:
    """Which class is a pair's first and second, each (pairs, K)."""
    classes = classes_of(scores.shape[1])
    assert classes is not None, "the front-end counts them"
    first, second = np.triu_indices(classes, 1)
    own = np.eye(classes, dtype=np.int64)
    return own[first], own[second]
