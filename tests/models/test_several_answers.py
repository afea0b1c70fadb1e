"""Models of several answers at once, on every row of data sets: scikit-learn's labels, and its numbers within 1e-5, each in its own
units."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import skops.io
from sanitized import run_main
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
    VotingRegressor,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    Ridge,
    RidgeClassifier,
)
from sklearn.multiclass import OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor
from test_maps import prove_all

import mcugen
from mcugen.diagnostics import McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator
from mcugen.vectors import run_on_host


def numbers(x: Any, y: Any) -> Any:
    """Three targets of which none is as large as another, (rows, 3)."""
    noise = np.random.default_rng(0).normal(0, 0.1, len(x))
    return np.column_stack([y, (x[:, 0] * 2 - x[:, -1] + noise) * 1e-3, np.sin(x[:, 1]) * 1000 + 5])


def scaled(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


def regressors() -> list[Any]:
    forest = RandomForestRegressor(4, max_depth=4, random_state=0)
    return [
        *(LinearRegression(), scaled(Ridge()), MultiTaskLasso(0.1), MultiTaskElasticNet(0.1)),
        *(MultiTaskLassoCV(cv=2), MultiTaskElasticNetCV(cv=2), PLSRegression(2), scaled(PLSCanonical(2)), CCA(2)),
        *(forest, ExtraTreesRegressor(3, max_depth=5, random_state=0), DecisionTreeRegressor(random_state=0)),
        *(
            ExtraTreeRegressor(max_depth=3, random_state=0),
            KNeighborsRegressor(3),
            scaled(KNeighborsRegressor(weights="distance")),
        ),
        scaled(MLPRegressor(hidden_layer_sizes=(4,), max_iter=9, random_state=0)),
        *(MultiOutputRegressor(Ridge()), MultiOutputRegressor(scaled(Ridge()))),
        *(MultiOutputRegressor(forest), RegressorChain(forest, order=[2, 0, 1])),
        *(RegressorChain(LinearRegression(), order=[1, 2, 0]), RegressorChain(scaled(Ridge()), order=[2, 1, 0])),
        scaled(RegressorChain(HistGradientBoostingRegressor(max_iter=3), order=[1, 0, 2])),
    ]


def test_numbers_on_every_row() -> None:
    x, y = load_wine(return_X_y=True)
    found: list[tuple[Any, str]] = [(one, "value") for one in regressors()]
    prove_all([*found, (PLSRegression(2), "transform")], x, numbers(x, y))


def classes(x: Any, y: Any) -> Any:
    """Three answers of three, two and as many classes as there are, (rows, 3)."""
    return np.column_stack([np.digitize(x[:, 0], np.quantile(x[:, 0], [0.3, 0.7])), x[:, 1] > np.median(x[:, 1]), y])


def line() -> Any:
    return scaled(LogisticRegression(max_iter=200))


def classifiers() -> list[Any]:
    forest = RandomForestClassifier(5, max_depth=4, random_state=0)
    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    return [
        *(forest, tree, scaled(ExtraTreesClassifier(3, max_depth=4, random_state=0)), KNeighborsClassifier(3)),
        *(
            scaled(KNeighborsClassifier(4, weights="distance")),
            MultiOutputClassifier(line()),
            MultiOutputClassifier(tree),
        ),
        *(ClassifierChain(line(), order=[2, 0, 1]), ClassifierChain(tree, order=[1, 2, 0])),
    ]


def of_two() -> list[Any]:
    """Those whose answers are 0 or 1 each."""
    network = MLPClassifier(hidden_layer_sizes=(4,), max_iter=9, random_state=0)
    forest = RandomForestClassifier(3, max_depth=4, random_state=0)
    return [
        *(
            RidgeClassifier(),
            scaled(network),
            scaled(MLPClassifier(hidden_layer_sizes=(4,), activation="tanh", max_iter=9, random_state=0)),
        ),
        *(ClassifierChain(line(), chain_method="predict_proba"), ClassifierChain(forest, chain_method="predict_proba")),
        scaled(ClassifierChain(LinearSVC(random_state=0), order=[1, 0, 2], chain_method="decision_function")),
    ]


def test_classes_on_every_row() -> None:
    x, y = load_wine(return_X_y=True)
    several = classes(x, y)
    found: list[tuple[Any, str]] = [(one, "label") for one in classifiers()]
    prove_all(found, x, several)
    prove_all([(one, "label") for one in of_two()], x, (several > 0).astype(int))


@pytest.mark.parametrize("names", [(("no", "yes"), ("a", "bé", "c")), ((0, 1), (3, 5, 2**40)), ((0, 1), (0, 1, 2))])
def test_every_answer_has_its_labels(names: Any) -> None:
    x, y = load_iris(return_X_y=True)
    first, second = (np.array(one) for one in names)
    given = np.column_stack([first[(x[:, 0] > 5.8) * 1], second[y]])
    model = MultiOutputClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)).fit(x, given)
    made = mcugen.compile(model, board="uno", name="two", data=x)
    assert np.array_equal(made.predict(x), model.predict(x.astype(np.float32)))
    assert made.fits
    tested = run_on_host(made, x)
    assert tested is not None
    assert tested.vectors
    assert tested.wrong == 0
    header = made.files["src/two.h"]
    assert "int two_predict(const float x[4], int32_t label[2]);" in header
    assert "#define TWO_ANSWERS 2" in header
    texts = isinstance(names[0][0], str)
    say = 'printf("%s|", two_label(a, i, text))' if texts else 'printf("%lld|", (long long)two_label(a, i))'
    program = SAYS.replace("SAY", say).replace("TEXT", "char text[TWO_LABEL_SIZE];" if texts else "")
    said = run_main([made.unit], program).split("|")[:-1]
    none = "" if texts else str(-(2**63) if max(map(max, names)) == 2**40 else -(2**31))
    if names[1] == (0, 1, 2):  # an index is its own label, whatever it is
        assert said == [str(i) for _ in range(4) for i in range(-1, 4)]
    else:
        of_one = [[none, *map(str, one), *[none] * (4 - len(one))] for one in ((), *names, ())]
        assert said == [one for part in of_one for one in part]


SAYS = """
#include "two.h"
#include <stdio.h>

