"""Sums of kernels of a row and points: `kernel_values`, products of these, and one op `linear` over them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.fixed import Floats
from mcugen.frontends import Output
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.coefficients import check_size, number_of
from mcugen.frontends.sklearn.head import too_large
from mcugen.frontends.sklearn.reference import SklearnReference, single
from mcugen.ir import Array, GraphBuilder
from mcugen.ops.affine import Affine
from mcugen.ops.concat import MOST, Concat
from mcugen.ops.kernel_values import OF_PRODUCTS, KernelValues
from mcugen.ops.linear import Linear
from mcugen.ops.multiply_pairs import MultiplyPairs
from mcugen.ops.normalize import Normalize
from mcugen.ops.svm.machine import Kernel
from mcugen.ops.svm.sums import MOST_VALUE

NAMES = ("rbf", "laplacian", "poly", "polynomial", "sigmoid", "linear", "cosine")
MOST_DEGREE = 32
MOST_COLUMNS = 60_000  # of the sums: an index has 16 bits
LOST = 2.0**-42  # of a kernel's value: what pairs of floats lose of it
KEPT = 2e-6  # of a sum: what may be lost
EPSILON = float(np.finfo(np.float64).eps)
APART = 16  # powers of two between the weights of sums: beyond, each sum is worked out in units of its own
ROWS = 200  # that say how much is lost


@dataclass(frozen=True, eq=False)
class Factor:
    """A kernel of rows, each feature divided by `over` (features,), and points (points, features), which are so already."""

    kernel: Kernel
    points: Floats
    over: Floats | None = None

    @property
    def key(self) -> tuple[Kernel, bytes, bytes]:
        """The same of factors that are the same."""
        return self.kernel, self.points.tobytes(), b"" if self.over is None else self.over.tobytes()

    def values(self, rows: Floats) -> Floats:
        """Of rows (n, features) in float64, (n, points)."""
        return _values(self.kernel, rows if self.over is None else rows / self.over, self.points)


@dataclass(frozen=True, eq=False)
class Term:
    """The product of some kernels of as many points each, times weights (sums, points)."""

    factors: tuple[Factor, ...]
    weights: Floats

    def values(self, rows: Floats) -> Floats:
        """The products (n, points) for rows (n, features)."""
        return np.asarray(np.prod([one.values(rows) for one in self.factors], axis=0))


@dataclass(frozen=True, eq=False)
class Sums:
    """Terms of sums of kernels, and what is added, (sums,)."""

    terms: tuple[Term, ...]
    bias: Floats

    def of(self, rows: Floats) -> tuple[Floats, Floats]:
        """The sums (n, sums) for rows (n, features), and what their terms add up to without their signs."""
        found, sizes = np.tile(self.bias, (len(rows), 1)), np.tile(np.abs(self.bias), (len(rows), 1))
        for term in self.terms:
            values = term.values(rows)
            found, sizes = found + values @ term.weights.T, sizes + np.abs(values) @ np.abs(term.weights).T
        return found, sizes

    def rows(self) -> Floats:
        """Some points, and rows half-way between two, (n, features)."""
        first = self.terms[0].factors[0]
        points = first.points if first.over is None else first.points * first.over
        one, other = (points[np.random.default_rng(i).integers(len(points), size=ROWS // 2)] for i in range(2))
        return np.concatenate([one, (one + other) / 2])


class SumsReference(SklearnReference):
    """One that knows what its float64 leaves of sums that cancel; `expanded`: distances are |x|² - 2 x·t + |t|²."""

    def __init__(self, estimator: object, head: object, sums: Sums | None, expanded: bool) -> None:
        super().__init__(estimator, head)  # type: ignore[arg-type]  # a Head
        self._sums, self._expanded = sums, expanded

    def rounding(self, rows: Array) -> Floats:
        """Of each row, (rows,), or of each of its sums, (rows, sums)."""
        if self._sums is None:
            return super().rounding(rows)
        x = np.where(self.accepts(rows)[:, None], single(rows), np.float32(0)).astype(np.float64)
        lost = np.full(len(x), 4.0 * x.shape[1])
        if self._expanded:
            factor = self._sums.terms[0].factors[0]
            squares = np.square(x).sum(axis=1) + np.square(factor.points).sum(axis=1).max()
            lost = lost + 8 * abs(factor.kernel.gamma) * squares
        with np.errstate(all="ignore"):
            found = np.nan_to_num(EPSILON * lost[:, np.newaxis] * self._sums.of(x)[1], posinf=np.inf)
        return np.asarray(found[:, 0] if found.shape[1] == 1 else found)


def pairwise(state: Mapping[str, object], features: int, loc: Loc) -> Kernel | str:
    """The kernel of scikit-learn's `pairwise_kernels` that an estimator names; "linear" and "cosine" are no functions of points."""
    name, held = state.get("kernel"), dict(state)
    if not isinstance(name, str) or name not in NAMES:
        help = f"fit with one of the kernels {', '.join(NAMES)}"
        raise error("E0302", f"the kernel {shown(name)} is not supported", help=help, loc=loc.within("kernel"))
    given = state.get("kernel_params")
    if given is not None and not (isinstance(given, dict) and all(isinstance(key, str) for key in given)):
        refuse([("kernel_params", f"must be a dictionary of names, not {shown(given)}")], loc)
    held.update({k: v for k, v in (given or {}).items() if k in ("gamma", "coef0", "degree") and held.get(k) is None})  # type: ignore[attr-defined]  # a dictionary
    if name in ("linear", "cosine"):
        return name
    gamma = _number(held, "gamma", 1 / features, loc)
    coef0, degree = _number(held, "coef0", 1.0, loc), _number(held, "degree", 3.0, loc)
    if name in ("rbf", "laplacian"):
        refuse([("gamma", f"must be 0 or more, not {gamma:.3g}")] * (gamma < 0), loc)
        return Kernel("rbf" if name == "rbf" else "laplacian", gamma)
    if name == "sigmoid":
        return Kernel("sigmoid", gamma, coef0)
    if degree != int(degree) or not 0 < degree <= MOST_DEGREE:
        text = f"a polynomial of degree {degree:g} is not supported"
        raise error("E0302", text, help=f"fit with a whole degree up to {MOST_DEGREE}", loc=loc.within("degree"))
    return Kernel("poly", gamma, coef0, int(degree))


