"""emlearn: C headers and tables, in floats where it has them."""

from __future__ import annotations

import contextlib
import copy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.classical.code import Code

FARTHEST = 30_000  # its distances are a 32-bit sum of squares, and its square root fails from 2**30 on


def port(model: Any, form: str, train: Any) -> Code:
    """Trees as code on floats (its tables take int16 only); networks in floats; naive Bayes in Q16; neighbours in int16."""
    import emlearn

    kind = type(model).__name__
    if kind == "KNeighborsClassifier":
        return neighbours(model, train)
    if hasattr(model, "tree_") or hasattr(model, "estimators_"):
        return trees(model, form, "float")
    # its naive Bayes is compiled at once, in a folder `tmp` wherever one is
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        source = emlearn.convert(model, method=form if kind == "MLPClassifier" else None).save(name="model")
    return code(source, f"model_predict(x, {model.n_features_in_})")


def trees(model: Any, form: str, dtype: str, *, repaired: bool = False) -> Code:
    """A forest on one type of input. `repaired` rounds thresholds up, for it compares with < what scikit-learn does with <=."""
    import emlearn

    if repaired:
        model = copy.deepcopy(model)
        for tree in getattr(model, "estimators_", [model]):
            tree.tree_.threshold[:] = np.floor(tree.tree_.threshold) + 1
    source = emlearn.convert(model, method=form, dtype=dtype).save(name="model", include_proba=False)
    return code(source, f"model_predict(x, {model.n_features_in_})", dtype)


def neighbours(model: Any, train: Any) -> Code:
    """int16 only: the rows are scaled as far as its sums allow, the caller's float row within the call."""
    scaled = copy.deepcopy(model)
    spread = np.ptp(train, axis=0)
    scale = float(np.float32(FARTHEST / (2 * np.sqrt((spread**2).sum()))))
    scaled._fit_X = np.round(model._fit_X.astype(np.float64) * scale)
    from emlearn.neighbors import c_generate_neighbors

    source = c_generate_neighbors(scaled._fit_X, model._y, n_neighbors=model.n_neighbors, prefix="model")
    rows, features = model._fit_X.shape
    call = f"""
static EmlNeighborsDistanceItem distances[{rows}];

static int scaled(const float *x)
{{
    int16_t values[{features}], answer = -1;
    for (int i = 0; i < {features}; i++) {{
        values[i] = (int16_t)lroundf(x[i] * {scale!r}f);
    }}
    eml_neighbors_predict(&model, values, {features}, distances, {rows}, &answer);
    return answer;
}}
"""
    return code("#include <math.h>\n" + source + call, "scaled(x)")


def code(source: str, call: str, dtype: str = "float") -> Code:
    """C with emlearn's headers on the path."""
    import emlearn

    return Code(sketch=source, call=call, input=dtype, include=(str(Path(emlearn.__file__).parent),))
