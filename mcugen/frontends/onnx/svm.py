"""ai.onnx.ml's SVMClassifier and SVMRegressor, libsvm's machines: the op `svm`, or `linear` with a linear kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mcugen.distance import MOST_FEATURES
from mcugen.frontends.onnx.call import Call, Operand
from mcugen.frontends.onnx.rows import by_row, label_of, labels_in, number, rows_of, stacked, transform_in, transformed
from mcugen.frontends.onnx.shape import joined
from mcugen.frontends.sklearn.svm import LARGEST, MOST_DEGREE, MOST_VECTORS, Machine, op_of
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.svm.machine import Kernel, KernelName, pairs_of

if TYPE_CHECKING:
    from mcugen.frontends.onnx import Converter

KERNELS: Mapping[str, KernelName | None] = {"LINEAR": None, "POLY": "poly", "RBF": "rbf", "SIGMOID": "sigmoid"}


def _classifier(call: Call) -> None:
    labels, transform = labels_in(call, "classlabels_ints", "classlabels_strings"), transform_in(call)
    counts = np.asarray(call.attribute("vectors_per_class", ()), np.int64)
    if len(labels) < 2 or len(counts) != len(labels) or counts.min() < 0:
        text = f"{len(counts)} classes of support vectors for {len(labels)} labels"
        raise call.refused(text, "export it with support vectors; a LinearClassifier needs none", "E0104")
    fitted = len(call.attribute("prob_a", ())) > 0
    if len(labels) == 2 and not fitted and transform not in ("NONE", "LOGISTIC"):
        text = f"runtimes make different answers of two classes with {transform}"
        raise call.refused(text, "export it with post_transform NONE")
    op = op_of(_machine(call, counts), "proba" if fitted else "decision", call.loc)
    made = [call.add_all(op, row) for row in rows_of(call, call.operand(0))]
    both = len(labels) == 2 and not fitted
    scores = [joined(call, [s, call.add(Elementwise("Neg"), s)], 0) if both else s for _, s in made]
    call.gives(
        label_of(call, [index for index, _ in made], labels), transformed(call, stacked(call, scores), transform)
    )


def _regressor(call: Call) -> None:
    if transform_in(call) != "NONE" or call.attribute("n_targets", 1) != 1:
        text = "a post_transform, or several targets, are not supported"
        raise call.refused(text, "export it with NONE, and a node for each target")
    op = op_of(_machine(call, np.zeros(0, np.int64)), "value", call.loc)
    found = by_row(call, call.operand(0), lambda row: call.add(op, row))
    call.gives(_sides(call, found) if call.attribute("one_class", 0) else found)


def _sides(call: Call, scores: Operand) -> Operand:
    """1 where the score is above 0, else -1."""
    above = call.add(Elementwise("Greater"), scores, number(0))
    return call.add(Elementwise("Where"), above, number(1), number(-1))


def _machine(call: Call, counts: npt.NDArray[np.int64]) -> Machine:
    """The arrays of a machine, every one checked; counts is empty but of classifiers."""
    width = call.type(0).shape[-1] if call.type(0).shape else 0
    vectors = int(counts.sum()) if len(counts) else int(call.attribute("n_supports", 0))
    rows, pairs = max(1, len(counts) - 1), pairs_of(len(counts))
    if not 0 < vectors <= MOST_VECTORS or not 0 < width <= MOST_FEATURES or pairs > MOST_VECTORS:
        text = f"{vectors:,} support vectors of {width:,} features for {pairs:,} pairs of classes"
        help = f"mcugen takes 1 to {MOST_VECTORS:,} of {MOST_FEATURES:,} features at most"
        raise call.refused(text, help, "E0303")
    sizes = {"support_vectors": vectors * width, "coefficients": rows * vectors, "rho": pairs}
    sizes |= dict.fromkeys(("prob_a", "prob_b"), pairs) if len(call.attribute("prob_a", ())) else {}
    found = {}
    for name, size in sizes.items():
        found[name] = np.asarray(call.attribute(name, ()), np.float64)
        if found[name].size != size or not (np.abs(found[name]) < LARGEST).all():
            text = f"{name} must be {size:,} numbers within 2^100"
            raise call.refused(text, "export the model again", "E0104")
    return Machine(
        _kernel(call),
        found["support_vectors"].reshape(vectors, width),
        counts,
        found["coefficients"].reshape(rows, vectors).T,
        found["rho"],
        np.stack([found["prob_a"], found["prob_b"]]) if "prob_a" in found else None,
        of_pairs=True,
        ties=False,
    )


def _kernel(call: Call) -> Kernel | None:
    """The kernel; None for the linear one. kernel_params are gamma, coef0 and degree."""
    name, given = call.attribute("kernel_type", "LINEAR"), call.attribute("kernel_params", ()) or (0.0, 0.0, 0.0)
    if name not in KERNELS or len(given) != 3 or not np.isfinite(given).all():
        text = f"the kernel {name} with {len(given)} parameters is not supported"
        raise call.refused(text, f"export it with one of {', '.join(KERNELS)} and three parameters")
    gamma, coef0, degree = (float(value) for value in given)
    if KERNELS[name] == "poly" and (degree != int(degree) or not 0 <= degree <= MOST_DEGREE):
        raise call.refused(f"a polynomial of degree {degree:g}", f"train it with a whole degree up to {MOST_DEGREE}")
    kernel = KERNELS[name]
    if kernel == "poly" and degree == 0:
        return Kernel("rbf", 0.0)  # 1 everywhere
    return None if kernel is None else Kernel(kernel, gamma, coef0, int(degree))


CONVERTERS: Mapping[str, Converter] = {
    "ai.onnx.ml.SVMClassifier": _classifier,
    "ai.onnx.ml.SVMRegressor": _regressor,
}
