"""The other tools: one module each with `port(model, form, train)`, which gives a Code or raises UnsupportedError where it cannot after all.

They run in a process of their own (port.py), because some change numpy's settings or the model, and maybe by a Python that is
not ours: so they import nothing of mcugen, and their tool only where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A tool: its module here, its packages on PyPI (the first gives the version), and the estimators that each form has."""

    name: str
    module: str
    packages: tuple[str, ...]
    forms: Mapping[str, tuple[str, ...]]


TREE, FORESTS = ("DecisionTreeClassifier",), ("RandomForestClassifier", "ExtraTreesClassifier")
TREES = (*TREE, *FORESTS)
XGBOOST, LIGHTGBM = "XGBClassifier", "LGBMClassifier"
BAGGED = (*TREE, "RandomForestClassifier")
BOOSTED = (*TREES, "GradientBoostingClassifier", XGBOOST, LIGHTGBM)
SVM, LOGISTIC, BAYES = "SVC", "LogisticRegression", "GaussianNB"
MLP, KNN = "MLPClassifier", "KNeighborsClassifier"

PEERS = (
    Peer("micromlgen", "micromlgen", ("micromlgen",), {"class": (*BAGGED, SVM, LOGISTIC, BAYES, XGBOOST)}),
    Peer("everywhereml", "everywhereml", ("everywhereml",), {"class": BAGGED}),
    Peer("m2cgen", "m2cgen", ("m2cgen",), {"double": (*TREES, SVM, LOGISTIC, XGBOOST, LIGHTGBM)}),
    Peer("emlearn", "emlearn", ("emlearn",), {"inline": TREES, "loadable": (MLP, BAYES, KNN)}),
    Peer("tl2cgen", "tl2cgen", ("tl2cgen", "treelite"), {"branches": BOOSTED, "quantize": BOOSTED}),
    Peer("embml", "embml", ("embml",), {"tables": (*TREE, SVM, LOGISTIC, MLP), "rules": TREE}),
    Peer("sklearn-porter", "porter", ("sklearn-porter",), {"embedded": (*TREES, SVM)}),
)
# On integers that the caller holds, for which emlearn has smaller code.
QUANTISED = Peer(
    "emlearn",
    "emlearn_uint8",
    ("emlearn",),
    {"inline": TREES, "inline repaired": TREES, "loadable repaired": TREES},
)
