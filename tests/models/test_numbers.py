"""Regression forests whose numbers are hard: they cancel, or lie many powers of ten apart."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

import mcugen
from mcugen.diagnostics import McugenError

SPREADS = [0.5, 3, 7, 9, 12]


@pytest.mark.parametrize("spread", SPREADS)
def test_numbers_far_apart(spread: float) -> None:
    """exp(12 · normal) spans thirty powers of ten; 1e-6 relative holds for the small ones too."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 5))
    y = np.exp(rng.normal(size=400) * spread)
    model = RandomForestRegressor(10, random_state=1).fit(x, y)
    c = mcugen.compile(model, board="mega2560", check_fit=False)
    assert c.proof is not None
    assert c.proof.proven
    np.testing.assert_allclose(c.predict(x), model.predict(x), rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_numbers_that_cancel(seed: int) -> None:
    """Where the leaves sum to 0, scikit-learn's float64 leaves dust of 1e-17; no answer is nearer to it than 0."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((300, 3))
    y = np.round(rng.standard_normal(300), 1) if seed % 2 else rng.choice([0.1, 0.2, -0.3], 300)
    model = RandomForestRegressor(10, random_state=seed).fit(x, y)
    c = mcugen.compile(model, board="host")
    assert c.verify(x).proven
    np.testing.assert_allclose(c.predict(x), model.predict(x), rtol=1e-6, atol=1e-14)


def test_both_signs_and_far_apart() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 4))
    y = np.where(
        rng.random(300) < 0.3, rng.choice([-1e-3, 1e-3], 300), rng.choice([-1, 1], 300) * 10.0 ** rng.uniform(3, 9, 300)
    )
    model = ExtraTreesRegressor(4, bootstrap=False, max_features=1, random_state=0).fit(x, y)
    c = mcugen.compile(model, board="host")
    assert c.verify().proven
    assert c.verify(x).proven


@pytest.mark.parametrize(("most", "least"), [(1e20, 1e-18), (1e30, 1e-9), (1e38, 1e-3)])
def test_numbers_too_far_apart_are_refused_and_never_passed(most: float, least: float) -> None:
    """What the model's sum rounds in another row is no excuse for this one: each row has its own bound."""
    x = np.random.default_rng(0).standard_normal((200, 3))
    y = np.where(x[:, 0] > 0, most, np.where(x[:, 1] > 0, least, 3 * least))
    model = RandomForestRegressor(3, random_state=0, bootstrap=False).fit(x, y)
    with pytest.raises(McugenError, match="E0303"):
        mcugen.compile(model, board="host")
    near = RandomForestRegressor(3, random_state=0, bootstrap=False).fit(x, np.minimum(y, least * 1e25))
    c = mcugen.compile(near, board="host")
    assert c.verify(x).proven
    np.testing.assert_allclose(c.predict(x), near.predict(x), rtol=1e-6)
