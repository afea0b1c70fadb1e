"""emlearn's forests on features that the caller holds as integers: uint8_t in code, int16_t in tables."""

from __future__ import annotations

from typing import Any

from benchmarks.classical.code import Code
from benchmarks.classical.peers.emlearn import trees


def port(model: Any, form: str, train: Any) -> Code:
    """emlearn cuts 3.5 down to 3 and asks for less than that; `repaired` gives it thresholds with which that is right."""
    method = form.split()[0]
    return trees(model, method, "uint8_t" if method == "inline" else "int16_t", repaired="repaired" in form)
