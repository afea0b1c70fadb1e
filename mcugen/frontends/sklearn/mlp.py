"""Multi-layer perceptrons: one op, `mlp`, where the hidden layers have ReLU; else a `linear` for each layer.

What counts is scikit-learn's forward pass: `coefs_` and `intercepts_`, `activation` between the layers, and after the last
`out_activation_`, whose number the label binarizer compares with 0.5, or whose numbers it takes the first largest of.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from mcugen.diagnostics import Loc, error
from mcugen.frontends import Output, Reference
from mcugen.frontends.sklearn.attributes import Problem, labels_of, refuse, shown, whole
from mcugen.frontends.sklearn.coefficients import Floats, check_size, numbers_of
from mcugen.frontends.sklearn.head import NO_SIGMOID, Head, base_of, check_sizes, features_of, state_of
from mcugen.frontends.sklearn.reference import SklearnReference
from mcugen.ir import Array, GraphBuilder, Label
from mcugen.layers import Layers
from mcugen.ops.choose import Choose
from mcugen.ops.linear import Linear
from mcugen.ops.mlp import Mlp
from mcugen.ops.sigmoid import Sigmoid
from mcugen.ops.tanh import Tanh

SUPPORTED = ("MLPClassifier", "MLPRegressor")
TRUSTED = (
    *(f"sklearn.neural_network._multilayer_perceptron.{name}" for name in SUPPORTED),
    "sklearn.preprocessing._label.LabelBinarizer",
)
# What is read, and so all that a prediction may depend on.
HOLDS = (
    *(
        "activation",
        "classes_",
        "coefs_",
        "intercepts_",
        "n_features_in_",
        "n_layers_",
        "n_outputs_",
        "out_activation_",
    ),
    *("_forward_pass_fast", "_label_binarizer", "_predict"),
)
INPUT = 2.0**-25  # of a feature: what float32 leaves open of it
HIDDEN = ("identity", "logistic", "relu", "tanh")


def takes(estimator: object) -> bool:
    """Whether the estimator is a perceptron of scikit-learn, or of a class derived from one."""
    return base_of(estimator, _known()) is not None


def head(estimator: object, loc: Loc) -> Head:
    """What a fitted perceptron says of itself."""
    base = base_of(estimator, _known())
    assert base is not None, "dispatch asks takes() first"
    state = state_of(estimator, base, "coefs_", loc, also=HOLDS)
    _check_activations(state, base, loc)
    if base.__name__ == "MLPRegressor":
        return Head(base, features_of(state, loc), ("value",), several=state["n_outputs_"] != 1)
    if state["n_outputs_"] != 1 and state["out_activation_"] == "logistic":
        answers = _checked_labels(state, loc)
        return Head(base, features_of(state, loc), ("label",), several=True, tables=((0, 1),) * answers)
    labels = _labels(state, loc)
    check_sizes(0, len(labels), loc)
    odds = NO_SIGMOID if len(labels) == 2 else None
    return Head(base, features_of(state, loc), ("label", "proba"), labels, odds)


def build(estimator: object, head: Head, wanted: Output, builder: GraphBuilder, x: str, loc: Loc) -> tuple[str, ...]:
    """The layers of a fitted perceptron."""
    state = vars(estimator)
    layers = _layers(state, head, loc)
    if wanted == "decision" or head.several:
        wanted = "transform"  # the logarithm of the odds is the sum itself
    if head.tables:
        (sums,) = build(estimator, replace(head, tables=()), "value", builder, x, loc)
        return builder.add(Choose((1,) * len(head.tables)), sums, loc=loc)
    hidden = state["activation"]
    if hidden == "relu" and len(layers.weights) > 1:
        return builder.add(Mlp(layers, wanted), x, loc=loc)
    if hidden == "identity":
        layers = _folded(layers, loc)
    for weights, bias in zip(layers.weights[:-1], layers.biases[:-1], strict=True):
        (sums,) = builder.add(Linear(weights, bias, "transform"), x, loc=loc)
        (x,) = builder.add(Tanh() if hidden == "tanh" else Sigmoid(), sums, loc=loc)
    weights, bias = layers.weights[-1], layers.biases[-1]
    link: Any = "identity" if wanted != "proba" else "sigmoid" if len(weights) == 1 else "softmax"
    return builder.add(Linear(weights, bias, wanted, link), x, loc=loc)


def reference(estimator: object, head: Head) -> Reference:
    """scikit-learn's own answers, worked out in float64 where the model was fitted on float32."""
    exact = copy.copy(estimator)
    for name in ("coefs_", "intercepts_"):
        setattr(exact, name, [np.asarray(one, np.float64) for one in getattr(estimator, name)])
    return ForwardReference(exact, head)


