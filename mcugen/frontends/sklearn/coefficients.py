"""`coef_` and `intercept_`, and arrays like them: read with suspicion, dense, finite, and of numbers that a float has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends.sklearn.attributes import Problem, refuse, shown, whole
from mcugen.frontends.sklearn.head import too_large

Floats = npt.NDArray[np.float64]

LARGEST = float(np.finfo(np.float32).max)
MOST = 50_000_000  # numbers in an array: 400 MB


def numbers_of(
    state: Mapping[str, object], name: str, shape: tuple[int | None, ...], loc: Loc, power: int = 1
) -> Floats:
    """An array attribute as float64 of this shape, None standing for any length; a sparse matrix is made dense.

    E0107 where it is no such array or has NaN or infinities, E0303 where a number is beyond float32; where numbers are squares
    of those that the C takes, their `power` is 2.
    """
    refuse(_problems(state.get(name), name, shape), loc)
    value = state[name]
    found = np.asarray(value.toarray() if is_sparse(value) else value, np.float64)  # type: ignore[attr-defined]  # sparse
    check_size(float(np.abs(found).max(initial=0.0) ** (1 / power)), name, loc)
    return found


def check_size(largest: float, name: str, loc: Loc) -> None:
    """E0303 for a number beyond what a float holds."""
    if largest > LARGEST:
        raise too_large(f"{name} has numbers up to {largest:.3g}; the generated C takes {LARGEST:.3g} at most", loc)


def is_sparse(value: object) -> bool:
    """Whether a value is one of SciPy's own sparse matrices."""
    from scipy import sparse

    return type(value).__module__.startswith("scipy.sparse.") and sparse.issparse(value)


def _problems(value: object, name: str, shape: tuple[int | None, ...]) -> Iterator[Problem]:
    wanted = " by ".join("any number" if n is None else f"{n:,}" for n in shape)
    if is_sparse(value):
        yield from _sparse_problems(value, name)
    elif not isinstance(value, np.ndarray):
        yield name, f"must be an array of {wanted}, not {shown(value)}"
        return
    found: tuple[int, ...] = value.shape  # type: ignore[attr-defined]  # an array, sparse or not
    if len(found) != len(shape) or any(n is not None and n != m for n, m in zip(shape, found, strict=True)):
        yield name, f"must have the shape {wanted}, not {' by '.join(map(str, found)) or 'a single number'}"
    elif value.dtype.kind not in "fiu":  # type: ignore[attr-defined]
        yield name, f"must be of numbers, not of {value.dtype}"  # type: ignore[attr-defined]
    elif 0 in found or np.prod(found, dtype=float) > MOST:
        yield name, f"has the shape {' by '.join(map(str, found))}"
    elif isinstance(value, np.ndarray) and not np.isfinite(value).all():
        yield name, "has NaN or infinities"


def _sparse_problems(value: object, name: str) -> Iterator[Problem]:
    """What a damaged sparse matrix has; a sound one may be made dense."""
    try:
        value.check_format(full_check=True)  # type: ignore[attr-defined]  # of the formats that sparsify makes
    except (AttributeError, TypeError, ValueError, IndexError):
        yield name, "is a sparse matrix whose indices do not fit together"
        return
    if not np.isfinite(value.data).all():  # type: ignore[attr-defined]
        yield name, "has NaN or infinities"


def weights_of(state: Mapping[str, object], features: int, rows: int, loc: Loc) -> tuple[Floats, Floats]:
    """`coef_` (rows, features) and `intercept_` (rows,) as float64.

    rows  how many rows there must be; the array of one row may have a dimension less
    """
    coef, intercept = state.get("coef_"), state.get("intercept_", 0.0)
    flat = rows == 1 and getattr(coef, "ndim", 2) == 1
    shape = (features,) if flat else (rows, features)
    weights = numbers_of(state, "coef_", shape, loc).reshape(-1, features)
    single = isinstance(intercept, int | float | np.number) or (
        isinstance(intercept, np.ndarray) and not intercept.ndim
    )
    held = {"intercept_": np.asarray(intercept) if single else intercept}
    bias = numbers_of(held, "intercept_", () if single else (len(weights),), loc)
    return weights, np.array(np.broadcast_to(bias, (len(weights),)))


def rows_in(state: Mapping[str, object]) -> int:
    """How many numbers a regressor's `coef_` predicts at once; 1 where it is no matrix."""
    shape: tuple[int, ...] = getattr(state.get("coef_"), "shape", ())
    return max(int(shape[0]), 1) if len(shape) == 2 else 1


def several_outputs(name: str, outputs: int, loc: Loc) -> McugenError:
    """E0302: one model predicts several numbers or sets of labels at once."""
    return error(
        "E0302",
        f"this {name} predicts {outputs} outputs at once",
        help="fit and compile one model per output: `fit(X, y[:, 0])`",
        loc=loc,
    )


def count_of(state: Mapping[str, object], name: str, loc: Loc) -> int:
    """A positive whole number; E0107 where it is none."""
    found = whole(state.get(name))
    if found is None or found < 1:
        refuse([(name, f"must be a positive whole number, not {shown(state.get(name))}")], loc)
    assert found is not None
    return found


def number_of(state: Mapping[str, object], name: str, loc: Loc) -> float:
    """An attribute that is one finite number, of Python or NumPy; E0107 where it is anything else, E0303 beyond float32."""
    found = state.get(name)
    number = isinstance(found, int | float | np.number) and not isinstance(found, bool)
    if not number and not (isinstance(found, np.ndarray) and found.shape == ()):
        refuse([(name, f"must be a number, not {shown(found)}")], loc)
    return float(numbers_of({name: np.asarray(found)}, name, (), loc))


def columns_in(state: Mapping[str, object], name: str) -> int:
    """How many columns an array has that may be one without its second dimension."""
    shape: tuple[int, ...] = getattr(state.get(name), "shape", ())
    return int(shape[1]) if len(shape) == 2 else 1


def columns_of(state: Mapping[str, object], name: str, rows: int, loc: Loc) -> Floats:
    """The columns of such an array of so many rows, (columns, rows)."""
    flat = getattr(state.get(name), "ndim", 1) == 1
    return numbers_of(state, name, (rows,) if flat else (rows, None), loc).reshape(rows, -1).T
