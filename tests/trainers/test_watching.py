"""What trainers learn from besides new rows, and what they notice, from Python."""

from __future__ import annotations

import numpy as np
import pytest

import mcugen
from mcugen import McugenError


def test_without_direct_only_what_is_remembered_is_learnt() -> None:
    """A memory of one row, and the rows of one class: nothing of the other class can be known."""
    asked = {"n_features": 2, "scaler": "none", "samples": 1, "policy": "ring", "store": False}
    rows, classes = np.array([[3, 1], [-1, 2]], np.float32), np.array([1, 0])
    both, one = mcugen.trainer(**asked), mcugen.trainer(**asked, direct=False)
    learnt = [(t.partial_fit(rows[:1], classes[:1]).host.values["weights"] / rows[0])[0] for t in (both, one)]
    assert np.ptp(learnt, axis=1) == pytest.approx([0, 0], abs=1e-6)  # along the row
    assert learnt[0][0] > 1.5 * learnt[1][0] > 0  # twice, and once


def test_rows_that_are_neither_learnt_nor_remembered() -> None:
    with pytest.raises(McugenError, match="neither learnt nor remembered"):
        mcugen.trainer(n_features=2, direct=False)


def test_labels_that_change_are_noticed_once() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 400)
    rows = (rng.normal(size=(400, 3)) + 3 * classes[:, None]).astype(np.float32)
    trainer = mcugen.trainer(n_features=3, watch="classes", store=False)
    trainer.partial_fit(rows, classes)
    assert trainer.drift() == 0
    trainer.partial_fit(rows[:15], 1 - classes[:15])
    assert trainer.drift() == 1
    assert trainer.drift() == 0
    unwatched = mcugen.trainer(n_features=3, watch="nothing", store=False)
    assert unwatched.partial_fit(rows, classes).drift() == 0
