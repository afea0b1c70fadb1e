"""treelite and TL2cgen: if/else on a union that knows missing values, in doubles; or on integers found in the thresholds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.classical.code import ARGMAX, Code

SCORES = """
static int scored(double *x)
{{
    double scores[{classes}] = {{0}};
    predict((union Entry *)x, 1, scores);
    return {answer};
}}
"""


def port(model: Any, form: str, train: Any) -> Code:
    """Margins, without the softmax that changes no label. It writes over its input where it quantises."""
    import tl2cgen
    import treelite

    trees = imported(treelite, model)
    with tempfile.TemporaryDirectory() as folder:
        tl2cgen.generate_c_code(trees, dirpath=folder, params={"quantize": 1} if form == "quantize" else {})
        files = {path.name: path.read_text() for path in sorted(Path(folder).glob("*.[ch]"))}
    one = len(model.classes_) == 2 and "MAX_N_CLASS 1\n" in files["header.h"]
    classes = 1 if one else len(model.classes_)
    sketch = '#include "header.h"\n' + ("" if one else ARGMAX.format(type="double", classes=classes))
    sketch += SCORES.format(classes=classes, answer="scores[0] > 0" if one else "best(scores)")
    return Code(sketch, "scored(x)", files=files, compiled=tuple(f for f in files if f.endswith(".c")), input="double")


def imported(treelite: Any, model: Any) -> Any:
    """The model as treelite has it."""
    if type(model).__name__ == "XGBClassifier":
        return treelite.frontend.from_xgboost(model.get_booster())
    if type(model).__name__ == "LGBMClassifier":
        return treelite.frontend.from_lightgbm(model.booster_)
    return treelite.sklearn.import_model(model if hasattr(model, "estimators_") else forest_of(model))


def forest_of(tree: Any) -> Any:
    """treelite takes no tree, but a forest of one."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(1)
    forest.__dict__.update(
        {name: getattr(tree, name) for name in ("n_features_in_", "n_outputs_", "n_classes_", "classes_")}
    )
    forest.estimators_ = [tree]
    return forest
