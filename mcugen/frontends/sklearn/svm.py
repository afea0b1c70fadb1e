"""Support vector machines of libsvm: those with a linear kernel become the op `linear`, all others `svm`; where integers
of 32 bits lose what tells classes apart, both: sums of `kernel_values`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.distance import MOST_FEATURES
from mcugen.fixed import Floats, Integers
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.head import Head, base_of, check_sizes, features_of, state_of, too_large
from mcugen.frontends.sklearn.svm_digits import check_digits, takes_pairs
from mcugen.ir import GraphBuilder
from mcugen.op import Op
from mcugen.ops.kernel_values import KernelValues
from mcugen.ops.svm import Kernel, Svm
from mcugen.ops.svm.machine import matrix, pairs_of
from mcugen.ops.svm.sums import sums_of, sums_of_values

CLASSIFIERS = ("SVC", "NuSVC")
REGRESSORS = ("SVR", "NuSVR")
SUPPORTED = (*CLASSIFIERS, *REGRESSORS, "OneClassSVM")
TRUSTED = tuple(f"sklearn.svm._classes.{name}" for name in SUPPORTED)
KERNELS = ("linear", "poly", "rbf", "sigmoid")
MOST_VECTORS = 65_535
MOST_DEGREE = 32
LARGEST = 2.0**100  # of any number: the C has room for it
SCALE = "scale the features first, as with `make_pipeline(StandardScaler(), SVC())`"


def takes(estimator: object) -> bool:
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    base = base_of(estimator, _known())
    assert base is not None
    state = state_of(estimator, base, "support_vectors_", loc, also=("_impl", "_compute_kernel"))
    features = features_of(state, loc)
    if base.__name__ in REGRESSORS:
        return Head(base, features, ("value",))
    if base.__name__ not in CLASSIFIERS:
        return Head(base, features, ("label", "decision"), (-1, 1))
    labels = labels_of(state.get("classes_"), loc)
    check_sizes(0, len(labels), loc)
    fitted = state.get("probability") is True and np.size(state.get("_probA")) > 0  # type: ignore[arg-type]  # any object has one
    return Head(base, features, ("label", "proba", "decision") if fitted else ("label", "decision"), labels)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    machine = read_machine(estimator, head, loc)
    if wanted != "proba" and machine.kernel and takes_pairs(machine.svm(wanted)):
        (values,) = builder.add(KernelValues(machine.kernel, machine.vectors), x, loc=loc)
        return builder.add(sums_of_values(machine.svm(wanted)), values, loc=loc)
    return builder.add(op_of(machine, wanted, loc), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    from mcugen.frontends.sklearn.svm_reference import SvmReference

    return SvmReference(estimator, head, read_machine(estimator, head, Loc()))


@dataclass(frozen=True, eq=False)
class Machine:
    """A fitted machine's arrays, checked, as libsvm has them; kernel None is the linear one. counts is empty but of classifiers."""

    kernel: Kernel | None
    vectors: Floats
    counts: Integers
    coefficients: Floats
    intercepts: Floats
    sigmoids: Floats | None
    of_pairs: bool
    ties: bool

    @property
    def matrix(self) -> Floats:
        """The coefficients (vectors, pairs)."""
        return matrix(self.coefficients, self.counts, len(self.intercepts))

    @property
    def weights(self) -> Floats:
        """With a linear kernel the weights (pairs, features)."""
        return np.asarray(self.matrix.T @ self.vectors)

    def svm(self, wanted: Output) -> Svm:
        """The machine as kernels of its vectors; a linear kernel is a polynomial one."""
        kernel = self.kernel or Kernel("poly", 1.0, 0.0, 1)
        return Svm(
            kernel,
            self.vectors,
            self.counts,
            self.coefficients,
            self.intercepts,
            wanted,
            self.ties,
            self.of_pairs,
            self.sigmoids if wanted == "proba" else None,
        )


