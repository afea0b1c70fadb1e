"""Which pairs of classes a one-versus-one learner keeps, and the tables of its Bayes decoder; on the host, with NumPy.

Margins (n, K(K-1)/2) have a column for each pair (0, 1), (0, 2) … (0, K-1), (1, 2) …; above 0 a pair speaks for the first of its
classes, else for the second, as in the C. `kept` (pairs,) says which of them a device has.

Sources: Rocha & Goldenstein, "Multiclass from binary", IEEE TNNLS 25(2), 2014 (correlation of learners, groups, tables of
joint probability, shrinking); Sudharsan et al., "ML-MCU", IEEE IoT Journal 2021 (the same on microcontrollers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

CLIP = (
    0.5  # digits, 45 pairs: 97.1 % right with sums of margins clipped here, 96.3 % at 1, 92.9 % unclipped; votes 97.3 %
)
ENOUGH = 0.3  # a right answer that leads by this share is not worth more for leading by a larger one
LARGEST = 8  # pairs in a group: its table has 2^8 rows
LEAST = 0.3  # the correlation below which pairs count as independent; digits: 7 kB of tables, 18 kB without
ONE = 256  # log2 in Q8.8
EXACT = 9  # digits: what is equal but for its rounding is equal


# ---- what kept pairs say --------------------------------------------------------------------------------------------


def classes_of(classes: int) -> tuple[Ints, Ints]:
    """The first and the second class of every pair."""
    first, second = np.triu_indices(classes, 1)
    return np.asarray(first, np.int64), np.asarray(second, np.int64)


def counts(kept: Mask, classes: int) -> Ints:
    """How many kept pairs each class has."""
    first, second = classes_of(classes)
    return np.bincount(first[kept], minlength=classes) + np.bincount(second[kept], minlength=classes)


def shares(margins: Floats, kept: Mask, classes: int) -> Floats:
    """Of the kept pairs that a class has, the share (n, K) that speaks for it.

    Plain counts of votes will not do: a class that lost half its pairs can no longer win (digits, 35 of 45 pairs: 72 %).
    """
    return _per_class(*_answers(margins), kept, classes)


def soft(margins: Floats, kept: Mask, classes: int, clip: float = CLIP) -> Floats:
    """The mean (n, K) of the clipped margins for a class, over its kept pairs."""
    clipped = np.clip(margins, -clip, clip)
    return _per_class(clipped, -clipped, kept, classes)


def vote(margins: Floats, kept: Mask, classes: int) -> Ints:
    """The class (n,) with the largest share; of equal ones that with the larger soft score, clipped at 1, then the first.

    The soft score counts once pairs are missing: 30 of 45 for digits lose 0.1 points with it, 1.1 without.
    """
    return np.asarray(np.round(_scores(margins, kept, classes), EXACT).argmax(axis=1), np.int64)


def _scores(margins: Floats, kept: Mask, classes: int) -> Floats:
    """Shares, with soft scores so small that they only tell equal shares apart."""
    return shares(margins, kept, classes) + _tie(classes) * soft(margins, kept, classes, 1)


def _tie(classes: int) -> float:
    return 1 / (4 * classes * classes)  # unequal shares are at least 1/(K-1)² apart, soft scores at most 2


def _answers(margins: Floats) -> tuple[Floats, Floats]:
    """1 where a pair speaks for its first class, and where for its second."""
    first = np.where(margins > 0, 1.0, 0.0)
    return first, 1 - first


def _per_class(for_first: Floats, for_second: Floats, kept: Mask, classes: int) -> Floats:
    first, second = classes_of(classes)
    own = np.eye(classes)
    total = for_first[:, kept] @ own[first[kept]] + for_second[:, kept] @ own[second[kept]]
    return np.asarray(total / np.maximum(1, counts(kept, classes)))


# ---- pruning --------------------------------------------------------------------------------------------------------


def nearest(rows: Floats, labels: Ints, keep: int, classes: int) -> Mask:
    """The `keep` pairs whose classes lie nearest, by the centroids of standardised rows: the others are told apart anyway.

    A class that lies far from all others keeps its nearest pair, too.
    """
    _check(keep, classes)
    centroids = np.stack([rows[labels == i].mean(axis=0) for i in range(classes)])
    first, second = classes_of(classes)
    order = np.argsort(((centroids[first] - centroids[second]) ** 2).sum(axis=1), kind="stable")
    own = {int(order[(first[order] == i) | (second[order] == i)][0]) for i in range(classes)}  # a forest: at most K-1
    rest = [pair for pair in order if int(pair) not in own]
    kept = np.zeros(len(first), bool)
    kept[[*own, *rest[: keep - len(own)]]] = True
    return kept


def greedy(margins: Floats, labels: Ints, keep: int, classes: int) -> Mask:
    """Backward elimination: one pair after the other goes, each time the one without which most rows are right.

    Equal counts are told apart by how clearly the rows are right (up to ENOUGH). A class keeps its last pair. The margins
    must be of rows that the learners have not seen; those of cross-validation, all rows put together, are better than a
    third held out (digits, 30 of 45 pairs: 0.1 points lost against 1.2). The time grows with
    pairs² rows: 20 minutes for half of the pairs of 50 classes.
    """
    _check(keep, classes)
    kept = np.ones(margins.shape[1], bool)
    while kept.sum() > keep:
        kept[_least_missed(margins, labels, kept, classes)] = False
    return kept


def _check(keep: int, classes: int) -> None:
    all_pairs = classes * (classes - 1) // 2
    if not classes - 1 <= keep <= all_pairs:  # with fewer, some class may have none
        raise ValueError(f"of {all_pairs} pairs {classes - 1} to {all_pairs} can stay, not {keep}")


def _least_missed(margins: Floats, labels: Ints, kept: Mask, classes: int) -> int:
    """The kept pair whose going costs least; every candidate changes the scores of two classes only."""
    row = np.arange(len(labels))
    has = counts(kept, classes)
    scores = _scores(margins, kept, classes)
    totals = scores * has
    right = scores[row, labels]
    others = scores.copy()
    others[row, labels] = -np.inf
    three = np.argsort(-others, axis=1, kind="stable")[:, :3]  # at most two of them are the candidate's own
    values = np.take_along_axis(others, three, axis=1)

    first, second = classes_of(classes)
    best, found = (-1, 0.0), -1
    for pair in np.flatnonzero(kept):
        both = (int(first[pair]), int(second[pair]))
        if min(has[both[0]], has[both[1]]) <= 1:
            continue
        votes, clipped = _answers(margins[:, pair]), _tie(classes) * np.clip(margins[:, pair], -1, 1)
        says = votes[0] + clipped, votes[1] - clipped
        new = [(totals[:, i] - part) / (has[i] - 1) for i, part in zip(both, says, strict=True)]
        rival = np.where(np.isin(three, both), -np.inf, values).max(axis=1)
        truth = right
        for i, score in zip(both, new, strict=True):
            truth = np.where(labels == i, score, truth)
            rival = np.where(labels == i, rival, np.maximum(rival, score))
        lead = np.round(truth - rival, EXACT)
        worth = (int((lead > 0).sum()), round(float(np.minimum(lead, ENOUGH).mean()), EXACT))
        if worth > best:
            best, found = worth, int(pair)
    return found


# ---- the Bayes decoder ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Tables:
    """log2 of probabilities as int16 in Q8.8: of each class, and of the answers of each group of pairs in each class."""

    prior: npt.NDArray[np.int16]  # (K,)
    groups: tuple[tuple[int, ...], ...]  # the pairs of each group; the first is bit 0 of a pattern, set above 0
    patterns: tuple[npt.NDArray[np.int16], ...]  # for each group (2^pairs, K)

    @property
    def bytes(self) -> int:
        """What they take in flash."""
        return self.prior.nbytes + sum(one.nbytes for one in self.patterns)


def correlation(margins: Floats) -> Floats:
    """|1/N Σ R_i R_j| (pairs, pairs) of the answers R in {-1, +1}: always-opposite pairs count as equal ones."""
    answers = np.where(margins > 0, 1.0, -1.0)
    return np.asarray(np.abs(answers.T @ answers) / len(answers))


def groups(
    correlations: Floats, kept: Mask, largest: int = LARGEST, least: float = LEAST
) -> tuple[tuple[int, ...], ...]:
    """Complete linkage: the two groups whose least correlated members correlate most become one, while they are small enough.

    [open] The paper leaves the linkage, the largest group and the least correlation to the reader.
    """
    pairs = np.flatnonzero(kept)
    found = {i: [int(pair)] for i, pair in enumerate(pairs)}
    linked = correlations[np.ix_(pairs, pairs)].copy()
    np.fill_diagonal(linked, -1)
    while len(found) > 1:
        sizes = np.array([len(found.get(i, ())) for i in range(len(pairs))])
        allowed = np.where(sizes[:, None] + sizes[None, :] <= largest, linked, -1)
        a, b = sorted(divmod(int(allowed.argmax()), len(pairs)))
        if allowed[a, b] <= least:
            break
        found[a] += found.pop(b)
        linked[a] = linked[:, a] = np.minimum(linked[a], linked[b])
        linked[b] = linked[:, b] = -1  # merged away; the diagonal is -1 already
    return tuple(tuple(sorted(one)) for one in sorted(found.values()))


def tables(margins: Floats, labels: Ints, of: Iterable[Sequence[int]], classes: int) -> Tables:
    """The tables of groups `of` pairs, counted over rows; every pattern is counted once more than it was seen (Laplace)."""
    seen = np.bincount(labels, minlength=classes)
    in_groups, patterns = tuple(tuple(one) for one in of), []
    for group in in_groups:
        table = np.ones((1 << len(group), classes))
        np.add.at(table, (_pattern(margins, group), labels), 1)
        patterns.append(_log2(table / (seen + len(table))))
    return Tables(_log2((seen + 1) / (len(labels) + classes)), in_groups, tuple(patterns))


def bayes(margins: Floats, by: Tables) -> Ints:
    """argmax_j log P(j) + Σ_g log P(pattern_g | j) (n,), in the integers of the device; int32 holds the sums."""
    total = np.tile(by.prior.astype(np.int64), (len(margins), 1))
    for group, patterns in zip(by.groups, by.patterns, strict=True):
        total += patterns[_pattern(margins, group)]
    return np.asarray(total.argmax(axis=1), np.int64)


def _pattern(margins: Floats, group: Sequence[int]) -> Ints:
    return np.asarray((margins[:, list(group)] > 0) @ (1 << np.arange(len(group))), np.int64)


def _log2(probabilities: Floats) -> npt.NDArray[np.int16]:
    return np.asarray(np.rint(np.log2(probabilities) * ONE), np.int16)
