"""sklearn-porter: C for the desktop, with its own main(). It was made for scikit-learn 0.2x, whose module names it imports."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

from benchmarks.classical.code import Code

OLD_NAMES = {
    "sklearn.tree.tree": "sklearn.tree",
    "sklearn.ensemble.weight_boosting": "sklearn.ensemble",
    "sklearn.ensemble.forest": "sklearn.ensemble",
    "sklearn.svm.classes": "sklearn.svm",
    "sklearn.neighbors.classification": "sklearn.neighbors",
    "sklearn.neural_network.multilayer_perceptron": "sklearn.neural_network",
}
FLOATS = ("DecisionTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier")


def port(model: Any, form: str, train: Any) -> Code:
    """Trees as if/else on floats, SVMs as tables of doubles; its main() is compiled and dropped by the linker."""
    kind = type(model).__name__
    for one in (model, *getattr(model, "estimators_", ())):  # scikit-learn's old names of what it has under new ones
        one.n_features_ = one.n_features_in_
        one.base_estimator = getattr(one, "estimator", None)
    source = porter()(model, language="c").export(embed_data=True)
    source = source.replace("int main(", "int unused_main(")
    files = {"model.c": "#include <stdint.h>\n" + source}
    type_ = "float" if kind in FLOATS else "double"
    return Code(f"int predict({type_} *x);\n", "predict(x)", files=files, compiled=("model.c",), input=type_)


def porter() -> Any:
    """Its class, under the names that it knows; its package's own start-up reads a file in a way that Python dropped."""
    for old, new in OLD_NAMES.items():
        sys.modules[old] = importlib.import_module(new)
    spec = importlib.util.find_spec("sklearn_porter")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("sklearn_porter")
    package = types.ModuleType("sklearn_porter")
    package.__path__ = [*spec.submodule_search_locations]
    sys.modules["sklearn_porter"] = package
    return importlib.import_module("sklearn_porter.Porter").Porter