def op_of(machine: Machine, wanted: Output, loc: Loc) -> Op:
    """The op that works out a machine."""
    kept = machine.vectors.size + machine.coefficients.size
    if machine.kernel or wanted == "proba" or len(machine.intercepts) * machine.vectors.shape[1] > kept:
        op = machine.svm(wanted)
        check_digits(op, loc)
        return op
    return sums_of(machine.svm(wanted), machine.weights)


def read_machine(estimator: object, head: Head, loc: Loc) -> Machine:
    """The arrays of a fitted estimator, every one checked: libsvm itself follows them unchecked."""
    state = vars(estimator)
    if "_impl" in state:
        text = f"this {head.base.__name__} says itself which of libsvm's machines it is"
        raise error("E0301", text, help=f"fit a plain {head.base.__name__} and compile that", loc=loc.within("_impl"))
    kernel = _kernel(state, loc)
    classes = len(head.labels or ()) if head.base.__name__ in CLASSIFIERS else 0
    if classes == 1:
        refuse([("classes_", "has one class; a machine tells two or more apart")], loc)
    vectors = _array(state, "support_vectors_", np.float64, (None, head.n_features), loc)
    count, pairs = len(vectors), pairs_of(classes)
    if count > MOST_VECTORS or head.n_features > MOST_FEATURES or pairs > MOST_VECTORS:
        limits = f"{MOST_VECTORS:,} of {MOST_FEATURES:,} features, and as many pairs of classes"
        raise too_large(
            f"{count:,} support vectors of {head.n_features:,} features, {pairs:,} pairs; the C takes {limits}", loc
        )
    _array(state, "support_", np.int32, (count,), loc)
    counts = _counts(state, classes, count, loc)
    coefficients = _array(state, "_dual_coef_", np.float64, (max(1, classes - 1), count), loc).T
    intercepts = _array(state, "_intercept_", np.float64, (pairs,), loc)
    of_pairs, ties = _shape(state, classes, loc)
    sigmoids = _sigmoids(state, pairs if "proba" in head.outputs else 0, loc)
    if not count:  # nothing but an intercept
        vectors, coefficients = np.zeros((1, head.n_features)), np.zeros((1, 1))
    return Machine(kernel, vectors, counts, coefficients, intercepts, sigmoids, of_pairs, ties)


def _kernel(state: Mapping[str, object], loc: Loc) -> Kernel | None:
    name = state.get("kernel")
    if state.get("_sparse") is not False:
        help = "fit on a dense array: `fit(X.toarray(), y)`"
        raise error("E0302", "a machine that was fitted on sparse rows is not supported", help=help, loc=loc)
    if not isinstance(name, str) or name not in KERNELS:
        help = f"fit with one of the kernels {', '.join(KERNELS)}"
        raise error("E0302", f"the kernel {shown(name)} is not supported", help=help, loc=loc.within("kernel"))
    if name == "linear":
        return None  # whatever the others' parameters are
    degree, coef0, gamma = whole(state.get("degree")), _number(state.get("coef0")), _number(state.get("_gamma"))
    problems: list[Problem] = []
    if degree is None or degree < 0:
        problems.append(("degree", f"must be a whole number, 0 or more, not {shown(state.get('degree'))}"))
    if coef0 is None:
        problems.append(("coef0", f"must be a finite number, not {shown(state.get('coef0'))}"))
    if gamma is None or gamma < 0:
        problems.append(("_gamma", f"must be a finite number, 0 or more, not {shown(state.get('_gamma'))}"))
    refuse(problems, loc)
    assert degree is not None
    assert coef0 is not None
    assert gamma is not None
    for key, number in (("coef0", coef0), ("_gamma", gamma)):
        if abs(number) >= LARGEST:  # gamma="scale" of features of 1e-30
            raise error("E0302", f"{key} is {number:.3g}, beyond 2^100", help=SCALE, loc=loc.within(key))
    if name == "poly" and degree > MOST_DEGREE:
        text = f"a polynomial of degree {degree} is not supported"
        raise error("E0302", text, help=f"fit with a degree up to {MOST_DEGREE}", loc=loc.within("degree"))
    if name == "poly" and degree == 0:
        return Kernel("rbf", 0.0)  # 1 everywhere
    return Kernel("rbf" if name == "rbf" else "poly" if name == "poly" else "sigmoid", gamma, coef0, degree)


