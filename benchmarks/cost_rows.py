"""Ops that go through a row once, to be measured: hand-made ones of several sizes, each with its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, get_args

import numpy as np
from sklearn.preprocessing import SplineTransformer

from mcugen.curves import Curve
from mcugen.frontends import read
from mcugen.op import Op
from mcugen.ops.add import Add
from mcugen.ops.affine import Affine
from mcugen.ops.average import Average
from mcugen.ops.binarize import Binarize
from mcugen.ops.cast import Cast
from mcugen.ops.choose import Choose
from mcugen.ops.concat import Concat
from mcugen.ops.cosines import Cosines
from mcugen.ops.density import Density, DensityKernel
from mcugen.ops.distances import Distances
from mcugen.ops.gather import Gather
from mcugen.ops.impute import Impute
from mcugen.ops.interpolate import Interpolate
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.leaf_sums import LeafSums
from mcugen.ops.lookup import Lookup
from mcugen.ops.missing import Missing
from mcugen.ops.multiply_pairs import MultiplyPairs
from mcugen.ops.normalize import Normalize
from mcugen.ops.one_hot import OneHot
from mcugen.ops.one_vs_one import OneVsOne
from mcugen.ops.one_vs_rest import OneVsRest
from mcugen.ops.outlier_factor import OutlierFactor
from mcugen.ops.polynomial import Polynomial
from mcugen.ops.power import Power
from mcugen.ops.ranks import Ranks
from mcugen.ops.relu import Relu
from mcugen.ops.sigmoid import Sigmoid
from mcugen.ops.softmax_pairs import SoftmaxPairs
from mcugen.ops.svm.machine import Kernel
from mcugen.ops.tanh import Tanh
from mcugen.ops.vote import Vote
from mcugen.pairs import pair_of

ROWS = 30
SIZES = (2, 3, 5, 8, 13, 20, 30, 64, 100)
LONG = (*SIZES, 300, 500)
CLASSES = (2, 3, 4, 6, 10)

Made = tuple[Op, list[Any]]  # an op and its inputs, (rows, *its shape) each


def affine() -> Iterator[Made]:
    rng = np.random.default_rng(1)
    for n, kind in product(LONG, range(6)):
        minus, over = rng.normal(size=n), rng.uniform(0.5, 3, n)
        minus = np.zeros(n) if kind == 0 else np.full(n, 0.3) if kind == 1 else minus * 1e4 if kind == 2 else minus
        over = np.ones(n) if kind == 3 else np.full(n, 1.7) if kind == 4 else over
        limits = {"low": -1.0, "high": 1.0} if kind == 5 else {}
        yield Affine(minus, over, **limits), [rows(n)]
    for n in SIZES:
        yield Affine(rng.normal(size=n) * 1e4, rng.uniform(0.5, 3, n), pairs=True), [rows(n)]
        yield Affine(rng.normal(size=n) * 1e4, rng.uniform(0.5, 3, n), of_pairs=True), [rows(2 * n)]


def polynomial() -> Iterator[Made]:
    for n, degree, only in (
        *product((2, 3, 4, 6, 9), (1, 2, 3), (False, True)),
        *product((20, 24, 30, 40), (2,), (False, True)),
    ):
        if only <= (n > 2):
            yield Polynomial(n, degree, only), [rows(n)]
            if degree > 1:
                yield Polynomial(n, degree, only, pairs=True), [rows(n)]
                yield Polynomial(n, degree, only, pairs=True, of_pairs=True), [rows(2 * n)]


def kernel_values() -> Iterator[Made]:
    rng = np.random.default_rng(6)
    kernels = [
        Kernel("rbf", 0.3),
        Kernel("poly", 0.3, 0.5, 3),
        Kernel("sigmoid", 0.3, 0.5),
        Kernel("laplacian", 0.3),
        Kernel("squares", 0.3),
        *(Kernel(name, 0.3) for name in ("matern1", "matern3", "matern5")),  # type: ignore[arg-type]  # names of kernels
        Kernel("rational", 0.3, power=1.7),
    ]
    for vectors, n, kernel in product((2, 5, 12), (2, 4, 13), kernels):
        yield KernelValues(kernel, rng.normal(size=(vectors, n))), [rows(n)]


def multiply_pairs() -> Iterator[Made]:
    for n in LONG:
        yield MultiplyPairs(n), [rows(2 * n), rows(2 * n)]


def cosines() -> Iterator[Made]:
    for n in LONG:
        yield Cosines(n), [rows(2 * n)]
        yield Cosines(n, pairs=True), [rows(2 * n)]


def density() -> Iterator[Made]:
    rng = np.random.default_rng(7)
    for n, kernel, same in product((8, 30, 90), get_args(DensityKernel), (True, False)):
        squares = rng.uniform(0, 1.5, (ROWS, n))
        yield (
            Density(kernel, np.ones(n) if same else rng.uniform(1, 2, n), 0.5),
            [np.concatenate(pair_of(squares), axis=1)],
        )


def outlier_factor() -> Iterator[Made]:
    rng = np.random.default_rng(8)
    for n, neighbours in product((30, 60, 100), (2, 5, 20)):
        op = OutlierFactor(rng.random(n), rng.random(n), neighbours, -1.5, 1e-9)
        yield op, [np.concatenate(pair_of(rng.random((ROWS, n))), axis=1)]


def gather() -> Iterator[Made]:
    rng = np.random.default_rng(2)
    for n in LONG:
        yield Gather(n + 5, np.arange(n)), [rows(n + 5)]
        yield Gather(n + 5, np.arange(n) + 3), [rows(n + 5)]
        if n > 2:
            yield Gather(n + 5, rng.permutation(n + 5)[:n]), [rows(n + 5)]


def distances() -> Iterator[Made]:
    rng = np.random.default_rng(3)
    for points, n, kind in product((2, 5, 12), (2, 4, 13, 30), range(4)):
        at = rng.normal(size=(points, n)).astype(np.float32).astype(np.float64)
        over = rng.uniform(0.5, 2, n) if kind == 1 else np.ones(1)
        at = at + 1e-9 if kind == 2 else at
        offsets = rng.normal(size=points) if kind == 3 else np.zeros(0)
        yield Distances(at, offsets, over), [rows(n)]


def vote() -> Iterator[Made]:
    rng = np.random.default_rng(4)
    for classes, members, weighed in product(CLASSES, (2, 3, 5, 8), (False, True)):
        plain = tuple(range(classes))
        codes = tuple(plain if member % 3 else plain[::-1] for member in range(members))
        weights = rng.uniform(0.5, 2, members) if weighed else np.ones(members)
        yield (
            Vote(classes, codes, weights.astype(np.float32)),
            [rng.integers(classes, size=ROWS).astype(np.int32) for _ in codes],
        )


def average() -> Iterator[Made]:
    for classes, members, output in product(CLASSES, (2, 3, 5, 8), ("label", "proba", "value")):
        weights = np.random.default_rng(5).dirichlet(np.ones(members)).astype(np.float32)
        if output != "value":
            yield Average(weights, output, classes), [np.abs(rows(classes)) for _ in range(members)]
        elif classes == CLASSES[0]:
            yield Average(weights, output), [rows(1)[:, 0] for _ in range(members)]


def ones() -> Iterator[Made]:
    for classes, output in product((2, 3, 4, 5, 7, 10), ("label", "decision")):
        yield OneVsOne(classes, output), [rows(classes * (classes - 1) // 2)]
        if classes > 2 and output == "decision":
            yield OneVsOne(classes, output, pairs=True), [rows(classes * (classes - 1))]


def rest() -> Iterator[Made]:
    for scores, output in product((1, 2, 3, 4, 6, 9, 20), ("label", "proba")):
        if scores != 2:
            yield OneVsRest(scores, output), [np.abs(rows(scores)) for _ in range(1 + (output == "proba"))]


def cast() -> Iterator[Made]:
    for n, kind in product(LONG, (np.uint8, np.int8, np.uint16, np.int16)):
        yield Cast(), [np.random.default_rng(6).integers(0, 120, (ROWS, n)).astype(kind)]


def add() -> Iterator[Made]:
    for n in SIZES:
        yield Add(), [rows(n), rows(n)]
        yield Add(), [rows(n), rows(1)[:, 0]]
        yield Add(), [rows(3 * n).reshape(-1, 3, n), rows(n)]


def concat() -> Iterator[Made]:
    for n, pieces in product(SIZES, (2, 3, 6)):
        yield Concat(), [rows(n + i) for i in range(pieces)]


def impute() -> Iterator[Made]:
    for n, marked, same in product(LONG, (False, True), (False, True)):
        fill = np.full(n, 0.5) if same else np.random.default_rng(n).normal(size=n)
        x = np.where(np.random.default_rng(7).random((ROWS, n)) < 0.1, -1 if marked else np.nan, rows(n))
        yield Impute(fill, -1.0) if marked else Impute(fill), [x.astype(np.float32)]


def lookup() -> Iterator[Made]:
    for n, count, (exact, outputs, counted) in product(
        (1, 2, 3, 5, 8, 13, 30), (1, 3, 7, 20), ((True, 1, True), (True, 1, False), (False, 1, True), (True, 3, False))
    ):
        rng = np.random.default_rng(100 * n + count)
        points = tuple(np.unique(rng.normal(size=count).astype(np.float32)).astype(np.float64) for _ in range(n))
        entries = [len(one) + (not exact) for one in points]
        values = tuple(np.arange(m)[:, np.newaxis] * 1.0 if counted else rng.normal(size=(m, outputs)) for m in entries)
        other = np.full((n, outputs), -1.0) if outputs == 1 else rng.normal(size=(n, outputs))
        op = Lookup(points, values, other, other if exact else None)
        yield op, [np.nan_to_num(op.probe(ROWS, rng)[0])]


def one_hot() -> Iterator[Made]:
    for n, most, same in product((1, 2, 3, 5, 8, 13, 30), (2, 3, 7, 20), (False, True)):
        rng = np.random.default_rng(10 * n + most)
        counts = (most,) * n if same else tuple(rng.integers(2, most + 2, n).tolist())
        yield OneHot(counts), [rng.integers(0, np.array(counts), (ROWS, n)).astype(np.float32)]


def interpolate() -> Iterator[Made]:
    rng = np.random.default_rng(9)
    for n, points, kind in product((1, 2, 4, 8, 20), (2, 5, 20, 100), range(4)):
        knots = [np.sort(rng.normal(size=points)) for _ in range(n)]
        values = [np.sort(rng.uniform(0, 1, points)) for _ in range(n)]
        if kind == 2:  # quantiles of the normal distribution are those of 0 to 1
            values = [np.linspace(0, 1, points) for _ in range(n)]
        curves = tuple(map(Curve.through, knots, values))
        options = ({}, {"inside": True}, {"normal": True}, {"of_pairs": True})[kind]
        yield of_its_own(Interpolate(curves, np.full(n, np.nan), **options))


def power() -> Iterator[Made]:
    rng = np.random.default_rng(10)
    for n, positive in product((1, 2, 3, 5, 8, 13, 20, 30), (False, True)):
        size = rng.uniform(1, 3, n)
        yield of_its_own(Power(rng.uniform(-1, 2, n), size, size / 3, positive))


def spline() -> Iterator[Made]:
    x = np.random.default_rng(11).normal(size=(60, 20))
    for n, knots, degree, beyond in product((1, 2, 5, 12), (3, 6, 10), (1, 3), ("constant", "continue", "periodic")):
        if beyond != "periodic" or knots > degree + 1:
            fitted = SplineTransformer(knots, degree=degree, extrapolation=beyond).fit(x[:, :n])
            yield of_its_own(read(fitted, name="m").module.predict.nodes[0].op)


def leaf_sums() -> Iterator[Made]:
    rng = np.random.default_rng(12)
    for trees, outputs, kind in product((1, 4, 10, 30, 100), (2, 3, 6, 20), range(3)):
        values = rng.normal(size=(8 * trees, outputs))
        values = (
            (values * 100).round()
            if kind == 0
            else values * 10.0 ** rng.uniform(-9, 0, values.shape)
            if kind
            else values
        )
        yield of_its_own(LeafSums(trees, values))


def choose() -> Iterator[Made]:
    for answers, classes, alike in product((1, 2, 3, 5, 8, 20), (1, 2, 3, 6), (True, False)):
        counts = (classes,) * answers if alike else tuple(1 + (classes + i) % 4 for i in range(answers))
        yield of_its_own(Choose(counts))


def ranks() -> Iterator[Made]:
    rng = np.random.default_rng(13)
    for n, limits in product((1, 2, 3, 5, 8, 13, 30), (1, 3, 10, 60, 300)):
        if n * limits < 3_000:
            yield of_its_own(Ranks(tuple(np.sort(rng.normal(size=limits)) for _ in range(n))))


def softmax_pairs() -> Iterator[Made]:
    for n in (1, 2, 3, 4, 6, 10, 15, 20, 30):
        yield of_its_own(SoftmaxPairs(n))


def of_its_own(op: Op) -> Made:
    """An op with rows that it makes."""
    return op, [op.probe(ROWS, np.random.default_rng(0))[0]]


def rows(size: int) -> Any:
    return np.random.default_rng(size).normal(size=(ROWS, size)).astype(np.float32)


def plain(make: Callable[[int], Op]) -> Callable[[], Iterator[Made]]:
    return lambda: ((make(n), [rows(n)]) for n in LONG)


OPS: dict[str, Callable[[], Iterator[Made]]] = {
    "add": add,
    "affine": affine,
    "average": average,
    "binarize": plain(lambda n: Binarize(n, 0.25)),
    "cast": cast,
    "concat": concat,
    "distances": distances,
    "gather": gather,
    "impute": impute,
    "cosines": cosines,
    "density": density,
    "choose": choose,
    "interpolate": interpolate,
    "kernel_values": kernel_values,
    "leaf_sums": leaf_sums,
    "multiply_pairs": multiply_pairs,
    "outlier_factor": outlier_factor,
    "lookup": lookup,
    "missing": plain(Missing),
    "normalize": lambda: ((Normalize(n, norm), [rows(n)]) for n in LONG for norm in ("l1", "l2", "max")),
    "one_hot": one_hot,
    "one_vs_one": ones,
    "one_vs_rest": rest,
    "polynomial": polynomial,
    "power": power,
    "ranks": ranks,
    "relu": plain(lambda n: Relu()),
    "sigmoid": plain(lambda n: Sigmoid()),
    "softmax_pairs": softmax_pairs,
    "spline": spline,
    "tanh": plain(lambda n: Tanh()),
    "vote": vote,
}