class ForwardReference(SklearnReference):
    """One whose scores are the sums of the last layer: its probabilities are 0 or 1 long before these are equal."""

    def scores(self, rows: Array) -> Floats:
        return self._last(rows)[0]

    def rounding(self, rows: Array) -> Floats:
        """What float32 leaves open of a row, as it arrives in the last sums. The C's integers lose less, which is no excuse."""
        size = self._last(rows)[1]
        if self._head.labels is None:
            return INPUT * (size.max(axis=1) if self._head.tables else size if self._head.several else size[:, 0])
        off, proba = INPUT * size.max(axis=1), self.numbers("proba", rows)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.nan_to_num(2 * off * (proba * (1 - proba)).max(axis=1)))

    def _last(self, rows: Array) -> tuple[Floats, Floats]:
        """The last layer's sums (n, rows), and what the parts of each add up to without their signs (n, rows)."""
        x = np.where(self.accepts(rows)[:, None], np.asarray(rows, np.float32), 0.0).astype(np.float64)
        size, layers = np.abs(x), [*zip(self._model.coefs_, self._model.intercepts_, strict=True)]
        for i, (coef, intercept) in enumerate(layers):
            x, size = x @ coef + intercept, size @ np.abs(coef) + np.abs(intercept)
            if i < len(layers) - 1:
                x = self._hidden(x)
                size = size if self._model.activation in ("relu", "identity") else np.minimum(size, 1.0)
        return x, size

    def _hidden(self, x: Floats) -> Floats:
        from sklearn.neural_network._base import ACTIVATIONS

        ACTIVATIONS[self._model.activation](x)
        return x


def _check_activations(state: Mapping[str, object], base: type, loc: Loc) -> None:
    """E0107 for activations that scikit-learn does not know, E0302 for an output that is none of a class or of a number."""
    hidden, out = state.get("activation"), state.get("out_activation_")
    if not isinstance(out, str):
        refuse([("out_activation_", f"must be a name, not {shown(out)}")], loc)
    if not isinstance(hidden, str) or hidden not in HIDDEN:
        refuse([("activation", f"must be one of {', '.join(HIDDEN)}, not {shown(hidden)}")], loc)
    outputs = whole(state.get("n_outputs_"))
    if outputs is None or outputs < 1:
        refuse([("n_outputs_", f"must be a positive whole number, not {shown(state.get('n_outputs_'))}")], loc)
    assert outputs is not None
    regressor = base.__name__ == "MLPRegressor"
    if regressor and out in ("exp", "exponential"):
        way_out = "fit it with loss='squared_error', on the logarithm of y"
        raise error("E0302", "an MLPRegressor with loss='poisson' is not supported", help=way_out, loc=loc)
    known = "identity" if regressor else "logistic" if outputs == 1 else "softmax"
    if out != known and (regressor or out != "logistic"):
        refuse([("out_activation_", f"must be '{known}' with {outputs} outputs, not {shown(out)}")], loc)


def _labels(state: Mapping[str, object], loc: Loc) -> tuple[Label, ...]:
    """The user's labels; E0107 where the label binarizer, which gives them, disagrees with `classes_`."""
    from sklearn.preprocessing import LabelBinarizer

    binarizer = state.get("_label_binarizer")
    if type(binarizer) is not LabelBinarizer:
        refuse([("_label_binarizer", f"must be a LabelBinarizer, not {shown(binarizer)}")], loc)
    found = labels_of(state.get("classes_"), loc)
    refuse(_binarizer_problems(vars(binarizer), found, loc), loc)
    return found


