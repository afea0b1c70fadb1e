"""The kernels of Gaussian processes as sums of products of `Kernel`s."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.fixed import Floats
from mcugen.frontends.sklearn.attributes import refuse, shown
from mcugen.frontends.sklearn.coefficients import number_of, numbers_of
from mcugen.ops.svm.machine import Kernel

KERNELS = (
    "ConstantKernel", "DotProduct", "Exponentiation", "Hyperparameter", "Matern", "Product", "RBF", "RationalQuadratic", "Sum",
    "WhiteKernel",
)  # fmt: skip
SMOOTH = {0.5: ("matern1", 1.0), 1.5: ("matern3", 3.0), 2.5: ("matern5", 5.0), np.inf: ("rbf", 0.5)}
MOST_POWER, MOST_TERMS, MOST_DEPTH = 32, 16, 20
LARGEST = 1e15  # of a length scale, and one by it
WHY = {
    "ExpSineSquared": "the sine of a distance turns its rounding into any number for rows far away",
    "PairwiseKernel": "its kernels are many",
    "CompoundKernel": "it has several answers",
}


@dataclass(frozen=True, eq=False)
class Product:
    """A number times kernels, each of rows whose features are divided by an array, or not (None)."""

    times: float
    factors: tuple[tuple[Kernel, Floats | None], ...] = ()


def products_of(kernel: object, features: int, loc: Loc, depth: int = 0) -> list[Product]:
    """A kernel as the sum of products; what it adds for a row of the training alone (WhiteKernel) is nothing in a prediction.

    E0302 for kernels that are not supported, E0107 for what no `fit` leaves.
    """
    from sklearn.gaussian_process import kernels

    name = type(kernel).__name__
    if name not in KERNELS or type(kernel) is not getattr(kernels, name, None):
        raise _unsupported(kernel, loc)
    refuse([("kernel_", "is nested too deep")] * (depth > MOST_DEPTH), loc)
    state = vars(kernel)
    if name in ("Sum", "Product"):
        first, second = (products_of(state.get(k), features, loc.within(k), depth + 1) for k in ("k1", "k2"))
        return _few(first + second, loc) if name == "Sum" else _multiplied(first, second, loc)
    if name == "Exponentiation":
        return _power(state, features, loc, depth)
    if name == "WhiteKernel":
        return []
    if name == "ConstantKernel":
        return [Product(number_of(state, "constant_value", loc))]
    if name == "DotProduct":
        return [Product(1.0, ((Kernel("poly", 1.0, number_of(state, "sigma_0", loc) ** 2, 1), None),))]
    return [Product(1.0, (_of_distance(name, state, features, loc),))]


def _of_distance(name: str, state: dict[str, object], features: int, loc: Loc) -> tuple[Kernel, Floats | None]:
    scale = _scale(state, features, loc)
    if name == "RationalQuadratic":
        alpha = number_of(state, "alpha", loc)
        refuse([("alpha", "must be positive")] * (alpha <= 0), loc)
        refuse([("length_scale", "must be a single number")] * (scale.size != 1), loc)
        kernel, gamma = Kernel("rational", 1.0, power=alpha), 0.5 / alpha
    else:
        nu = state.get("nu", np.inf)
        smooth = SMOOTH.get(nu) if isinstance(nu, int | float) else None
        if smooth is None:
            text, help = f"a Matern kernel with nu={shown(nu)} is a Bessel function", "fit with nu=0.5, 1.5 or 2.5"
            raise error("E0302", text, help=help, loc=loc)
        kernel, gamma = Kernel(smooth[0], 1.0), smooth[1]  # type: ignore[arg-type]  # a KernelName
    if scale.size == 1:
        return replace(kernel, gamma=gamma / float(scale[0]) ** 2), None
    return replace(kernel, gamma=gamma), scale


def _scale(state: dict[str, object], features: int, loc: Loc) -> Floats:
    """The length scales of a kernel, (1,) or (features,); they may be a list."""
    given, name = state.get("length_scale"), "length_scale"
    if isinstance(given, list | tuple):
        scale = np.array([number_of({name: one}, name, loc) for one in given])
        refuse([(name, f"has {len(scale)} entries, not {features}")] * (len(scale) not in (1, features)), loc)
    elif isinstance(given, np.ndarray) and given.ndim:
        scale = numbers_of(state, name, (1 if given.shape == (1,) else features,), loc)
    else:
        scale = np.array([number_of(state, name, loc)])
    refuse([("length_scale", "must be positive")] * bool((scale <= 0).any()), loc)
    if scale.max() > LARGEST or scale.min() < 1 / LARGEST:
        text = f"its length scales go from {scale.min():.3g} to {scale.max():.3g}"
        raise error(
            "E0302", text, help="scale the features first, with a StandardScaler", loc=loc.within("length_scale")
        )
    return scale


def _multiplied(first: list[Product], second: list[Product], loc: Loc) -> list[Product]:
    both = product(first, second)
    return _few([Product(a.times * b.times, _merged((*a.factors, *b.factors))) for a, b in both], loc)


def _few(terms: list[Product], loc: Loc) -> list[Product]:
    """The terms; E0302 where they are too many."""
    if len(terms) > MOST_TERMS:
        text = f"its kernel is a sum of {len(terms)} products or more"
        raise error("E0302", text, help=f"fit with one of {MOST_TERMS} at most", loc=loc)
    return terms


def _merged(factors: tuple[tuple[Kernel, Floats | None], ...]) -> tuple[tuple[Kernel, Floats | None], ...]:
    """Factors with one RBF at most of all that know a single length."""
    plain = [kernel.gamma for kernel, over in factors if kernel.name == "rbf" and over is None]
    if len(plain) < 2:
        return factors
    rest = tuple(one for one in factors if one[0].name != "rbf" or one[1] is not None)
    return (*rest, (Kernel("rbf", sum(plain)), None))


def _power(state: dict[str, object], features: int, loc: Loc, depth: int) -> list[Product]:
    exponent = number_of(state, "exponent", loc)
    inner = products_of(state.get("kernel"), features, loc.within("kernel"), depth + 1)
    if exponent != int(exponent) or not 0 < exponent <= MOST_POWER:
        text = f"a kernel to the power of {exponent:g} is not supported"
        raise error("E0302", text, help=f"fit with a whole exponent from 1 to {MOST_POWER}", loc=loc)
    if len(inner) == 1 and len(inner[0].factors) == 1 and inner[0].factors[0][0].name == "poly":
        ((kernel, over),) = inner[0].factors
        degree = kernel.degree * int(exponent)
        if degree <= MOST_POWER:
            return [Product(inner[0].times ** int(exponent), ((replace(kernel, degree=degree), over),))]
    found = inner
    for _ in range(1, int(exponent)):
        found = _multiplied(found, inner, loc)
    return found


def _unsupported(kernel: object, loc: Loc) -> McugenError:
    name = type(kernel).__name__
    why = f": {WHY[name]}" if name in WHY else ""
    help = f"fit with sums and products of {', '.join(k for k in KERNELS if k not in ('Hyperparameter', 'Sum', 'Product'))}"
    return error("E0302", f"the kernel {shown(name)} is not supported{why}", help=help, loc=loc)
