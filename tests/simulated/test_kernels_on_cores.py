"""Kernels, densities, outliers and clusters on an AVR and a Cortex-M4F: scikit-learn's labels, and its numbers within 1e-5."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.cluster import BisectingKMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_iris
from sklearn.decomposition import KernelPCA
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, DotProduct, Matern, RationalQuadratic, WhiteKernel
from sklearn.kernel_approximation import Nystroem, RBFSampler, SkewedChi2Sampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import SGDOneClassSVM
from sklearn.mixture import BayesianGaussianMixture
from sklearn.naive_bayes import CategoricalNB
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mcugen.boards import Target, load_board
from mcugen.compile import lower
from mcugen.frontends import read
from mcugen.targets import toolchain_for
from mcugen.verify import prove

BOARDS = {"mega2560": ("avr-gcc", "simavr"), "feather_nrf52840": ("arm-none-eabi-gcc", "qemu-system-arm")}
FEW = {"n_components": 4, "random_state": 0}
KERNEL = RationalQuadratic(2.0, 0.7) + Matern([1.0, 2.0, 3.0, 4.0], nu=2.5) * DotProduct() + RBF(2.0) + WhiteKernel()
MODELS = (
    (RBFSampler(**FEW), "transform"),
    (SkewedChi2Sampler(**FEW), "transform"),
    (Nystroem("laplacian", **FEW), "transform"),
    (KernelPCA(3, kernel="sigmoid", gamma=0.01), "transform"),
    (make_pipeline(StandardScaler(), KernelRidge(kernel="rbf")), "value"),
    (GaussianProcessRegressor(KERNEL, optimizer=None, normalize_y=True), "value"),
    (BayesianGaussianMixture(**FEW), "proba"),
    (EllipticEnvelope(random_state=0), "decision"),
    (SGDOneClassSVM(random_state=0), "decision"),
    (LocalOutlierFactor(5, novelty=True), "decision"),
    (KernelDensity(bandwidth=0.5), "value"),
    (KernelDensity(bandwidth=1.0, kernel="linear"), "value"),
    (BisectingKMeans(5, random_state=0), "label"),
    (CategoricalNB(min_categories=9), "proba"),
)


@pytest.mark.long
@pytest.mark.parametrize("board", BOARDS)
def test_cores_give_scikit_learns_answers(board: str, require: Any) -> None:
    require(*BOARDS[board], "python:elftools")
    target = Target(load_board(board), numeric="float32")
    x, y = load_iris(return_X_y=True)
    sources = [
        read(model.fit(x[::10], y[::10]), name=f"m{i}", output=output) for i, (model, output) in enumerate(MODELS)
    ]
    units, rows = [lower(source, target).unit for source in sources], x[3::40].astype("float32")
    runs = toolchain_for(target.board).run_rows(units, [[rows]] * len(units), target.board)
    for source, unit, run in zip(sources, units, runs, strict=True):
        proof = prove(
            unit.module, source.reference, rows, lambda _, run=run: run.outputs, on="simulator", source="rows"
        )
        assert proof.wrong == 0, f"{source.loc} {unit.module.name}: {proof} {proof.worst}"
        assert proof.rows + proof.near_ties == len(rows)
