"""Encoders and discretizers that were fitted oddly, edited, or hold what C has not: diagnostics with a place and a way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier

from mcugen.diagnostics import Diagnostic, Loc, McugenError
from mcugen.frontends.sklearn import read_estimator

X = np.array([[1, 10.0], [2, 20], [3, 10], [3, np.nan], [1, 20], [2, 10], [7, 20]])
Y = np.array([0, 1, 2, 0, 1, 2, 0])


def problem(estimator: Any) -> Diagnostic:
    with pytest.raises(McugenError) as caught:
        read_estimator(estimator, "m", None, Loc("model.skops"))
    return caught.value.diagnostics[0]


def said(estimator: Any) -> tuple[str, str]:
    found = problem(estimator)
    return found.code, found.loc.where


def ops(estimator: Any) -> list[str]:
    return [node.op.name for node in read_estimator(estimator, "m").nodes]


@pytest.mark.parametrize("make", [OneHotEncoder, OrdinalEncoder, TargetEncoder])
def test_texts_say_what_to_do(make: Any) -> None:
    model = make().fit(np.array([["red"], ["blue"], ["red"], ["blue"]]), [0, 1, 0, 1])
    found = problem(model)
    assert (found.code, found.message) == ("E0302", "the category 'blue' is no number")
    assert "give every category one before `fit`" in found.help


def test_numbers_that_are_objects_are_numbers() -> None:
    assert ops(OneHotEncoder().fit(X[:, :1].astype(object))) == ["lookup", "one_hot"]


def test_none_is_no_number() -> None:
    assert said(OrdinalEncoder().fit(np.array([[1], [None]], object)))[0] == "E0302"


@pytest.mark.parametrize("numbers", [[1, 1 + 1e-12], [1e300, 1]])
def test_categories_that_one_float_holds(numbers: list[float]) -> None:
    assert said(OneHotEncoder().fit(np.array([numbers]).T))[0] == "E0303"


def test_categories_of_numbers_that_are_worked_out() -> None:
    found = problem(make_pipeline(StandardScaler(), OrdinalEncoder()).fit(X[:3]))
    assert (found.code, found.loc.where) == ("E0302", "Pipeline.ordinalencoder.OrdinalEncoder")
    assert "encode first" in found.help


def test_nothing_is_left() -> None:
    assert said(OneHotEncoder(drop="first").fit(np.ones((5, 2)))) == ("E0302", "OneHotEncoder")


def test_a_feature_without_columns_is_left_out() -> None:
    assert ops(OneHotEncoder(drop="first").fit(np.c_[np.ones(3), X[:3, 0]])) == ["lookup", "gather", "one_hot"]


def test_sparse_rows_are_the_same_numbers() -> None:
    encoder = ColumnTransformer([("onehot", OneHotEncoder(), [0, 1])], sparse_threshold=1.0)
    assert ops(make_pipeline(encoder, DecisionTreeClassifier()).fit(X, Y))[:2] == ["lookup", "one_hot"]


@pytest.mark.parametrize(
    ("model", "attribute", "value"),
    [
        (OneHotEncoder(), "categories_", [np.array([2.0, 1]), np.array([1.0])]),
        (OneHotEncoder(), "categories_", [np.array([np.nan, 1]), np.array([1.0])]),
        (OneHotEncoder(), "categories_", [np.zeros(0), np.array([1.0])]),
        (OneHotEncoder(), "categories_", [np.zeros((2, 2)), np.array([1.0])]),
        (OneHotEncoder(), "handle_unknown", 3),
        (OneHotEncoder(drop="first"), "_drop_idx_after_grouping", np.array([9, 0], object)),
        (OneHotEncoder(drop="first"), "_drop_idx_after_grouping", np.array([0], object)),
        (OneHotEncoder(min_frequency=2), "_default_to_infrequent_mappings", [np.array([-1, 0, 1, 2]), None]),
        (OneHotEncoder(min_frequency=2), "_default_to_infrequent_mappings", [np.array([0, 10**9, 1, 2]), None]),
        (OneHotEncoder(min_frequency=2), "_default_to_infrequent_mappings", None),
        (OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist"), "_infrequent_indices", [np.array([99]), None]),
        (OrdinalEncoder(), "encoded_missing_value", 1e300),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), "unknown_value", "x"),
        (TargetEncoder(), "encodings_", [np.zeros(4)]),
        (TargetEncoder(), "encodings_", [np.full(4, np.inf)] * 6),
        (TargetEncoder(), "target_mean_", np.zeros((2, 2))),
        (TargetEncoder(), "target_type_", 4),
        (KBinsDiscretizer(2, strategy="uniform"), "bin_edges_", np.array([np.array([0.0, 1, 2]), np.array([0.0, np.nan, 1])], object)),
        (KBinsDiscretizer(3, strategy="uniform"), "bin_edges_", np.array([np.array([0.0, 2, 1, 3]), np.arange(4.0)], object)),
        (KBinsDiscretizer(2, strategy="uniform"), "bin_edges_", np.zeros((2, 3))),
        (KBinsDiscretizer(2, strategy="uniform"), "n_bins_", np.array([2, 0])),
        (KBinsDiscretizer(2, strategy="uniform"), "n_bins_", np.array([2, 10**6])),
        (KBinsDiscretizer(2, strategy="uniform"), "encode", "both"),
        *((KBinsDiscretizer(2, strategy="uniform"), "_encoder", odd) for odd in (None, "x", OrdinalEncoder().fit([[0, 0], [1, 1]]))),
        *((KBinsDiscretizer(2, strategy="uniform"), "_encoder", odd.fit([[0, 0], [1, 1], [2, 1]])) for odd in (OneHotEncoder(), OneHotEncoder(drop="first"))),
        (OrdinalEncoder(), "handle_unknown", "zzz"),
        (OneHotEncoder(), "handle_unknown", "zzz"),
    ],
)  # fmt: skip
def test_what_was_edited_is_found(model: Any, attribute: str, value: Any) -> None:
    fitted = model.fit(np.nan_to_num(X) if isinstance(model, KBinsDiscretizer) else X, Y)
    assert hasattr(fitted, attribute)
    setattr(fitted, attribute, value)
    assert said(fitted)[0] in ("E0107", "E0303")
