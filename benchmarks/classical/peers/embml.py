"""EmbML: C++ on a global row; tables, or if/else for a tree."""

from __future__ import annotations

import copy
from typing import Any

from benchmarks.classical.code import Code


def port(model: Any, form: str, train: Any) -> Code:
    """In floats (its fixed point is not exact). Filling its row is not counted."""
    from embml.embml import processOptions
    from embml.embmlSklearn import recoverSklearn

    source = recoverSklearn(copy.deepcopy(model), processOptions("-rules" if form == "rules" else ""))
    maximum = "#include <math.h>\n#define max(a, b) ((a) > (b) ? (a) : (b))\n"  # as Arduino has it
    begin = "initConnections(); " if "initConnections()" in source else ""
    before = f"{begin}memcpy(instance, x, {model.n_features_in_} * sizeof(float));"
    return Code(sketch=maximum + source, call="classify()", before=before, cpp=True)
