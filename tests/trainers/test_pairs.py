"""Pruning of one-versus-one learners and their Bayes decoder: against slow definitions, and on digits."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import StandardScaler

from mcugen.trainers import pairs

ALL = np.ones(45, bool)


def random_margins(classes: int, rows: int = 60) -> tuple[pairs.Floats, pairs.Ints]:
    """Margins that are right more often than not, with some that are 0."""
    rng = np.random.default_rng(classes)
    first, second = pairs.classes_of(classes)
    labels = np.arange(rows) % classes
    truth = (labels[:, None] == first) * 1.0 - (labels[:, None] == second)
    return np.round(truth * 0.8 + rng.normal(size=(rows, len(first))), 1), labels


def learners(rows: pairs.Floats, labels: pairs.Ints) -> list[SGDClassifier]:
    """A Train++ (PA-II, C = 0.01) for each pair of digits, one pass."""
    found = []
    for i, j in zip(*pairs.classes_of(10), strict=True):
        of = (labels == i) | (labels == j)
        one = SGDClassifier(
            penalty=None, learning_rate="pa2", eta0=0.01, max_iter=1, tol=None, shuffle=False, random_state=0
        )
        found.append(one.fit(rows[of], labels[of] == i))
    return found


def margins_of(trained: list[SGDClassifier], rows: pairs.Floats) -> pairs.Floats:
    weights = np.stack([one.coef_[0] for one in trained])
    return rows @ weights.T + np.array([one.intercept_[0] for one in trained])


@cache
def digits() -> dict[str, np.ndarray]:
    """Rows, labels and margins of the training part, the unseen margins of its cross-validation, and the test part."""
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=0)
    scaler = StandardScaler().fit(x)
    x, x_test = scaler.transform(x), scaler.transform(x_test)
    unseen = np.zeros((len(x), 45))
    for seen, held in StratifiedKFold(3, shuffle=True, random_state=0).split(x, y):
        order = np.random.default_rng(0).permutation(seen)
        unseen[held] = margins_of(learners(x[order], y[order]), x[held])
    trained = learners(x, y)
    return {
        "rows": x,
        "labels": y,
        "margins": margins_of(trained, x),
        "unseen": unseen,
        "test": margins_of(trained, x_test),
        "answers": y_test,
    }


def right(found: pairs.Ints) -> float:
    return 100 * float((found == digits()["answers"]).mean())


# ---- what kept pairs say --------------------------------------------------------------------------------------------


def test_shares_and_soft_scores_by_hand() -> None:
    margins, whole = np.array([[0.2, -3.0, 0.0]]), np.ones(3, bool)  # pairs (0, 1), (0, 2), (1, 2)
    np.testing.assert_allclose(pairs.shares(margins, whole, 3), [[0.5, 0, 1]])
    np.testing.assert_allclose(pairs.soft(margins, whole, 3), [[-0.15, -0.1, 0.25]])
    assert pairs.vote(margins, whole, 3) == [2]
    kept = np.array([True, True, False])
    np.testing.assert_allclose(pairs.shares(margins, kept, 3), [[0.5, 0, 1]])
    np.testing.assert_allclose(pairs.soft(margins, kept, 3), [[-0.15, -0.2, 0.5]])
    # each has one vote, and soft scores of 0, -0.25 and 0.25; or all have 0
    assert pairs.vote(np.array([[1.0, -1, 0.5], [1, -1, 1]]), whole, 3).tolist() == [2, 0]


# ---- pruning --------------------------------------------------------------------------------------------------------


def slow_greedy(margins: pairs.Floats, labels: pairs.Ints, keep: int, classes: int) -> pairs.Mask:
    """Every candidate's votes counted anew."""
    kept, row = np.ones(margins.shape[1], bool), np.arange(len(labels))
    while kept.sum() > keep:
        worth = {}
        for pair in np.flatnonzero(kept):
            without = kept.copy()
            without[pair] = False
            if pairs.counts(without, classes).min() == 0:
                continue
            scores = pairs.shares(margins, without, classes) + pairs.soft(margins, without, classes, 1) / (
                4 * classes**2
            )
            truth = scores[row, labels].copy()
            scores[row, labels] = -np.inf
            lead = np.round(truth - scores.max(axis=1), 9)
            worth[pair] = ((lead > 0).sum(), round(np.minimum(lead, pairs.ENOUGH).mean(), 9))
        kept[max(worth, key=lambda pair: (worth[pair], -pair))] = False
    return kept


