"""Maps and sums of kernels, and Gaussian processes, on every row of data sets of scikit-learn; and what is refused of them."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import KernelPCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.kernel_approximation import Nystroem, RBFSampler, SkewedChi2Sampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_maps import prove_all

from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.diagnostics import McugenError
from mcugen.frontends import read
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator
from mcugen.verify import probe

warnings.filterwarnings("ignore")
X, Y = load_iris(return_X_y=True)
NOISE = WhiteKernel(0.1, "fixed")


def process(kernel: Any, **options: Any) -> Any:
    return GaussianProcessRegressor(kernel + NOISE, optimizer=None, **options)


def fitted() -> list[Any]:
    """One of each family."""
    x, y = X[::5], Y[::5] * 1.0
    return [
        RBFSampler(n_components=5, random_state=0).fit(x),
        SkewedChi2Sampler(n_components=5, random_state=0).fit(x),
        Nystroem(n_components=5, random_state=0).fit(x),
        KernelPCA(3, kernel="rbf").fit(x),
        KernelRidge(kernel="rbf").fit(x, y),
        process(2.0 * RBF([1.0, 2.0, 3.0, 4.0]) + DotProduct() ** 2, normalize_y=True).fit(x, y),
    ]


def code_of(model: Any) -> str:
    with pytest.raises(McugenError) as caught:
        read_estimator(model, "m")
    assert all(one.help for one in caught.value.diagnostics)
    return caught.value.diagnostics[0].code


def test_every_row() -> None:
    few = {"n_components": 6, "random_state": 0}
    maps = [
        RBFSampler(**few),
        SkewedChi2Sampler(**few),
        Nystroem("cosine", **few),
        make_pipeline(StandardScaler(), Nystroem("laplacian", **few)),
        make_pipeline(StandardScaler(), Nystroem("sigmoid", **few)),
        KernelPCA(3, kernel="poly"),
        KernelPCA(3),
    ]
    sums = [
        KernelRidge(),
        make_pipeline(StandardScaler(), KernelRidge(kernel="rbf")),
        process(ConstantKernel(2.0) * Matern(2.0, nu=0.5) + ConstantKernel(0.5)),
        make_pipeline(StandardScaler(), process(Matern([1.0, 2.0, 3.0, 4.0], nu=1.5), normalize_y=True)),
        process((RBF(3.0) + DotProduct()) * RBF(2.0) + RationalQuadratic(alpha=0.3)),
        process(DotProduct()),
    ]
    behind = [
        (make_pipeline(Nystroem(**few), RandomForestClassifier(3, random_state=0)), "label"),
        (make_pipeline(RBFSampler(**few), StandardScaler(), LogisticRegression()), "proba"),
    ]
    prove_all([*((one, "transform") for one in maps), *((one, "value") for one in sums), *behind], X[::2], Y[::2])


def test_far_off_and_many_features() -> None:
    """Features of 1e7 that vary by 1e4: distances are differences, and angles hundreds of turns."""
    few = {"n_components": 6, "random_state": 0}
    far = np.float32(X[::3] * 1e4 + 1e7).astype(np.float64)
    prove_all([(RBFSampler(**few), "transform"), (Nystroem(gamma=1e-8, **few), "transform")], far, Y[::3])
    digits = load_digits().data[::3]
    prove_all([(RBFSampler(**few), "transform"), (Nystroem(gamma=1e-3, **few), "transform")], digits, None)


def test_rows_that_are_made_have_logarithms() -> None:
    source = read(SkewedChi2Sampler(n_components=5, random_state=0).fit(load_digits().data[:50]), name="m")
    made = probe(lower(source, Target(load_board("host"))).module, 200)
    assert len(made) == 200
    assert source.reference.accepts(made).all()


def test_several_answers() -> None:
    """Each in its own units, with its own rounding."""
    y = np.c_[Y, X[:, 0] * 1e6]
    models = [KernelRidge(kernel="rbf"), process(RBF(3.0), normalize_y=True), process(DotProduct())]
    prove_all([(one, "value") for one in models], X[::3], y[::3])
    apart = np.c_[Y, Y * 1e9, X[:, 0] * 1e-9]
    prove_all([(KernelRidge(kernel="rbf"), "value")], X[::3], apart[::3])


def test_skops_files() -> None:
    for model in fitted():
        loaded = read_model(skops.io.dumps(model)).estimator
        assert str(read_estimator(loaded, "m")) == str(read_estimator(model, "m"))


def test_sums_that_rounding_decides_are_refused() -> None:
    x = np.linspace(0, 1, 40)[:, np.newaxis]
    assert code_of(KernelRidge(alpha=1e-12, kernel="rbf").fit(x, np.arange(40) % 7)) == "E0302"
    assert code_of(KernelRidge(kernel="poly", degree=30, gamma=1.0).fit(x * 100, x[:, 0])) == "E0302"


def test_kernels_that_are_refused() -> None:
    x = X[::5]
    for kernel in (lambda a, b: a @ b, "chi2", "additive_chi2"):
        assert code_of(Nystroem(kernel, n_components=5, random_state=0).fit(x)) == "E0302"
    assert code_of(Nystroem("poly", degree=2.5, n_components=5, random_state=0).fit(x)) == "E0302"
    for kernel in (Matern(nu=1.0), Matern(nu=0.7), RBF() ** 0.5, ExpSineSquared(), (RBF() + DotProduct()) ** 6):
        model = copy.deepcopy(fitted()[-1])
        model.kernel_ = kernel
        assert code_of(model) == "E0302", kernel


def test_damaged_models() -> None:
    arrays = {
        "RBFSampler": ("random_weights_", "random_offset_", "n_components"),
        "SkewedChi2Sampler": ("random_weights_", "random_offset_", "skewedness"),
        "Nystroem": ("components_", "normalization_", "kernel_params"),
        "KernelPCA": ("X_fit_", "eigenvectors_", "eigenvalues_", "_centerer"),
        "KernelRidge": ("X_fit_", "dual_coef_", "gamma"),
        "GaussianProcessRegressor": ("X_train_", "alpha_", "_y_train_mean", "_y_train_std"),
    }
    for model in fitted():
        name = type(model).__name__
        assert code_of(type(model)()) == "E0106"
        for attribute in arrays[name]:
            wrong = np.array(np.nan) if attribute.startswith("_y") else -np.ones((2, 2, 2))
            for value in ("x", None if attribute.startswith("_") else np.full(3, np.nan), wrong):
                damaged = copy.deepcopy(model)
                setattr(damaged, attribute, value)
                assert code_of(damaged) == "E0107", (name, attribute)


def test_damaged_kernels() -> None:
    for kernel, attribute in ((RBF(), "length_scale"), (RationalQuadratic(), "alpha"), (DotProduct(), "sigma_0")):
        for value in ("x", -1.0 if attribute != "sigma_0" else None, np.full(3, np.nan)):
            model = copy.deepcopy(fitted()[-1])
            setattr(kernel, attribute, value)
            model.kernel_ = kernel
            assert code_of(model) == "E0107", (kernel, attribute)
    model, deep = copy.deepcopy(fitted()[-1]), RBF() + RBF()
    deep.k1 = deep
    model.kernel_ = deep
    assert code_of(model) == "E0107"