def add_pairwise(
    builder: GraphBuilder,
    x: str,
    kernel: Kernel | str,
    points: Floats,
    weights: Floats,
    bias: Floats,
    output: Output,
    loc: Loc,
    maps: bool = False,
) -> tuple[str, ...]:
    """Sums of a kernel of the row and points (points, features) with weights (sums, points), and what is added, (sums,)."""
    if isinstance(kernel, Kernel):
        return add_sums(builder, x, Sums((Term((Factor(kernel, points),), weights),), bias), output, loc, maps)
    if kernel == "cosine":
        lengths = np.sqrt(np.square(points).sum(axis=1, keepdims=True))
        points = points / np.where(lengths > 0, lengths, 1.0)
        (x,) = builder.add(Normalize(points.shape[1], "l2"), x, loc=loc)
    found = weights @ points
    check_size(float(max(np.abs(found).max(), np.abs(bias).max())), "the sums' weights", loc)
    return builder.add(Linear(found, bias, output), x, loc=loc)


def add_sums(
    builder: GraphBuilder, x: str, sums: Sums, output: Output, loc: Loc, maps: bool = False
) -> tuple[str, ...]:
    """The nodes of sums; E0302 where pairs of floats lose what they add up to. maps: whether they are a transformer's."""
    check_sums(sums, loc, maps)
    columns = sum(2 * term.weights.shape[1] for term in sums.terms)
    if columns > MOST_COLUMNS:
        raise too_large(f"sums of {columns // 2:,} kernels; the generated C takes {MOST_COLUMNS // 2:,}", loc)
    known: dict[tuple[Kernel, bytes, bytes], str] = {}
    made = [_term(builder, x, term, known, loc) for term in sums.terms]
    (values,) = builder.add(Concat(), *made, loc=loc) if len(made) > 1 else made
    weights = np.concatenate([np.tile(term.weights, 2) for term in sums.terms], axis=1)
    power = np.frexp(np.abs(weights).max(axis=1))[1]
    if np.ptp(power) <= APART or len(power) > MOST:
        return builder.add(Linear(weights, sums.bias, output, delicate=True), values, loc=loc)
    each = [Linear(weights[i : i + 1], sums.bias[i : i + 1], "value", delicate=True) for i in range(len(power))]
    return builder.add(Concat(), *(builder.add(one, values, loc=loc)[0] for one in each), loc=loc)


