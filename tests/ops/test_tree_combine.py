"""tree_ensemble: trees that are added up, vote or have a median, NumPy against compiled C in every form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from random_trees import random_trees
from sanitized import check_as_cpp, check_on_avr, run_sanitized
from test_tree_ensemble import FORMS, MEGA, avr_forms, in_form, rows_for

from mcugen.boards import Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import emit
from mcugen.ir import Array, DType, GraphBuilder, Module, TensorType
from mcugen.memory.plan import plan
from mcugen.ops.tree_ensemble import TreeEnsemble
from mcugen.ops.tree_ensemble.combine import Combine, isolation
from mcugen.ops.tree_ensemble.sums import add_up
from mcugen.ops.tree_ensemble.trees import Trees
from mcugen.targets.driver import Unit

NAMES = {"label": ("label",), "proba": ("label", "proba"), "decision": ("label", "decision"), "value": ("value",)}


@dataclass(frozen=True)
class Shape:
    """Random trees and how they are combined. `largest` is the size of their largest leaf, `splits_at` what
    thresholds are.
    """

    how: str
    scores: int
    trees: int  # of a score
    splits: int
    largest: float = 1.0
    link: str = "identity"
    splits_at: str = "anything"

    def made(self, seed: int) -> Trees:
        rng = np.random.default_rng(seed)
        voting = self.how == "votes"
        trees = random_trees(
            rng,
            features=5,
            outputs=self.scores if voting else 1,
            trees=self.trees * (1 if voting else self.scores),
            splits=self.splits,
            leaves="pure" if voting else "numbers",
        )
        if not voting:
            trees = replace(trees, values=trees.values * (self.largest / np.abs(trees.values).max()))
        threshold = np.where(trees.feature >= 0, self.thresholds(rng, trees.threshold), 0).astype(np.float32)
        combine = self.combine(rng, trees.n_trees)
        return replace(trees, threshold=threshold, combine=combine, takes_nan=seed < 100)

    def thresholds(self, rng: np.random.Generator, given: Array) -> Array:
        """One for each node: numbers that are not negative, few of them, or few halves and whole numbers."""
        few = rng.standard_normal(12)
        return {
            "anything": given,
            "positive": np.abs(given),
            "few": rng.choice(few, given.shape),
            "few positive": rng.choice(np.abs(few), given.shape),
            "steps": rng.integers(-20, 20, given.shape) / 2,
            "positive steps": rng.integers(0, 40, given.shape) / 2,
        }[self.splits_at]

    def combine(self, rng: np.random.Generator, trees: int) -> Combine:
        if self.link == "isolation":
            return isolation(-0.5, 3.0)[1]
        weights = np.where(rng.random(trees) < 0.2, 1.0, rng.random(trees))
        if self.how == "votes":
            weights = weights / weights.sum()
            return Combine("votes", np.full(self.scores, -0.25), weights, "softmax", 0.5)
        base = rng.standard_normal(self.scores) * self.largest
        return Combine(self.how, base, weights, self.link, 2.0 if self.link == "sigmoid" else 1.0, at_zero=trees % 2)


SHAPES = [
    Shape("sum", 1, 1, 0, link="sigmoid"),  # a leaf and nothing else
    Shape("sum", 1, 1, 9, link="sigmoid"),
    Shape("sum", 1, 12, 15, link="sigmoid"),
    Shape("sum", 1, 300, 3, link="sigmoid"),  # more trees than a byte counts
    Shape("sum", 1, 3, 400, link="sigmoid"),  # more leaves than a byte counts
    Shape("sum", 1, 6, 10, 1e6, "sigmoid"),  # 64 bits
    Shape("sum", 3, 5, 10, link="softmax"),
    Shape("sum", 10, 1, 7, 0.01, "softmax"),
    Shape("sum", 300, 1, 2, link="softmax"),  # more classes than a byte counts
    Shape("sum", 3, 7, 10, 1e9, "softmax"),
    Shape("sum", 1, 9, 10, link="isolation"),
    *(Shape("sum", 1, 12, 15, link="sigmoid", splits_at=at) for at in ("positive", "few", "few positive")),
    *(Shape("sum", 3, 4, 9, link="softmax", splits_at=at) for at in ("steps", "positive steps")),
    Shape("sum", 1, 2, 300, link="sigmoid", splits_at="few positive"),
    Shape("votes", 4, 1, 9),
    Shape("votes", 3, 8, 9, splits_at="positive"),
    Shape("votes", 3, 8, 9, splits_at="steps"),
    Shape("votes", 3, 20, 5),
    Shape("votes", 300, 40, 5),
]
NUMBERS = [
    Shape("sum", 1, 12, 15),
    Shape("sum", 1, 12, 15, 1e-20),
    Shape("sum", 1, 12, 15, 1e20),
    Shape("sum", 1, 4, 15, link="exp"),
    Shape("median", 1, 1, 20),
    Shape("median", 1, 9, 20, 1e30),
    Shape("median", 1, 300, 3),
]


def ops(seed: int) -> Iterator[TreeEnsemble]:
    """Every shape with every output that it has."""
    for i, shape in enumerate(SHAPES):
        outputs = ("label", "decision") if shape.link == "isolation" else ("label", "decision", "proba")
        yield from (TreeEnsemble(shape.made(100 * seed + i), output) for output in outputs)
    yield from (TreeEnsemble(shape.made(100 * seed + i), "value") for i, shape in enumerate(NUMBERS))


def unit(op: TreeEnsemble, form: str, name: str) -> Unit:
    """The op as a model of its own, in this form."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((op.trees.n_features,), DType.F32))
    builder.add(in_form(op, form), x, names=NAMES[op.output])
    for name_ in NAMES[op.output]:
        builder.output(name_, tuple(range(op.trees.n_classes)) if name_ == "label" else None)
    module = Module(name, (builder.build(),))
    return Unit(module, emit(module, plan(module, MEGA), MEGA))


