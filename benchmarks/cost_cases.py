"""The models that the cost of ops is measured on: for each op estimators of several sizes, outputs and kinds, with rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import cycle
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, OneClassSVM

from benchmarks.cost_model import data

Model = tuple[str, Any, Any, tuple[str, ...]]  # what it is, the fitted estimator, rows, outputs
Made = Callable[[], Any]


def sets(*, most: int = 400) -> Iterator[tuple[str, Any, Any, bool]]:
    """Data sets: a name, rows, answers, whether these are classes. Small ones of 2 to 12 features come on top."""
    for name, x, y in data():
        if name != "made_wide":
            yield name, x[:most].astype(np.float32), y[:most], name not in ("diabetes", "made_regression")
    for i, (features, classes) in enumerate(
        ((2, 2), (3, 3), (5, 2), (6, 4), (7, 3), (8, 2), (11, 6), (16, 10), (27, 3))
    ):
        x, y = make_classification(
            most, features, n_informative=features, n_redundant=0, n_classes=classes, n_clusters_per_class=1,
            random_state=50 + i,
        )  # fmt: skip
        yield f"small_{features}x{classes}", x.astype(np.float32), y, True
    for features in (3, 8, 27):
        x, y = make_regression(most, features, noise=5, random_state=features)
        yield f"numbers_{features}", x.astype(np.float32), y, False


def fitted(what: str, model: Any, x: Any, y: Any, outputs: tuple[str, ...]) -> Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return what, model.fit(x, y), x, outputs


def linear() -> Iterator[Model]:
    """Each data set with some of the linear models, in turn; every third scaled."""
    of_classes: list[tuple[Made, tuple[str, ...]]] = [
        (lambda: LogisticRegression(max_iter=300), ("label", "proba", "decision")),
        (lambda: SGDClassifier(loss="log_loss", random_state=0), ("label", "proba")),
        (lambda: SGDClassifier(loss="modified_huber", random_state=0), ("label", "proba")),
        (lambda: RidgeClassifier(), ("label", "decision")),
        (lambda: SVC(kernel="linear"), ("label", "decision")),
        (lambda: SVC(kernel="linear", break_ties=True), ("label",)),
        (lambda: SVC(kernel="linear", decision_function_shape="ovo"), ("decision",)),
    ]
    of_numbers: list[tuple[Made, tuple[str, ...]]] = [
        (lambda: LinearRegression(), ("value",)),
        (lambda: Ridge(alpha=10, fit_intercept=False), ("value",)),
    ]
    kinds = cycle(of_classes)
    for number, (name, x, y, classes) in enumerate(sets()):
        for made, outputs in [next(kinds) for _ in range(3)] if classes else of_numbers:
            model = make_pipeline(StandardScaler(), made()) if number % 3 == 0 else made()
            yield fitted(f"{name} {made()}", model, x, y, outputs)
        if x.shape[1] > 3:
            yield fitted(f"{name} PCA", PCA(1 + number % 4), x, y, ("transform",))


def mlp() -> Iterator[Model]:
    layers = cycle([(4,), (10,), (16, 8), (30,), (8, 8, 8), (12,), (20, 10)])
    for number, (name, x, y, classes) in enumerate(sets()):
        rows = StandardScaler().fit_transform(x).astype(np.float32) if number % 3 else x
        for hidden in [next(layers) for _ in range(2 if classes else 4)]:
            options = {"hidden_layer_sizes": hidden, "max_iter": 30, "random_state": 0}
            made = MLPClassifier(**options) if classes else MLPRegressor(**options)
            outputs = (("label", "proba")[len(hidden) % 2],) if classes else ("value",)
            yield fitted(f"{name} {hidden}", made, rows, y, outputs)


def svm() -> Iterator[Model]:
    kernels = cycle(
        [
            {"kernel": "rbf"},
            {"kernel": "rbf", "gamma": 0.05},
            {"kernel": "poly", "degree": 2},
            {"kernel": "sigmoid", "gamma": 0.05},
            {"kernel": "poly"},
        ]
    )
    answers = cycle([{}, {"probability": True}, {"break_ties": True}, {"decision_function_shape": "ovo"}])
    for name, x, y, classes in sets(most=150):
        x = StandardScaler().fit_transform(x).astype(np.float32)
        for _ in range(2):
            kernel, answer = next(kernels), next(answers)
            if not classes:
                yield fitted(f"{name} {kernel}", SVR(**kernel, C=np.ptp(y)), x, y, ("value",))
                continue
            outputs = (
                ("label", "proba")
                if "probability" in answer
                else ("decision",)
                if "decision_function_shape" in answer
                else ("label", "decision")
            )
            yield fitted(f"{name} {kernel} {answer}", SVC(**kernel, **answer, random_state=0), x, y, outputs)
        if classes and len(np.unique(y)) == 2 and "small" in name:
            for kernel in ("rbf", "poly"):
                yield fitted(
                    f"{name} {kernel} proba", SVC(kernel=kernel, probability=True, random_state=0), x, y, ("proba",)
                )
        few = np.round(3 * x) / 3  # levels
        made = SVC(gamma=0.5 / x.shape[1]) if classes else SVR(C=np.ptp(y))
        yield fitted(f"{name} few levels", made, few, y, ("decision" if classes else "value",))
        if classes and x.shape[1] < 25:  # most vectors are too far away to count
            yield fitted(f"{name} near", SVC(gamma=8 / x.shape[1]), x, y, ("label",))
        if x.shape[1] < 12:
            yield fitted(f"{name} outliers", OneClassSVM(nu=0.2), x, y, ("label", "decision"))


def knn() -> Iterator[Model]:
    kinds = cycle(
        [
            {"n_neighbors": 1},
            {"n_neighbors": 5},
            {"n_neighbors": 3, "weights": "distance"},
            {"n_neighbors": 7, "metric": "manhattan"},
            {"n_neighbors": 4, "metric": "chebyshev", "weights": "distance"},
            {"n_neighbors": 15},
            {"n_neighbors": 6, "metric": "manhattan", "weights": "distance"},
        ]
    )
    for number, (name, x, y, classes) in enumerate(sets(most=2_000)):
        some = np.random.default_rng(number).permutation(len(x))[:300]  # whose classes are mixed
        x, y = x[some], y[some]
        rows = StandardScaler().fit_transform(x).astype(np.float32) if number % 3 else x
        part = min((60, 200)[number % 2], len(x) // 2)
        for kind in (next(kinds), next(kinds)):
            made = KNeighborsClassifier(**kind) if classes else KNeighborsRegressor(**kind)
            outputs = ("label", "proba") if classes else ("value",)
            what, model, _, _ = fitted(f"{name} of {part} {kind}", made, rows[:part], y[:part], outputs)
            yield what, model, rows[part:], outputs
        few = np.round((x - x.mean(axis=0)) / x.std(axis=0).clip(1e-9) * 2).astype(np.float32)  # levels
        what, model, _, _ = fitted(f"{name} of {part} few levels {kind}", clone(made), few[:part], y[:part], outputs)
        yield what, model, few[part:], outputs[:1]
        if number % 3:  # through a scaler
            behind = make_pipeline(StandardScaler(), clone(made)).fit(x[:part], y[:part])
            yield f"{name} of {part} scaled {kind}", behind, x[part:], outputs[:1]


FAR = "far apart"  # a model that narrow integers tell nothing of: they are not measured


def gaussian_nb() -> Iterator[Model]:
    for number, (name, x, y, classes) in enumerate(sets()):
        if classes:
            rows = StandardScaler().fit_transform(x).astype(np.float32) if number % 2 else x
            made = GaussianNB(var_smoothing=0.05) if number % 3 == 0 else GaussianNB()
            model = fitted(name, made, rows, y, ("label", "proba"))
            yield model
            if number % 3 == 0:  # integers of 64 bits
                apart = deepcopy(made)
                apart.var_[0, 0] *= 1e-17
                yield f"{name} {FAR}", apart, *model[2:]


def quadratic() -> Iterator[Model]:
    for number, (name, x, y, classes) in enumerate(sets()):
        if classes and x.shape[1] < 40:
            made = QuadraticDiscriminantAnalysis(reg_param=0.1 * (1 + number % 3))
            rows = StandardScaler().fit_transform(x).astype(np.float32) if number % 2 else x
            yield fitted(name, made, rows, y, ("label", "proba", "decision"))


MODELS: dict[str, Callable[[], Iterator[Model]]] = {
    "linear": linear,
    "mlp": mlp,
    "svm": svm,
    "knn": knn,
    "gaussian_nb": gaussian_nb,
    "quadratic": quadratic,
}