@pytest.mark.parametrize("classes", [3, 5, 7])
def test_greedy_is_backward_elimination(classes: int) -> None:
    margins, labels = random_margins(classes)
    keep = classes - 1
    np.testing.assert_array_equal(
        pairs.greedy(margins, labels, keep, classes), slow_greedy(margins, labels, keep, classes)
    )


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_no_class_is_left_without_a_pair(classes: int) -> None:
    margins, labels = random_margins(classes)
    rows = labels[:, None] ** 3.0  # the last class lies far from all others
    for keep in range(classes - 1, classes * (classes - 1) // 2 + 1):
        for kept in (pairs.greedy(margins, labels, keep, classes), pairs.nearest(rows, labels, keep, classes)):
            assert kept.sum() == keep
            assert pairs.counts(kept, classes).min() > 0
    for keep in (classes - 2, classes * (classes - 1) // 2 + 1):
        with pytest.raises(ValueError, match="can stay"):
            pairs.greedy(margins, labels, keep, classes)
        with pytest.raises(ValueError, match="can stay"):
            pairs.nearest(rows, labels, keep, classes)


def test_nearest_keeps_neighbours() -> None:
    labels = np.repeat(np.arange(4), 5)
    kept = pairs.nearest(labels[:, None] * 1.0, labels, 3, 4)
    first, second = pairs.classes_of(4)
    assert [*zip(first[kept], second[kept], strict=True)] == [(0, 1), (1, 2), (2, 3)]


def test_pruning_digits() -> None:
    d = digits()
    whole = right(pairs.vote(d["test"], ALL, 10))
    assert whole > 95.5
    for keep, most in ((35, 0.3), (30, 0.5)):
        kept = pairs.greedy(d["unseen"], d["labels"], keep, 10)
        assert right(pairs.vote(d["test"], kept, 10)) > whole - most
    kept = pairs.nearest(d["rows"], d["labels"], 35, 10)
    assert right(pairs.vote(d["test"], kept, 10)) > whole - 0.3


# ---- the Bayes decoder ----------------------------------------------------------------------------------------------


def test_opposite_pairs_count_as_equal() -> None:
    margins = np.array([[1.0, -2, 0.5], [-1, 3, 0.5], [4, -1, -0.5], [-1, 1, -0.5]])
    np.testing.assert_allclose(pairs.correlation(margins), [[1, 1, 0], [1, 1, 0], [0, 0, 1]])


def test_groups_are_complete_links() -> None:
    near = np.array(
        [[1, 0.9, 0.5, 0.1, 0], [0.9, 1, 0.2, 0, 0], [0.5, 0.2, 1, 0.8, 0], [0.1, 0, 0.8, 1, 0], [0, 0, 0, 0, 1]]
    )
    everything = np.ones(5, bool)
    assert pairs.groups(near, everything) == ((0, 1), (2, 3), (4,))  # 0 and 2 alone would join all four
    assert pairs.groups(near, everything, least=-0.5) == ((0, 1, 2, 3, 4),)
    assert pairs.groups(near, everything, largest=1) == ((0,), (1,), (2,), (3,), (4,))
    assert pairs.groups(near, np.array([True, False, True, True, False])) == ((0,), (2, 3))


def test_no_group_is_larger_than_asked() -> None:
    for largest in (2, 3, 8):
        found = pairs.groups(pairs.correlation(digits()["margins"]), ALL, largest, least=0)
        assert max(map(len, found)) <= largest
        assert sorted(pair for one in found for pair in one) == [*range(45)]


def test_tables_are_laplace_counts() -> None:
    margins, labels = np.array([[1.0, -1, 0.1], [1, 1, 2], [-1, 1, 0]]), np.array([0, 0, 2])
    found = pairs.tables(margins, labels, [(0, 2), (1,)], 3)
    assert found.prior.tolist() == [-256, round(256 * np.log2(1 / 6)), round(256 * np.log2(2 / 6))]
    seen = np.array([[0, 0, 1], [0, 0, 0], [0, 0, 0], [2, 0, 0]])  # patterns of pair 0 (bit 0) and pair 2 (bit 1)
    np.testing.assert_array_equal(found.patterns[0], np.rint(256 * np.log2((seen + 1) / (np.array([2, 0, 1]) + 4))))
    assert found.patterns[1].shape == (2, 3)
    assert found.bytes == 2 * (3 + 12 + 6)
    assert pairs.bayes(margins, found).tolist() == [0, 0, 2]


def test_bayes_on_digits() -> None:
    """The paper's decoder costs accuracy, whatever the size of its groups: votes of the same learners have 97 %."""
    d = digits()
    near = pairs.correlation(d["margins"])
    of = pairs.groups(near, ALL)
    found = pairs.tables(d["margins"], d["labels"], of, 10)
    assert 90 < right(pairs.bayes(d["test"], found)) < right(pairs.vote(d["test"], ALL, 10))
    assert found.bytes < 10_000
