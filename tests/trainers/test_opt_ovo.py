"""Opt-OVO: its decoders, and what cannot be."""

from __future__ import annotations

import pytest

import mcugen
from mcugen import McugenError

PAIRS = ((0, 1), (0, 2), (2, 3), (1, 3))


def test_a_ddag_needs_all_pairs() -> None:
    with pytest.raises(McugenError) as caught:
        mcugen.trainer("opt-ovo", n_features=3, classes=4, pairs=PAIRS, decoder="ddag")
    (found,) = caught.value.diagnostics
    assert found.code == "E0112"
    assert "vote" in found.help