@pytest.mark.parametrize("seed", range(2))
def test_the_c_gives_numpys_answers(seed: int) -> None:
    cases = [(op, form) for op in [*ops(seed)][seed::2] for form in FORMS]
    units = [unit(op, form, f"m{i}") for i, (op, form) in enumerate(cases)]
    inputs = [asked(op.trees, seed) for op, _ in cases]
    for (op, form), x, found in zip(cases, inputs, run_sanitized(units, [[x] for x in inputs]), strict=True):
        assert_answers(op, x, found, f"{op.trees.combine} {op.describe()} {form}")


def asked(trees: Trees, seed: int) -> Array:
    """Rows at the thresholds and of any bits; NaN where the trees take it."""
    rows = rows_for(trees, seed)
    rows = rows if trees.takes_nan else np.nan_to_num(rows, nan=1.0, posinf=np.inf, neginf=-np.inf)
    return rows[np.random.default_rng(seed).permutation(len(rows))[:600]]


def assert_answers(op: TreeEnsemble, x: Array, found: list[Array], what: str) -> None:
    """Labels where scores are 1e-6 apart (of one score, of a decision: from 0); numbers to 1e-5, absolute below 1."""
    scores, combine = op.scores(x), op.trees.combine
    if op.output == "value":
        expected = combine.values(scores)
        least = min(1.0, float(np.abs(expected).max()))
        assert (np.abs(found[0] - expected) <= 1e-5 * np.maximum(np.abs(expected), least)).all(), what
        return
    best = np.sort(combine.decisions(scores), axis=1)
    gap = np.abs(best[:, 0]) if best.shape[1] == 1 else (best[:, -1] - best[:, -2]) / np.abs(best[:, -2:]).max(axis=1)
    clear = gap > 1e-6
    assert clear.mean() > 0.5, what
    np.testing.assert_array_equal(found[0][clear], combine.classes(scores)[clear], err_msg=what)
    if op.output != "label":
        expected = combine.decisions(scores) if op.output == "decision" else combine.probabilities(scores)
        assert (np.abs(found[1] - expected) <= 1e-5 * np.maximum(np.abs(expected), 1)).all(), what


def test_the_c_is_cpp_and_avr_too() -> None:
    everything = [*ops(0)][::2]
    check_as_cpp([unit(op, form, f"m{i}{form}") for i, op in enumerate(everything) for form in FORMS])
    check_on_avr([unit(op, form, f"m{i}{form}") for i, op in enumerate(everything) for form in avr_forms(op)])


def test_the_label_needs_no_float() -> None:
    text = unit(TreeEnsemble(SHAPES[2].made(0), "label"), "table", "m").files["src/m.c"]
    assert "(float)" not in text
    assert "math.h" not in text
    assert "expf" in unit(TreeEnsemble(SHAPES[2].made(0), "proba"), "table", "m").files["src/m.c"]


@pytest.mark.parametrize(("largest", "total"), [(1e-6, 32), (1.0, 32), (30.0, 64), (1e3, 64), (1e15, 64)])
def test_sums_are_as_wide_as_they_must_be(largest: float, total: int) -> None:
    trees = Shape("sum", 1, 20, 7, largest, "sigmoid").made(0)
    added = add_up(trees, "label")
    assert added.total == total
    sums = np.array(
        [np.abs(added.table[a:b]).max() for a, b in zip(added.first, [*added.first[1:], None], strict=True)]
    )
    assert sums.sum() < 2 ** (total - 2)


def test_numbers_that_are_too_far_apart_are_refused() -> None:
    trees = Shape("sum", 1, 2, 7).made(0)
    values = np.where(np.arange(len(trees.values)) % 2, 1e-3, 1e30)[:, np.newaxis]
    with pytest.raises(McugenError, match="E0303"):
        add_up(replace(trees, values=values, combine=Combine("sum")), "value")


@pytest.mark.parametrize("board", ["mega2560", "pico", "bluepill_f103c8", "esp32c3"])
def test_a_power_of_e_is_part_of_the_cost(board):
    plain = Shape("sum", 1, 4, 6).made(0)
    power = replace(plain, combine=replace(plain.combine, link="exp"))
    target = Target(load_board(board))
    costs = [{form.name: form.cost for form in TreeEnsemble(trees, "value").forms(target)} for trees in (plain, power)]
    for form, cost in costs[0].items():
        assert costs[1][form].cycles > cost.cycles + 500, form  # of a soft float's library: 1,000 to 3,000
    assert "exp" in TreeEnsemble(power, "value").sums()
    assert "exp" not in TreeEnsemble(plain, "value").sums()