def _checked_labels(state: Mapping[str, object], loc: Loc) -> int:
    """How many answers of 0 or 1 there are; E0107 where the label binarizer, which gives them, does not say so."""
    from sklearn.preprocessing import LabelBinarizer

    answers, binarizer = whole(state["n_outputs_"]) or 0, state.get("_label_binarizer")
    held = vars(binarizer) if type(binarizer) is LabelBinarizer else {}
    wanted: dict[str, object] = {"y_type_": "multilabel-indicator", "neg_label": 0, "pos_label": 1}
    odd = [name for name, value in wanted.items() if type(held.get(name)) is not type(value) or held.get(name) != value]
    refuse([("_label_binarizer", f"must say of {answers} answers that each is 0 or 1")] * bool(odd), loc)
    if len(labels_of(held.get("classes_"), loc.within("_label_binarizer"))) != answers:
        refuse([("_label_binarizer.classes_", f"must name {answers} answers")], loc)
    return answers


def _binarizer_problems(held: Mapping[str, object], labels: tuple[Label, ...], loc: Loc) -> Iterator[Problem]:
    if labels_of(held.get("classes_"), loc.within("_label_binarizer")) != labels:
        yield "_label_binarizer.classes_", "are other labels than classes_"
    if len(labels) < 2:
        yield "classes_", "has a single label; a perceptron tells at least two apart"
    kind = "binary" if len(labels) == 2 else "multiclass"
    wanted: dict[str, object] = {"y_type_": kind, "neg_label": 0, "pos_label": 1}
    for name, value in wanted.items():
        if type(held.get(name)) is not type(value) or held.get(name) != value:
            yield (
                f"_label_binarizer.{name}",
                f"must be {value!r} with {len(labels)} labels, not {shown(held.get(name))}",
            )


def _layers(state: Mapping[str, object], head: Head, loc: Loc) -> Layers:
    """`coefs_` and `intercepts_`, each layer as wide as the one before it is high."""
    coefs, intercepts = state["coefs_"], state.get("intercepts_")
    refuse(_list_problems(coefs, intercepts, state), loc)
    outputs = 1 if head.labels is None or len(head.labels) == 2 else len(head.labels)
    outputs = whole(state["n_outputs_"]) or 1 if head.several else outputs
    if whole(state["n_outputs_"]) != outputs:
        refuse([("n_outputs_", f"is {shown(state['n_outputs_'])}; the labels need {outputs}")], loc)
    weights: list[Floats] = []
    biases: list[Floats] = []
    columns = head.n_features
    for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):  # type: ignore[call-overload]  # lists
        held = {f"coefs_[{i}]": coef, f"intercepts_[{i}]": intercept}
        last = i == len(coefs) - 1  # type: ignore[arg-type]
        found = numbers_of(held, f"coefs_[{i}]", (columns, outputs if last else None), loc)
        weights.append(np.ascontiguousarray(found.T))
        biases.append(numbers_of(held, f"intercepts_[{i}]", (len(weights[-1]),), loc))
        check_sizes(len(weights[-1]), 0, loc)
        columns = len(weights[-1])
    return Layers(tuple(weights), tuple(biases))


def _list_problems(coefs: object, intercepts: object, state: Mapping[str, object]) -> Iterator[Problem]:
    if not isinstance(coefs, list) or not coefs:
        yield "coefs_", f"must be a list of arrays, not {shown(coefs)}"
    elif not isinstance(intercepts, list) or len(intercepts) != len(coefs):
        yield "intercepts_", f"must be a list of {len(coefs)} arrays"
    elif whole(state.get("n_layers_")) != len(coefs) + 1:
        yield "n_layers_", f"is {shown(state.get('n_layers_'))}; there are {len(coefs)} layers of weights"


def _folded(layers: Layers, loc: Loc) -> Layers:
    """Layers with nothing between them as one."""
    weights, bias = layers.weights[0], layers.biases[0]
    for following, more in zip(layers.weights[1:], layers.biases[1:], strict=True):
        weights, bias = following @ weights, following @ bias + more
    for found in (weights, bias):
        check_size(float(np.abs(found).max()), "the product of coefs_", loc)
    return Layers((weights,), (bias,))


@cache
def _known() -> frozenset[type]:
    from sklearn import neural_network

    return frozenset(getattr(neural_network, name) for name in SUPPORTED)
