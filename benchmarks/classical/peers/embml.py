"""EmbML: C++ on a global row; tables, or if/else for a tree."""

from __future__ import annotations

import copy
from typing import Any

from benchmarks.classical.code import Code, UnsupportedError

KINDS = ("DecisionTreeClassifier", "LogisticRegression", "MLPClassifier", "SVC")


def port(model: Any, form: str, train: Any) -> Code:
    """In floats (its fixed point is not exact). Filling its row is not counted."""
    kind = type(model).__name__
    if kind not in KINDS:
        raise UnsupportedError("no such model")
    if form == "rules" and kind != "DecisionTreeClassifier":
        raise UnsupportedError("no such form")
    from embml.embml import processOptions
    from embml.embmlSklearn import recoverSklearn

    source = recoverSklearn(copy.deepcopy(model), processOptions("-rules" if form == "rules" else ""))
    maximum = "#include <math.h>\n#define max(a, b) ((a) > (b) ? (a) : (b))\n"  # as Arduino has it
    begin = "initConnections(); " if "initConnections()" in source else ""
    before = f"{begin}memcpy(instance, x, {model.n_features_in_} * sizeof(float));"
    return Code(sketch=maximum + source, call="classify()", before=before, cpp=True)
