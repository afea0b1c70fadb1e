"""The matrix: data sets, models, and the rows on which an answer counts."""

from __future__ import annotations

import copy
import hashlib
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]
DATA = ("iris", "wine", "breast_cancer", "digits")
CLOSE = 1e-6  # relative: where the two best scores lie nearer, either answer is right


@dataclass(frozen=True)
class Kind:
    """A line of the matrix: the family it counts to, how it is made for rows with d features, and whether they are standardised."""

    family: str
    make: Callable[[int], Any]
    standardised: bool = False


def _kinds() -> Mapping[str, Kind]:
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    return {
        "tree": Kind("decision tree", lambda d: DecisionTreeClassifier(random_state=0)),
        "forest10": Kind("forests", lambda d: RandomForestClassifier(10, random_state=0)),
        "forest100": Kind("forests", lambda d: RandomForestClassifier(100, random_state=0)),
        "extra10": Kind("forests", lambda d: ExtraTreesClassifier(10, random_state=0)),
        "boosting": Kind(
            "boosting", lambda d: GradientBoostingClassifier(n_estimators=20, max_depth=3, random_state=0)
        ),
        # A linear kernel has no gamma, but micromlgen wants a number.
        "svc_linear": Kind("linear SVM", lambda d: SVC(kernel="linear", gamma=1 / d), True),
        "svc_rbf": Kind("RBF SVM", lambda d: SVC(gamma=1 / d), True),
        "logistic": Kind("logistic", lambda d: LogisticRegression(max_iter=1000), True),
        "bayes": Kind("naive Bayes", lambda d: GaussianNB()),
        "mlp": Kind("MLP", lambda d: MLPClassifier((32,), max_iter=1000, random_state=0), True),
        "knn": Kind("kNN", lambda d: KNeighborsClassifier(3), True),
    }


def _boosters() -> Mapping[str, Kind]:
    """Of libraries that may not be installed: a class to itself, beside the matrix."""
    from lightgbm import LGBMClassifier
    from xgboost import XGBClassifier

    return {
        "xgboost": Kind("XGBoost", lambda d: XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1)),
        "lightgbm": Kind("LightGBM", lambda d: LGBMClassifier(n_estimators=100, max_depth=6, n_jobs=1, verbose=-1)),
    }


@cache
def kinds() -> Mapping[str, Kind]:
    """The models by their names; imports scikit-learn, XGBoost and LightGBM."""
    return {**_kinds(), **_boosters()}


MODELS = (
    *("tree", "forest10", "forest100", "extra10", "boosting"),
    *("svc_linear", "svc_rbf", "logistic", "bayes", "mlp", "knn"),
)
BOOSTERS = {"xgboost": ("breast_cancer", "digits"), "lightgbm": ("breast_cancer", "digits")}  # and their data


@dataclass(frozen=True, eq=False)
class Case:
    """A fitted model with its rows: all float32, or integers where the caller quantised them (input)."""

    model: str
    data: str
    family: str
    fitted: Any
    train: Rows
    test: Rows
    input: str = "float"

    @cached_property
    def expected(self) -> Labels:
        """The class's index that scikit-learn predicts for each test row."""
        predicted = self.fitted.predict(self.test.astype(np.float32))
        return np.asarray(np.searchsorted(self.fitted.classes_, predicted), np.int64)

    @cached_property
    def close(self) -> npt.NDArray[np.bool_]:
        """The test rows whose two best scores are as good as equal."""
        return np.asarray(gaps(self.fitted, self.test.astype(np.float32)) <= CLOSE, np.bool_)

    @cached_property
    def pickled(self) -> bytes:
        """What a peer's process reads."""
        return pickle.dumps((self.fitted, self.train))

    @cached_property
    def fingerprint(self) -> str:
        """Which model and rows these are: same fingerprint, same answers."""
        parts = (self.train.tobytes(), self.test.tobytes(), self.expected.tobytes(), repr(self.fitted).encode())
        return hashlib.sha256(b"".join(parts)).hexdigest()


def gaps(model: Any, rows: Rows) -> npt.NDArray[np.float64]:
    """How far the best score lies before the second one, relative to the best."""
    if hasattr(model, "n_support_"):  # pairs of classes vote: a pair that is near 0 may go either way
        by_pairs = copy.copy(model)
        by_pairs.decision_function_shape = "ovo"
        pairs = np.abs(by_pairs.decision_function(rows).reshape(len(rows), -1))
        return np.asarray(pairs.min(axis=1) / pairs.max())
    if hasattr(model, "kneighbors"):  # which row is the last neighbour
        near = model.kneighbors(rows, model.n_neighbors + 1)[0]
        return np.asarray((near[:, -1] - near[:, -2]) / np.maximum(near[:, -1], np.finfo(float).tiny))
    scores = np.sort(model.predict_proba(rows).astype(np.float64), axis=1)
    return np.asarray((scores[:, -1] - scores[:, -2]) / scores[:, -1])


@cache
def split(data: str) -> tuple[Rows, Rows, Labels]:
    """Training rows, test rows, training labels: stratified 70/30, random_state 0, float32."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    rows, labels = getattr(datasets, f"load_{data}")(return_X_y=True)
    parts = train_test_split(rows.astype(np.float32), labels, test_size=0.3, stratify=labels, random_state=0)
    return parts[0], parts[1], parts[2]


@cache
def case(model: str, data: str) -> Case:
    """A cell of the matrix. Rows are standardised outside of the model, by what the training rows have."""
    from sklearn.preprocessing import StandardScaler

    kind = kinds()[model]
    train, test, labels = split(data)
    if kind.standardised:
        scaler = StandardScaler().fit(train)
        train, test = (scaler.transform(rows).astype(np.float32) for rows in (train, test))
    return Case(model, data, kind.family, _fitted(kind, train, labels), train, test)


@cache
def quantised(model: str, data: str) -> Case:
    """The same on features that the caller holds as integers: scaled to 0..255 by the training rows, rounded."""
    kind = kinds()[model]
    train, test, labels = split(data)
    low, span = train.min(axis=0), np.ptp(train, axis=0)
    span = np.where(span > 0, span, 1)
    train, test = (np.clip(np.round((rows - low) / span * 255), 0, 255).astype(np.uint8) for rows in (train, test))
    fitted = _fitted(kind, train.astype(np.float32), labels)
    return Case(model, data, kind.family, fitted, train, test, input="uint8_t")


def _fitted(kind: Kind, rows: Rows, labels: Labels) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network that is not quite trained compiles as well
        return kind.make(rows.shape[1]).fit(rows, labels)