def _number(value: object) -> float | None:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    try:
        number = float(value)  # a complex one: TypeError
    except (TypeError, OverflowError):
        return None
    return number if np.isfinite(number) else None


def _array(
    state: Mapping[str, object], name: str, dtype: type[np.generic], shape: tuple[int | None, ...], loc: Loc
) -> npt.NDArray[np.float64]:
    """An array of just this dtype and shape, of finite numbers, in C's order."""
    given = state.get(name)
    text = "x".join("n" if size is None else str(size) for size in shape)
    wanted = f"must be an array of {np.dtype(dtype)} of shape {text}"
    if type(given).__module__.startswith("scipy.sparse"):
        help = "fit on a dense array: `fit(X.toarray(), y)`"
        raise error("E0302", f"{name} is sparse", help=help, loc=loc)
    if not isinstance(given, np.ndarray):
        refuse([(name, f"{wanted}, not {shown(given)}")], loc)
    assert isinstance(given, np.ndarray)
    fits = given.ndim == len(shape) and all(s in (None, g) for s, g in zip(shape, given.shape, strict=True))
    if given.dtype != np.dtype(dtype) or not fits:
        refuse([(name, f"{wanted}, not of {given.dtype} and {given.shape}")], loc)
    numbers = given.astype(np.float64)
    if not np.isfinite(numbers).all():
        refuse([(name, "holds numbers that are not finite")], loc)
    if not (np.abs(numbers) < LARGEST).all():
        raise error("E0302", f"{name} holds numbers beyond 2^100", help=SCALE, loc=loc.within(name))
    return numbers


def _counts(state: Mapping[str, object], classes: int, vectors: int, loc: Loc) -> Integers:
    """How many vectors each class has; libsvm keeps two numbers where there are no classes, and uses none."""
    found = _array(state, "_n_support", np.int32, (classes or 2,), loc).astype(np.int64)
    if classes and (found.min() < 0 or found.sum() != vectors):
        refuse([("_n_support", f"does not add up to the {vectors:,} support vectors")], loc)
    if not classes and found[0] != vectors:
        refuse([("_n_support", f"does not begin with the {vectors:,} support vectors")], loc)
    return found if classes else np.zeros(0, np.int64)


def _shape(state: Mapping[str, object], classes: int, loc: Loc) -> tuple[bool, bool]:
    """Whether the decision is that of pairs, and whether it breaks ties."""
    if not classes:
        return False, False
    shape, ties = state.get("decision_function_shape"), state.get("break_ties")
    if not isinstance(shape, str) or shape not in ("ovr", "ovo"):
        refuse([("decision_function_shape", f"must be 'ovr' or 'ovo', not {shown(shape)}")], loc)
    if not isinstance(ties, bool | np.bool_):
        refuse([("break_ties", f"must be True or False, not {shown(ties)}")], loc)
    if ties and shape == "ovo":
        refuse([("break_ties", "goes with decision_function_shape='ovr' only")], loc)
    return shape == "ovo", bool(ties) and classes > 2


def _sigmoids(state: Mapping[str, object], pairs: int, loc: Loc) -> Floats | None:
    """The slopes and offsets (2, pairs) of probabilities; None where there are none."""
    a, b = (_array(state, name, np.float64, (None,), loc) for name in ("_probA", "_probB"))
    if len(a) != len(b) or len(a) not in (0, pairs_of(np.size(state.get("classes_"))) if "classes_" in state else 0):  # type: ignore[arg-type]
        refuse([("_probA", f"and _probB have {len(a)} and {len(b)} entries")], loc)
    return np.stack([a, b]) if pairs else None


@cache
def _known() -> frozenset[type]:
    from sklearn import svm

    return frozenset(getattr(svm, name) for name in SUPPORTED)
