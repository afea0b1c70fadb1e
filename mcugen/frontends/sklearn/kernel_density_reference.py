"""scikit-learn's own kernel density estimates, and the rows on which they hang on where a kernel ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import KernelDensity

from mcugen.fixed import Floats
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import SklearnReference, single
from mcugen.ir import Array
from mcugen.ops.density import ENDLESS, DensityKernel

if TYPE_CHECKING:
    from mcugen.frontends.sklearn.kernel_density import Estimate

EVEN = 1e-12  # of a bandwidth: points that are nearer to a kernel's end may lie on either side
ROUNDED = 1e-13  # of the largest kernel: what float64 leaves of one
TOLD = 1e-9  # of a density: what a tree's bounds may leave in it for its logarithm to have its digits
AT_ONCE = 2_000_000  # distances


class AskedDensity(KernelDensity):  # type: ignore[misc]  # scikit-learn has no types
    """One that predicts what it scores, but for rows at which its tree's bounds leave nothing of that.

    scikit-learn begins with the bounds that the box around all points gives, and takes those of its tree's nodes off each other.
    Far from all points but inside the box, what rounding leaves of these is larger than the density: of 0 it makes some 1e-16,
    or it ends before it has come to the nearest points. There the kernels are added up one by one.
    """

    estimate_: Estimate

    def predict(self, rows: Array) -> Floats:
        """The logarithms of the density at rows (n, features), (n,)."""
        found = np.array(self.score_samples(rows), np.float64)
        exact, left = in_parts(self._one_by_one, self.estimate_, np.asarray(rows, np.float64))
        return np.where(left <= TOLD, found, exact)

    def _one_by_one(self, x: Floats, r: Floats) -> Floats:
        """The logarithms of the density at rows x (n, features), and which part of it a tree's bounds leave open, (2, n)."""
        e = self.estimate_
        outside = np.maximum(np.maximum(e.points.min(axis=0) - x, x - e.points.max(axis=0)), 0)
        box = np.sqrt(np.square(outside).sum(axis=1)) / e.bandwidth
        with np.errstate(all="ignore"):
            total = _log_sum(_log_kernels(e.kernel, r) + np.log(e.weights))
            bound = _log_kernels(e.kernel, box)
            left = ROUNDED * e.weights.sum() * (1 + np.abs(bound)) * np.exp(bound - total)
        return np.stack([e.constant + total, left])


class DensityReference(SklearnReference):
    """A fitted estimate that knows what float64 leaves of its kernels' ends."""

    def __init__(self, estimator: Any, head: Head, estimate: Estimate) -> None:
        super().__init__(estimator, head)
        self._estimate = estimate

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows that do not hang on whether any kernel reaches them at all."""
        return np.asarray(super().accepts(rows) & np.isfinite(self._open(rows)))

    def rounding(self, rows: Array) -> Floats:
        found = self._open(rows)
        return np.where(np.isfinite(found), found, 0.0)

    def _open(self, rows: Array) -> Floats:
        """What rounding may move a logarithm by; infinite where it decides whether the sum is 0."""
        finite = np.asarray(np.isfinite(single(rows)).all(axis=1))
        x = np.where(finite[:, None], np.asarray(rows, np.float64), 0.0)
        return in_parts(self._lost, self._estimate, x)

    def _lost(self, x: Floats, r: Floats) -> Floats:
        e = self._estimate
        if e.kernel in ENDLESS:
            least = r.min(axis=1)
            return np.asarray(ROUNDED * (abs(e.constant) + 1 + (least**2 / 2 if e.kernel == "gaussian" else least)))
        values = (r <= 1) * 1.0 if e.kernel == "tophat" else np.maximum(1 - r, 0)
        lost = (np.abs(r - 1) <= EVEN) * 1.0 if e.kernel == "tophat" else (r <= 1 + EVEN) * ROUNDED
        total, off = (values * e.weights).sum(axis=1), (lost * e.weights).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.where(off > 0, np.log1p(2 * off / np.maximum(total - off, 0)), 0.0)
        return np.asarray(ROUNDED * (abs(e.constant) + 1) + moved)


def in_parts(asked: Callable[[Floats, Floats], Floats], e: Estimate, x: Floats) -> Floats:
    """What is asked of rows (n, features) and their distances in bandwidths from all points, (…, n), some rows at a time."""
    from scipy.spatial.distance import cdist

    chunk = max(1, AT_ONCE // len(e.points))
    parts = [x[i : i + chunk] for i in range(0, max(len(x), 1), chunk)]
    return np.concatenate([asked(part, cdist(part, e.points) / e.bandwidth) for part in parts], axis=-1)


def _log_kernels(kernel: DensityKernel, r: Floats) -> Floats:
    """The logarithms of kernels at distances of r bandwidths."""
    if kernel in ENDLESS:
        return np.asarray(-np.square(r) / 2 if kernel == "gaussian" else -r)
    inside = {
        "tophat": np.ones_like(r),
        "epanechnikov": (1 - r) * (1 + r),
        "linear": 1 - r,
        "cosine": np.sin(
            (1 - r) * (np.pi / 2)
        ),  # the cosine of r pi / 2, whose rounding would be all that is left next to 1
    }[kernel]
    return np.where(r < 1, np.log(inside), -np.inf)


def _log_sum(logs: Floats) -> Floats:
    """The logarithms of sums (n,) of numbers whose logarithms (n, numbers) are given."""
    most = logs.max(axis=1)
    most[most == -np.inf] = 0.0
    return np.asarray(most + np.log(np.exp(logs - most[:, None]).sum(axis=1)))
