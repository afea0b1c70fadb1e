"""Outliers and clusters told apart by distances and densities, and naive Bayes of categories, on every row of data sets of scikit-learn."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import skops.io
from one_library import library_of
from sklearn.cluster import BisectingKMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import SGDOneClassSVM
from sklearn.naive_bayes import CategoricalNB
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from test_maps import prove_all

from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.diagnostics import McugenError
from mcugen.frontends import read
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator
from mcugen.targets.host import compile_for_host
from mcugen.verify import prove

X, Y = load_iris(return_X_y=True)


def code_of(model: Any) -> str:
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m")
    assert all(one.help for one in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


def check_damage(model: Any, *names: str) -> None:
    """E0106 of the class itself, E0107 of the model with anything else in one of its attributes."""
    assert code_of(type(model)()) == "E0106"
    for name in names:
        for value in (None, "x", np.full(4, np.nan), np.ones((2, 2, 2))):
            damaged = copy.deepcopy(model)
            setattr(damaged, name, value)
            assert code_of(damaged) == "E0107", (name, value)


def check_skops(model: Any) -> None:
    loaded = read_model(skops.io.dumps(model)).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(model, "m"))


def test_outliers() -> None:
    x, y = (part[::4] for part in load_breast_cancer(return_X_y=True))
    found = [(EllipticEnvelope(random_state=0), "decision"), (SGDOneClassSVM(random_state=0), "decision")]
    prove_all([*found, (make_pipeline(StandardScaler(), SGDOneClassSVM(random_state=0)), "label")], x, y)
    thin = np.c_[X, X[:, :1], np.ones(len(X))]  # features that say nothing new, or nothing
    less = EllipticEnvelope(random_state=0, store_precision=False)
    prove_all([(less, "label"), (EllipticEnvelope(random_state=0), "decision")], X + 1e4, Y)
    prove_all([(less, "decision")], thin, Y)


def test_outliers_of_damaged_models() -> None:
    check_damage(SGDOneClassSVM(random_state=0).fit(X), "coef_", "offset_")
    ellipse = EllipticEnvelope(random_state=0).fit(X)
    check_damage(ellipse, "location_", "precision_", "offset_")
    for matrix in (-np.eye(4), np.zeros((4, 4)), np.triu(np.ones((4, 4)))):
        ellipse.precision_ = matrix
        assert code_of(ellipse) == "E0107"
    check_skops(EllipticEnvelope(random_state=0).fit(X))
    check_skops(SGDOneClassSVM(random_state=0).fit(X))


def test_local_outliers() -> None:
    x, y = load_wine(return_X_y=True)
    scaled = make_pipeline(StandardScaler(), LocalOutlierFactor(n_neighbors=5, contamination=0.1, novelty=True))
    prove_all([(LocalOutlierFactor(novelty=True), "decision"), (scaled, "label")], x[::2], y[::2])
    same = np.concatenate([X[:15]] * 3)  # distances of 0, and nothing but these among the neighbours
    few = [LocalOutlierFactor(n_neighbors=k, novelty=True) for k in (2, 5)]
    prove_all([(one, "decision") for one in few], np.float32(same * 4096 + 1e6).astype(np.float64), None)


def test_damaged_local_outliers() -> None:
    model = LocalOutlierFactor(novelty=True, algorithm="brute").fit(X)
    check_skops(model)
    check_damage(model, "_lrd", "_distances_fit_X_", "n_neighbors_", "offset_", "_fit_X")
    assert code_of(LocalOutlierFactor().fit(X)) == "E0302"
    assert code_of(LocalOutlierFactor(novelty=True, metric="manhattan").fit(X)) == "E0302"
    model.n_neighbors_ = 151
    assert code_of(model) == "E0107"
    model = LocalOutlierFactor(novelty=True, algorithm="kd_tree").fit(X)
    model._fit_X = X + 1  # of which its tree knows nothing
    assert code_of(model) == "E0107"


def test_densities() -> None:
    ends = ("tophat", "epanechnikov", "linear", "exponential")
    models = [KernelDensity(bandwidth=0.5, kernel=kernel) for kernel in ("gaussian", *ends)]
    behind = [
        make_pipeline(StandardScaler(), KernelDensity(bandwidth="scott")),
        make_pipeline(TruncatedSVD(2, random_state=0), KernelDensity(bandwidth=0.3)),
    ]
    prove_all([(one, "value") for one in (*models, *behind, Weighted(bandwidth=0.6))], X[::2], Y[::2])


def test_densities_smaller_than_what_the_bounds_of_a_tree_leave() -> None:
    """scikit-learn makes some 1e-16 of 0 there, or ends before it has come to the nearest points; what counts is the sum itself."""
    wine = load_wine().data
    rng = np.random.default_rng(0)
    far = rng.permuted(wine, axis=0).astype(np.float32)  # in the box around all rows, and near none
    models = [KernelDensity(bandwidth=5, kernel=kernel).fit(wine) for kernel in ("tophat", "epanechnikov", "linear")]
    models.append(KernelDensity().fit(wine))
    models.append(make_pipeline(StandardScaler(), KernelDensity(bandwidth=0.5, kernel="cosine")).fit(wine))
    sources = [read(model, name=f"m{i}") for i, model in enumerate(models)]
    made = [lower(source, Target(load_board("mega2560"), numeric="float32")) for source in sources]
    library = library_of([one.unit for one in made], ("-std=c99", "-O0"))
    for i, (source, one) in enumerate(zip(sources, made, strict=True)):
        proof = prove(one.module, source.reference, far, lambda x, i=i: library.run(x, i), on="host", source="rows")
        assert proof.wrong == 0, f"{proof} {proof.worst}"
        assert proof.refused == proof.blurred == 0, str(proof)
    (found,) = library.run([far], 3)
    logs = -((far[:, None].astype(np.longdouble) - wine) ** 2).sum(axis=2) / 2
    wanted = np.log(np.exp(logs).mean(axis=1)) - 13 / 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(found, wanted.astype(float), rtol=1e-6)
    assert np.abs(models[3].score_samples(far) - wanted).max() > 1, "rows that scikit-learn answers as well say nothing"


class Weighted(KernelDensity):
    """One of rows with weights, some of them 0."""

    def fit(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        return super().fit(x, sample_weight=np.arange(len(x)) % 3)


def test_the_cosine_kernel() -> None:
    """Of as many features as scikit-learn knows its volume in."""
    prove_all([(KernelDensity(bandwidth=0.3, kernel="cosine"), "value")], X[::2, :2], None)
    assert code_of(KernelDensity(kernel="cosine").fit(X)) == "E0302"


def test_rows_far_from_all_points_have_finite_logarithms() -> None:
    source = read(KernelDensity(bandwidth=0.01).fit(X), name="m")
    made = lower(source, Target(load_board("mega2560"), numeric="float32"))
    (found,) = compile_for_host([made.unit], ("-std=c99", "-O0")).run([X.astype(np.float32) + 1e6])
    np.testing.assert_allclose(found, -4 * 1e12 / 2 / 1e-4, rtol=1e-4)


def test_damaged_densities() -> None:
    model = KernelDensity().fit(X)
    assert code_of(KernelDensity()) == "E0106"
    for name in ("tree_", "bandwidth_", "kernel", "rtol"):
        for value in (None, "x", np.full(4, np.nan)):
            damaged = copy.deepcopy(model)
            setattr(damaged, name, value)
            assert code_of(damaged) == "E0107", (name, value)
    assert code_of(KernelDensity(rtol=0.1).fit(X)) == "E0302"
    assert code_of(KernelDensity(metric="manhattan").fit(X)) == "E0302"
    model.bandwidth_ = -1.0
    assert code_of(model) == "E0107"
    with pytest.raises(McugenError, match="KernelDensity always has one") as caught:
        read_model(skops.io.dumps(KernelDensity().fit(X)))
    assert caught.value.diagnostics[0].code == "E0105"


def test_bisecting() -> None:
    models = [(BisectingKMeans(k, random_state=0), "label") for k in (2, 7)]
    x, y = load_wine(return_X_y=True)
    scaled = make_pipeline(StandardScaler(), BisectingKMeans(5, random_state=0, bisecting_strategy="largest_cluster"))
    prove_all([*models, (BisectingKMeans(3, random_state=0), "transform"), (scaled, "label")], x, y)
    prove_all(models, (X + 1e4).astype(np.float32), Y)


def test_damaged_trees_of_clusters() -> None:
    model = BisectingKMeans(3, random_state=0).fit(X)
    check_skops(model)
    assert code_of(BisectingKMeans(3)) == "E0106"
    for name in ("_bisecting_tree", "_X_mean", "cluster_centers_", "_n_threads"):
        for value in (None, "x", np.full(4, np.nan)):
            damaged = copy.deepcopy(model)
            setattr(damaged, name, value)
            with pytest.raises(McugenError) as caught:
                read_estimator(damaged, "m", "label")
            assert caught.value.diagnostics[0].code == "E0107", name
    for break_it in (
        lambda tree: setattr(tree, "left", None),
        lambda tree: setattr(tree, "left", tree),
        lambda tree: setattr(tree.left, "center", np.zeros(3)),
        lambda tree: [setattr(one, "label", 0) for one in tree.iter_leaves()],
        lambda tree: [setattr(one, "label", "x") for one in tree.iter_leaves()],
    ):
        damaged = copy.deepcopy(model)
        break_it(damaged._bisecting_tree)
        assert code_of(damaged) == "E0107"


def test_categories() -> None:
    binned = make_pipeline(KBinsDiscretizer(4, encode="ordinal"), CategoricalNB(min_categories=4))
    prove_all([(CategoricalNB(min_categories=9), "proba"), (binned, "label")], X, Y)  # cut to whole numbers
    digits, y = load_digits(return_X_y=True)
    two = y < 2
    prove_all([(CategoricalNB(min_categories=17), "proba")], digits[two][:, :12], y[two])


def test_damaged_categories() -> None:
    model = CategoricalNB(min_categories=9).fit(X, Y)
    check_skops(model)
    check_damage(model, "feature_log_prob_", "class_log_prior_")
    model.feature_log_prob_[1] = np.full((3, 9), -np.inf)
    assert code_of(model) == "E0302"
    model.feature_log_prob_[1] = np.zeros((2, 9))
    assert code_of(model) == "E0107"
    assert code_of(CategoricalNB().fit(X, np.ones(150))) == "E0302"
