"""Mutated kernel machines and neighbour searches: a diagnostic, or a module that answers as scikit-learn does.

libsvm and the search trees follow what they are given unchecked, so a hole in the checks would show as a crash of the test run.
"""

import copy
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets, neighbors, svm
from test_hostile import FUZZ, NUMBERS, OBJECTS

from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.sklearn import read_estimator, reference_of

X, Y = datasets.load_iris(return_X_y=True)
MODELS = [
    svm.SVC().fit(X, Y),
    svm.NuSVC(nu=0.1, kernel="poly", break_ties=True).fit(X, Y),
    svm.SVC(kernel="sigmoid", decision_function_shape="ovo").fit(X, Y > 0),
    svm.SVC(kernel="linear").fit(X, Y),
    svm.SVR().fit(X, Y),
    svm.OneClassSVM(nu=0.2).fit(X),
    neighbors.KNeighborsClassifier().fit(X, Y),
    neighbors.KNeighborsRegressor(3, weights="distance", metric="manhattan").fit(X, Y),
    neighbors.NearestCentroid().fit(X, Y),
]
ROWS = np.vstack([X[::15], X[:4] * 100, np.zeros((1, 4))]).astype(np.float32)


def judged(estimator):
    """Refused, or its graph gives scikit-learn's labels where they are no near ties, and its numbers."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            module = read_estimator(estimator, "m", None, Loc("model"))
            reference = reference_of(estimator)
            classes = reference._head.labels is not None
            wanted = reference.labels(ROWS) if classes else reference.numbers("value", ROWS)
            ties = reference.near_ties(ROWS)
        except McugenError:
            return False
        node = module.predict.nodes[-1]
        if node.op.name == "linear":  # the tests of its own family judge it
            return True
        found = np.array([node.op.evaluate(row)[0] for row in ROWS])
        if classes:
            assert np.array_equal(found[~ties], wanted[~ties])
        else:
            assert (np.abs(found - wanted) <= reference.rounding(ROWS) + 1e-5 * np.abs(wanted).max()).all()
        return True


@FUZZ
@given(st.sampled_from(MODELS), st.data())
def test_mutated_attributes(model, data):
    model = copy.copy(model)
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from(sorted(vars(model))))
        if data.draw(st.booleans()):
            vars(model)[name] = data.draw(OBJECTS)
        else:
            del vars(model)[name]
    judged(model)


@FUZZ
@given(st.sampled_from(MODELS), st.data())
def test_mutated_arrays(model, data):
    model = copy.copy(model)
    arrays = sorted(name for name, value in vars(model).items() if isinstance(value, np.ndarray) and value.size)
    name = data.draw(st.sampled_from(arrays))
    array = vars(model)[name].copy()
    kind = data.draw(st.sampled_from(["element", "element", "shorter", "deeper", "turned", "float32", "text", "empty"]))
    if kind == "element":
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = np.array(data.draw(NUMBERS)).astype(array.dtype)
        array.flat[data.draw(st.integers(0, array.size - 1))] = value
    changes = {
        "shorter": lambda: array[:-1],
        "deeper": lambda: array[np.newaxis],
        "turned": lambda: array.T,
        "float32": lambda: array.astype(np.float32),
        "text": lambda: array.astype(str),
        "empty": lambda: array[:0],
    }
    vars(model)[name] = changes.get(kind, lambda: array)()
    judged(model)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_what_is_not_mutated_passes(model):
    assert judged(model)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree", "auto"])
def test_rows_that_the_tree_does_not_hold(algorithm):
    model = neighbors.KNeighborsClassifier(algorithm=algorithm).fit(X, Y)
    assert read_estimator(model, "m", None, Loc("model"))
    model._fit_X = X + 1
    with pytest.raises(McugenError, match="other rows than the tree"):
        read_estimator(model, "m", None, Loc("model"))


@pytest.mark.parametrize(
    ("model", "name"),
    [(MODELS[0], "support_vectors_"), (MODELS[5], "_intercept_"), (MODELS[6], "_fit_X"), (MODELS[8], "centroids_")],
)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("kind", [np.asmatrix, np.ma.array])
def test_arrays_that_reckon_otherwise(model, name, kind):
    """A matrix multiplies with `*`, and a masked array leaves numbers out."""
    model = copy.copy(model)
    setattr(model, name, kind(getattr(model, name)))
    with pytest.raises(McugenError, match="must be a plain array"):
        read_estimator(model, "m", None, Loc("model"))
