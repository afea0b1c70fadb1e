"""tree_ensemble: numbers that are handed over as sums of two floats, in every form, beside what float64 adds up."""

from __future__ import annotations

import numpy as np
import pytest
from random_trees import random_trees
from sanitized import check_as_cpp, check_on_avr, run_sanitized
from test_tree_combine import Shape, asked, unit
from test_tree_ensemble import FORMS, avr_forms

from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.pairs import summed

EXACT = 2.0**-38  # of 1, or of the largest score
VOTES = 1e-8  # weights have 31 bits


def averaged(leaves: str, trees: int, classes: int) -> TreeEnsemble:
    made = random_trees(
        np.random.default_rng(trees), features=5, outputs=classes, trees=trees, splits=12, leaves=leaves
    )
    return TreeEnsemble(made, "proba", pairs=True)


OPS = {
    "a tree": averaged("counts", 1, 3),
    "counts": averaged("counts", 20, 3),
    "weights": averaged("weights", 7, 2),
    "pure": averaged("pure", 30, 4),
    "many": averaged("pure", 300, 2),
    **{
        str(shape): TreeEnsemble(shape.made(3), "decision", pairs=True)
        for shape in (
            Shape("sum", 1, 12, 15, link="sigmoid"),
            Shape("sum", 1, 6, 10, 1e6, "sigmoid"),
            Shape("sum", 3, 5, 10, 1e-6, "softmax"),
            Shape("votes", 3, 20, 5),
        )
    },
}


@pytest.mark.parametrize("name", OPS)
def test_the_c_has_the_digits_of_float64(name: str) -> None:
    op = OPS[name]
    x = asked(op.trees, 0)[:200]
    exact = op.scores(x)
    size = max(1.0 if op.output == "proba" else 0.0, float(np.abs(exact).max()))
    kept = VOTES if op.trees.combine.how == "votes" else EXACT * size
    units = [unit(op, form, f"m{i}") for i, form in enumerate(FORMS)]
    for form, (index, pairs) in zip(FORMS, run_sanitized(units, [[x] for _ in FORMS]), strict=True):
        assert np.abs(summed(pairs) - exact).max() <= kept, form
        assert (index == op.trees.combine.classes(exact)).mean() > 0.99, form
    evaluated = np.stack([op.evaluate(row)[1] for row in x[:20]])
    assert np.abs(summed(evaluated) - exact[:20]).max() <= EXACT * size


def test_it_is_cpp_and_avr_too_and_a_label_alone_has_no_pairs() -> None:
    check_as_cpp([unit(op, form, f"m{i}{form}") for i, op in enumerate(OPS.values()) for form in FORMS])
    check_on_avr([unit(op, form, f"m{i}{form}") for i, op in enumerate(OPS.values()) for form in avr_forms(op)])
    assert not OPS["counts"].first_alone().pairs