def _term(builder: GraphBuilder, x: str, term: Term, known: dict[tuple[Kernel, bytes, bytes], str], loc: Loc) -> str:
    """The values of a term; each kernel is worked out once for all."""
    made = ""
    for factor in term.factors:
        values = known.get(factor.key) or _factor(builder, x, factor, loc)
        known[factor.key] = values
        made = builder.add(MultiplyPairs(len(factor.points)), made, values, loc=loc)[0] if made else values
    return made


def _factor(builder: GraphBuilder, x: str, factor: Factor, loc: Loc) -> str:
    if factor.over is not None:
        (x,) = builder.add(Affine(np.zeros(len(factor.over)), factor.over), x, loc=loc)
    (values,) = builder.add(KernelValues(factor.kernel, factor.points), x, loc=loc)
    return values


def check_sums(sums: Sums, loc: Loc, maps: bool = False) -> None:
    """E0302 where the kernels' values, or what is lost of them, is more than their sums have room for."""
    with np.errstate(all="ignore"):
        rows = single(sums.rows()).astype(np.float64)
        largest = max(float(np.abs(term.values(rows)).max()) for term in sums.terms)
        found, sizes = sums.of(rows)
    size = np.maximum(np.abs(found), min(1.0, float(np.abs(found).max())))
    if not largest <= MOST_VALUE:
        help = "scale the features first, as with `make_pipeline(StandardScaler(), ...)`, or fit with a smaller `gamma`"
        raise error("E0302", f"the kernels' values are as large as {largest:.3g}", help=help, loc=loc)
    lost = LOST * sizes / size
    if not (lost <= KEPT).all():
        worst = np.unravel_index(int(np.nan_to_num(lost, nan=np.inf).argmax()), lost.shape)
        text = f"its sums cancel: terms of {sizes[worst]:.3g} add up to {found[worst]:.3g}"
        less = "fewer `n_components`" if maps else "a larger `alpha`"  # what of it damps the smallest directions
        help = f"fit with {less}, or a kernel that falls more steeply: as it is, rounding decides what it says"
        raise error("E0302", text, help=help, loc=loc)


def _values(kernel: Kernel, rows: Floats, points: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    if kernel.name in OF_PRODUCTS:
        return kernel.of_product(kernel.gamma * np.asarray(rows @ points.T) + kernel.coef0)
    if kernel.name == "laplacian":
        return np.asarray(np.exp(-kernel.gamma * cdist(rows, points, "cityblock")))
    square = kernel.gamma * cdist(rows, points, "sqeuclidean")
    d = np.sqrt(square)
    return np.asarray(
        {
            "rbf": lambda: np.exp(-square),
            "squares": lambda: square,
            "matern1": lambda: np.exp(-d),
            "matern3": lambda: (1 + d) * np.exp(-d),
            "matern5": lambda: (1 + d + square / 3) * np.exp(-d),
            "rational": lambda: (1 + square) ** -kernel.power,
        }[kernel.name]()
    )


def _number(state: Mapping[str, object], name: str, other: float, loc: Loc) -> float:
    """An option that is a number, another one where it is None."""
    return other if state.get(name) is None else number_of(state, name, loc)
