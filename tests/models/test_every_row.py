"""Every row of scikit-learn's own data sets and every threshold's neighbours: the C gives the model's answers, in every form.

Models are compiled in batches, fifty and more to a compiler call. Labels must be equal on every row whose two best classes
are 1e-12 apart; probabilities within 1e-6; numbers within 1e-6 relative (float32 results of integer sums: see leaves.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from one_library import library_of
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.frontends import read
from mcugen.memory.plan import plan
from mcugen.op import Cost, Form
from mcugen.targets.driver import Unit
from mcugen.verify import probe, prove

DATA = {
    "iris": load_iris,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
CLASSIFIERS = (DecisionTreeClassifier, RandomForestClassifier, ExtraTreesClassifier)
REGRESSORS = (DecisionTreeRegressor, RandomForestRegressor, ExtraTreesRegressor)
FORMS = ("table", "branches", "branches16")


@dataclass(frozen=True)
class Case:
    """A model to train and a form to compile it in."""

    cls: Any
    depth: int | None
    trees: int
    output: str
    form: str

    def fit(self, x: np.ndarray, y: np.ndarray) -> Any:
        options = {"max_depth": self.depth, "random_state": 0} | (
            {"n_estimators": self.trees} if self.trees > 1 else {}
        )
        return self.cls(**options).fit(x, y)


def _cases(data: str) -> Iterator[Case]:
    families = (
        ((REGRESSORS, ("value",)),)
        if data == "diabetes"
        else ((CLASSIFIERS, ("label", "proba")), (REGRESSORS, ("value",)))
    )
    for classes, outputs in families:
        for cls in classes:
            for depth in (1, 4, None):
                for trees in (1,) if cls.__name__.startswith("Decision") else (3, 30):
                    for output in outputs:
                        few = trees == 30 or (data, output) == (
                            "digits",
                            "value",
                        )  # the largest; numbers are diabetes', too
                        for form in FORMS[:1] if few else FORMS:
                            yield Case(cls, depth, trees, output, form)


def unit_in_form(source: Any, form: str) -> Unit:
    """The source's module with its trees in this form, and its C. The trees are encoded once for all forms."""
    target = Target(load_board("mega2560"))
    graph = source.module.predict
    node = graph.nodes[0]
    decided = replace(graph, nodes=(replace(node, op=node.op.with_form(Form(form, Cost()), target)),))
    module = replace(source.module, functions=(decided,))
    return Unit(module, emit(module, plan(module, target), target))


def renamed(source: Any, name: str) -> Any:
    return replace(source, module=replace(source.module, name=name))


def _prove_all(cases: list[Case], x: np.ndarray, y: np.ndarray, probes: int) -> None:
    fitted = {replace(c, form="", output=""): c for c in cases}
    models = {key: case.fit(x, y) for key, case in fitted.items()}
    asked = dict.fromkeys(replace(c, form="") for c in cases)
    read_once = {one: read(models[replace(one, output="")], name="m", output=one.output) for one in asked}
    made = {one: probe(source.module, probes) for one, source in read_once.items()}
    sources = [renamed(read_once[replace(c, form="")], f"m{i}") for i, c in enumerate(cases)]
    units = [unit_in_form(source, case.form) for source, case in zip(sources, cases, strict=True)]
    library = library_of(units, ("-std=c99", "-O0"))
    for i, (source, case) in enumerate(zip(sources, cases, strict=True)):

        def run(inputs: Any, model: int = i) -> Any:
            return library.run(inputs, model)

        for rows, name in ((x, "rows"), (made[replace(case, form="")], "threshold rows")):
            proof = prove(units[i].module, source.reference, rows, run, on="host", source=name)
            assert proof.proven, f"{case}: {proof} {proof.worst}"
            assert proof.rows + proof.near_ties == len(rows)


@pytest.mark.parametrize("data", DATA)
def test_every_row(data: str) -> None:
    x, y = DATA[data](return_X_y=True)
    cases = [*_cases(data)]
    assert len(cases) >= 30
    for start in range(0, len(cases), 80):
        _prove_all(cases[start : start + 80], x, y, probes=1_500)


@pytest.mark.long
def test_three_hundred_trees() -> None:
    x, y = DATA["breast_cancer"](return_X_y=True)
    cases = [Case(cls, None, 300, "label", "table") for cls in CLASSIFIERS[1:]]
    _prove_all([*cases, Case(RandomForestClassifier, 4, 300, "proba", "table")], x, y, probes=600)
    x, y = load_diabetes(return_X_y=True)
    _prove_all([Case(cls, 6, 300, "value", "table") for cls in REGRESSORS[1:]], x, y, probes=600)
