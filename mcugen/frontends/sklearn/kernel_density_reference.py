"""scikit-learn's own kernel density estimates, and the rows on which they hang on where a kernel ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import KernelDensity

from mcugen.fixed import Floats
from mcugen.frontends.sklearn.head import Head
from mcugen.frontends.sklearn.reference import SklearnReference, single
from mcugen.ir import Array
from mcugen.ops.density import ENDLESS

if TYPE_CHECKING:
    from mcugen.frontends.sklearn.kernel_density import Estimate

EVEN = 1e-12  # of a bandwidth: points that are nearer to a kernel's end may lie on either side
ROUNDED = 1e-13  # of the largest kernel: what float64 leaves of one
AT_ONCE = 2_000_000  # distances


class AskedDensity(KernelDensity):  # type: ignore[misc]  # scikit-learn has no types
    """One that predicts what it scores."""

    def predict(self, rows: Array) -> Floats:
        """The logarithms of the density at rows (n, features), (n,)."""
        return np.asarray(self.score_samples(rows), np.float64)


class DensityReference(SklearnReference):
    """A fitted estimate that knows what its float64 leaves of its kernels' ends."""

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
        x = np.where(finite[:, None], single(rows), np.float32(0)).astype(np.float64)
        chunk = max(1, AT_ONCE // len(self._estimate.points))
        return np.concatenate([self._lost(x[i : i + chunk]) for i in range(0, max(len(x), 1), chunk)])

    def _lost(self, x: Floats) -> Floats:
        """scikit-learn takes bounds of its tree's nodes off each other, the largest of which is that of the box around all points."""
        from scipy.spatial.distance import cdist

        e = self._estimate
        r = cdist(x, e.points) / e.bandwidth
        outside = np.maximum(np.maximum(e.points.min(axis=0) - x, x - e.points.max(axis=0)), 0)
        box = np.sqrt(np.square(outside).sum(axis=1)) / e.bandwidth
        if e.kernel in ENDLESS:
            least, bound = (one**2 / 2 if e.kernel == "gaussian" else one for one in (r.min(axis=1), box))
            with np.errstate(over="ignore"):
                noise = np.log1p(ROUNDED * e.weights.sum() / e.weights.min() * np.exp(least - bound))
            return np.asarray(ROUNDED * (abs(e.constant) + 1 + least) + noise)
        values = (r <= 1) * 1.0 if e.kernel == "tophat" else np.maximum(1 - r, 0)
        lost = (np.abs(r - 1) <= EVEN) * 1.0 if e.kernel == "tophat" else (r <= 1 + EVEN) * ROUNDED
        total, off = (values * e.weights).sum(axis=1), (lost * e.weights).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.where(off > 0, np.log1p(2 * off / np.maximum(total - off, 0)), 0.0)
        return np.asarray(ROUNDED * (abs(e.constant) + 1) + moved)