int main(void)
{
    for (int a = -1; a < TWO_ANSWERS + 1; a++) {
        for (int i = -1; i < TWO_CLASSES + 1; i++) {
            TEXT
            SAY;
        }
    }
    return 0;
}
"""


def test_leaves_as_columns() -> None:
    x, y = load_wine(return_X_y=True)
    few, dense = (
        RandomTreesEmbedding(4, max_depth=3, random_state=0),
        RandomTreesEmbedding(1, sparse_output=False, random_state=0),
    )
    found = [(few, "transform"), (scaled(dense), "transform"), (make_pipeline(few, LogisticRegression()), "proba")]
    prove_all(found, x, y)
    again = read_model(skops.io.dumps(few)).estimator
    assert str(read_estimator(again, "m")) == str(read_estimator(few, "m"))
    few.one_hot_encoder_.categories_[1] = few.one_hot_encoder_.categories_[1][:-1]
    with pytest.raises(McugenError, match="must have a column for each leaf of each tree, and no other"):
        read_estimator(few, "m")


def test_codes_of_classes() -> None:
    x, y = load_wine(return_X_y=True)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    lines = OutputCodeClassifier(line(), code_size=2, random_state=0)
    linear = OutputCodeClassifier(LinearSVC(random_state=0), code_size=4, random_state=1)
    trees = OutputCodeClassifier(tree, code_size=2, random_state=0)
    prove_all([(one, "label") for one in (lines, scaled(linear), trees)], x, y)
    again = read_model(skops.io.dumps(trees)).estimator
    assert str(read_estimator(again, "m")) == str(read_estimator(trees, "m"))
    trees.code_book_ = trees.code_book_ / 2
    with pytest.raises(McugenError, match="must be of -1, 0 and 1"):
        read_estimator(trees, "m")
    with pytest.raises(McugenError, match="this OutputCodeClassifier has no output 'proba'"):
        read_estimator(lines, "m", "proba")


def test_from_python_and_as_a_library() -> None:
    x, y = load_wine(return_X_y=True)
    model = RegressorChain(DecisionTreeRegressor(max_depth=3, random_state=0), order=[2, 0, 1]).fit(x, numbers(x, y))
    made = mcugen.compile(model, board="uno", name="three", data=x)
    np.testing.assert_allclose(made.predict(x), model.predict(x.astype(np.float32)), rtol=1e-6)
    assert made.fits
    assert all(proof.proven for proof in made.proofs)
    assert "int three_predict(const float x[13], float value[3]);" in made.files["src/three.h"]
    assert "#define THREE_VALUES 3" in made.files["src/three.h"]
    tested = run_on_host(made, x)
    assert tested is not None
    assert tested.vectors
    assert tested.wrong == 0


def test_means_among_several_values() -> None:
    """Rows on which the members of each mean cancel are made of the signs of all values."""
    x, y = load_wine(return_X_y=True)
    tree = DecisionTreeRegressor(max_depth=2, random_state=0)
    model = MultiOutputRegressor(VotingRegressor([("a", Ridge()), ("b", tree)])).fit(
        x, np.column_stack([y - 1, x[:, 0] - 13])
    )
    assert all(proof.proven for proof in mcugen.compile(model, board="uno", data=x).proofs)


def test_a_small_number_is_judged_in_its_own_units() -> None:
    """Beside values in the thousands those of a thousandth would be 0 in 8 bits, and no more off than a part of these."""
    x, y = load_diabetes(return_X_y=True)
    model = PLSRegression(2).fit(x, numbers(x, y))
    with pytest.raises(McugenError, match="rows are off by more than 1 % of the output's range with --numeric int8"):
        mcugen.compile(model, board="uno", numeric="int8", data=x)


def test_what_is_refused() -> None:
    x, y = load_diabetes(return_X_y=True)
    several = numbers(x, y)
    chain = RegressorChain(Ridge()).fit(x, several)
    again = read_model(skops.io.dumps(make_pipeline(chain))).estimator
    assert str(read_estimator(again, "m")) == str(read_estimator(make_pipeline(chain), "m"))
    inside = MultiOutputRegressor(Ridge()).fit(x, several)
    inside.estimators_[1] = LinearRegression().fit(x, several)
    vote = VotingRegressor([("a", Ridge())]).fit(x, y)
    vote.estimators_[0] = Ridge().fit(x, several)
    damaged = RegressorChain(Ridge()).fit(x, several)
    damaged.order_ = np.array([0, 0, 1])
    short = RegressorChain(Ridge()).fit(x, several)
    short.estimators_ = short.estimators_[::-1]
    for model, output, text in (
        (chain, "label", r"E0304.*no output 'label'"),
        (RegressorChain(Ridge()), None, r"E0106"),
        (inside, None, r"E0302.*LinearRegression gives several answers at once, where one is needed"),
        (vote, None, r"E0302.*several answers at once"),
        (damaged, None, r"E0107.*must name each of the 3 answers once"),
        (short, None, r"E0107.*n_features_in_"),
    ):
        with pytest.raises(McugenError) as caught:
            read_estimator(model, "m", output)
        first = caught.value.diagnostics[0]
        assert re.search(text, f"{first.code} {first.message} {first.loc}"), first
