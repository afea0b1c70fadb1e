"""softmax_pairs: NumPy against compiled C, bit for bit; and how exact probabilities next to 0 and to 1 are."""

from __future__ import annotations

import numpy as np
from one_op import assert_c_is_numpy
from sanitized import hard_floats

from mcugen.ops.softmax_pairs import SoftmaxPairs
from mcugen.pairs import pair_of
from mcugen.rows import vector

RNG = np.random.default_rng(0)
OPS = [SoftmaxPairs(1), SoftmaxPairs(2), SoftmaxPairs(7), SoftmaxPairs(260)]


def scores_for(op: SoftmaxPairs) -> np.ndarray:
    """Scores of all sizes; some far from 0, whose rests tell them apart; level ones."""
    scores = RNG.uniform(-1, 1, size=(40, op.scores)) * 10.0 ** RNG.integers(-6, 2, size=(40, 1))
    scores[1] = 0
    if op.scores > 1:
        scores[::4] = 1e5 + scores[::4]
    return scores.clip(scores.max(axis=1, keepdims=True) - 65)


def test_they_are_as_exact_next_to_1_as_next_to_0() -> None:
    for op in OPS:
        scores = scores_for(op).clip(-65, None if op.scores > 1 else 65)
        rows = pairs_of(scores)
        first, rest = np.stack([op.evaluate(row)[0] for row in rows]).reshape(len(rows), 2, -1).swapaxes(0, 1)
        told = np.column_stack([np.zeros(len(scores)), scores]) if op.scores == 1 else scores
        powers = np.exp(told - told.max(axis=1, keepdims=True))
        total = powers.sum(axis=1)
        for i, power in enumerate(powers.T):
            others = np.delete(powers, i, axis=1).sum(axis=1)  # not as a difference, which cancels
            small = power < others
            exact = 1e-12 + 2.0**-46 * np.abs(told).max(axis=1)  # what pairs of scores hold
            found = first[:, i].astype(np.float64) + rest[:, i]
            assert (np.abs(found - power / total) <= exact * power / total)[small].all()
            less = (1 - first[:, i].astype(np.float64)) - rest[:, i]
            kept = np.maximum(exact, 2.0**-23) if op.scores > 99 else np.maximum(exact, 2.0**-24)
            assert (np.abs(less - others / total) <= np.maximum(kept * others / total, 2.0**-48))[~small].all()


def test_the_c_is_numpy() -> None:
    rows = []
    for op in OPS:
        hard = np.nan_to_num(hard_floats(RNG, 20, (op.scores,)), posinf=3e38, neginf=-3e38)
        rows.append([np.concatenate([op.probe(40, RNG)[0], pairs_of(scores_for(op)), pairs_of(hard)])])
    assert_c_is_numpy([(op, (vector(op.width),)) for op in OPS], rows)


def pairs_of(scores: np.ndarray) -> np.ndarray:
    return np.concatenate(pair_of(scores), axis=1)
