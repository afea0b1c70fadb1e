"""tree_ensemble: decision trees whose leaves are averaged, exact in every form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Cost, Form, Op
from mcugen.ops.tree_ensemble import combined, forms
from mcugen.ops.tree_ensemble import cost as costs
from mcugen.ops.tree_ensemble.combine import Floats
from mcugen.ops.tree_ensemble.forms import CUT_ON_AVR
from mcugen.ops.tree_ensemble.grid import Grid, on_grid
from mcugen.ops.tree_ensemble.layout import Line, Table, distinct, joined, pack, parts
from mcugen.ops.tree_ensemble.leaves import Leaves, Output, encode, merged
from mcugen.ops.tree_ensemble.probe import probe_rows, rows_between
from mcugen.ops.tree_ensemble.ranks import Ranks, ranked
from mcugen.ops.tree_ensemble.splits import WITH_UNIT, Splits, windows
from mcugen.ops.tree_ensemble.trees import Trees
from mcugen.ops.tree_ensemble.votes import Packed, packed, words_of
from mcugen.pairs import pair_of
from mcugen.templating import c_floats


@dataclass(frozen=True, eq=False)
class TreeEnsemble(Op):
    """The leaves that a row reaches, averaged, added up, voted with or their median: a class (`label`), probabilities
    (`proba`), scores (`decision`) or a number (`value`); or the whole number of each tree's leaf (`leaves`).

    Input `f32`, or `u8` or `i16`, of shape (features,). Outputs: label → a class index (`i32` scalar); proba → the class
    index and `f32` (classes,); decision → the class index and `f32` (scores,), both with `pairs` as sums of two floats
    (mcugen/pairs.py), twice as many; value → `f32` scalar; leaves → `f32` (trees,). Forms, all exact:
    `branches` (floats compared by their 32 bits),
    `branches16` (by their upper 16 bits first; AVR), `branches_float` (as floats, where there is a unit for them, but for those
    where it is slower than their bits),
    `branches_ranks` (a byte a feature, found first: how many thresholds lie below), `table` and `table_ranks` (bytes in
    flash, walked by one loop).
    """

    name: ClassVar[str] = "tree_ensemble"
    onnx: ClassVar[tuple[str, ...]] = tuple(
        f"ai.onnx.ml.TreeEnsemble{kind}" for kind in ("", "Classifier", "Regressor")
    )

    trees: Trees
    output: Output
    form: str = ""
    x: DType = DType.F32
    cut: int = CUT_ON_AVR  # splits that one function of a branch form has at most
    pairs: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.trees.n_features,), self.x)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            help = f"give the features as one row of {self.x.c}"
            raise error("E0201", f"tree_ensemble takes {wanted}, not {found}", help=help)
        index = TensorType((), DType.I32)
        if self.output == "value":
            return (TensorType((), DType.F32),)
        if self.output == "leaves":
            return (TensorType((self.trees.n_trees,), DType.F32),)
        numbers = {"proba": self.trees.n_classes, "decision": self.trees.n_outputs}.get(self.output)
        return (index, TensorType((numbers * (1 + self.pairs),), DType.F32)) if numbers else (index,)

    def first_alone(self) -> Self:
        return replace(self, output="label", pairs=False)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        if self.output == "leaves":
            reached = [self.trees.values[leaf[0], 0] for leaf in self.trees.apply(inputs[0][np.newaxis, :])]
            return (np.array(reached, np.float32),)
        combine, scores = self.trees.combine, self.scores(inputs[0][np.newaxis, :])
        if self.output == "value":
            return (np.asarray(combine.values(scores)[0], np.float32),)
        index = np.asarray(combine.classes(scores)[0], np.int32)
        if self.output == "label":
            return (index,)
        numbers = combine.decisions(scores) if self.output == "decision" else combine.probabilities(scores)
        return (index, np.concatenate(pair_of(numbers[0])) if self.pairs else numbers[0].astype(np.float32))

    def scores(self, rows: Array) -> Floats:
        """What the trees' leaves come to for each row as float64, (rows, outputs), tree by tree as scikit-learn does."""
        return self.trees.combine.scores(self.trees, rows)

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # of most ops it is the class's
        """math.h where a link needs it."""
        return ("math.h",) if combined.uses_exp(self) else ()

    def describe(self) -> str:
        form = f" form={self.form}" if self.form else ""
        return f"trees={self.trees.n_trees} nodes={len(self.trees.feature)} output={self.output}{' pairs' * self.pairs}{form}"

    def sums(self) -> tuple[str, ...]:
        leaves = self.encodings.leaves
        kind = f"{leaves.kind} {leaves.total}{' counted' if leaves.units.size else ''}"
        return (kind, f"{self.output} {leaves.total}", *(("exp",) if combined.uses_exp(self) else ()))

    def smaller(self) -> tuple[str, ...]:
        return ("train fewer or shallower trees (`n_estimators`, `max_depth`, `min_samples_leaf`)",)

    @cached_property
    def encodings(self) -> Encodings:
        """The leaves, the table and the branches, made once for all forms and boards."""
        return Encodings.of(self.trees, self.output, self.x, self.pairs)

    def forms(self, target: Target) -> tuple[Form, ...]:
        names = forms.available(self, target.board, target.near)
        known = [name for name in names if costs.known(name, self.x, target.board.arch)]
        return tuple(Form(name, self._cost(name, target)) for name in known)

    def with_form(self, form: Form, target: Target) -> Self:
        decided = replace(self, form=form.name, cut=forms.cut(target.board.arch))
        vars(decided)["encodings"] = self.encodings  # the same trees: nothing is encoded twice
        return decided

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        return self._cost(self.form, target) if self.form else Cost()

    def _cost(self, form: str, target: Target) -> Cost:
        found = costs.estimate(self, form, target.board)
        return replace(found, flash=found.flash + OF_PAIRS) if self.pairs else found

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return (probe_rows(self.trees, limit, rng, self.x),)

    def usual(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Rows between thresholds, where the rounding of what is in front decides nothing."""
        return (rows_between(self.trees, limit, rng),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        leaves, outputs = self.encodings.leaves, self.trees.n_outputs
        signed = self.output == "value"
        common = {
            "form": self.form,
            "near": self.form.startswith("table") and not self.form.endswith("far"),
            "far": self.form.endswith("far"),
            "x_ctype": self.x.c,
            "majority": False,
            "joined": [],
            "words": 0,
            "row": "x",
            "row_ctype": self.x.c,
            "ranks": None,
            "searches": [],
            "by_bits": None,
            "packed": None,
            "output": self.output,
            "leaves": leaves,
            "groups": None,
            "averaged": self.trees.combine.how == "mean",
            "outputs": outputs,
            "n_trees": self.trees.n_trees,
            "tree_bits": _bits(self.trees.n_trees),
            "class_bits": _bits(outputs),
            "code_bits": _bits(leaves.codes - 1),
            "signed": signed,
            "sum_ctype": "uint64_t" if leaves.kind == "wide" else f"{'' if signed else 'u'}int{leaves.total}_t",
            "scales": _scales(leaves.scale),
            "pairs": self.pairs,
            "scale": pair_of(leaves.scale),
            "base_pair": None,
            "returns": "float" if signed else "void" if self.output == "leaves" else "int",
            "given": {"proba": "p", "leaves": "y"}.get(self.output),
            "table_ctype": _table_ctype(leaves),
            "table_values": _table_values(leaves),
        }
        if self.trees.combine.how != "mean":
            common |= combined.render(self, _bits)
        if "ranks" in self.form:
            common |= self._render_ranks()
        if (one := self.encodings.packed) and not self.form.startswith("table"):
            common |= {"packed": one, "code_bits": one.total, "majority": self.output == "label" and outputs == 2}
            if not forms.joins(self, self.cut):
                common |= self._chained_votes(one)
        return common | (self._render_table() if self.form.startswith("table") else self._render_branches())

    def _chained_votes(self, votes: Packed) -> dict[str, Any]:
        trees = self.encodings.branches(self.cut, "ranks" in self.form)
        chained = f"uint{votes.total}_t"
        return {"groups": [*combined.chains(trees, self.cut)], "number": lambda line: line.code, "chained": chained}

    def _render_ranks(self) -> dict[str, Any]:
        ranks = self.encodings.ranks
        assert ranks is not None  # with_form is given an available form
        return {
            "row": "ranks",
            "row_ctype": DType.U8.c,
            "ranks": ranks,
            "rank_keys": ranks.keys >> np.int32(16) if ranks.halves else ranks.keys,
            "rank_feature_bits": _bits(max(ranks.features, default=0)),
            "searches": self.encodings.searches(self.cut) if self._searches else [],
        }

    @property
    def _searches(self) -> bool:
        """Whether ranks are found by branches: AVR's loop would take longer than all trees together."""
        return self.form == "branches_ranks" and self.cut == CUT_ON_AVR

    def _render_branches(self) -> dict[str, Any]:
        trees = self.encodings.branches(self.cut, "ranks" in self.form)
        apart = forms.joins(self, self.cut) and not self.encodings.packed
        splits = self._splits()
        compared = self.encodings.searches(self.cut) if self._searches else trees
        lines = [line for tree in compared for part in tree for line in part if line.feature >= 0]
        return {
            "trees": trees,
            "by_bits": splits,
            "macros": sorted({splits.macro(line) for line in lines if splits.takes(line)}) if splits else [],
            "joined": joined(trees) if forms.joins(self, self.cut) else [],
            "words": words_of(self.encodings.leaves, self.trees.n_trees) if apart else 0,
            "literal": lambda line: next(c_floats([line.threshold])),
        }

    def _splits(self) -> Splits | None:
        """How floats are compared by their bits: in the trees, or where ranks are searched for."""
        on_avr = self.cut == CUT_ON_AVR
        if self.x != DType.F32:
            return None
        if self.form == "branches_ranks":
            return Splits(True, 1) if on_avr else None
        if self.form == "branches_float":
            return WITH_UNIT
        if self.form not in ("branches", "branches16"):
            return None
        return Splits(self.form == "branches16", windows(self.trees.n_features, self.trees.n_trees) if on_avr else 0)

    def _render_table(self) -> dict[str, Any]:
        table = self.encodings.ranked_table if "ranks" in self.form else self.encodings.table
        assert table is not None  # with_form is given an available form
        return {
            "table": table,
            "keys": table.keys >> np.int32(16) if table.halves else table.keys,
            "negative": bool((table.keys < 0).any()),
            "feature_bits": _bits(max(table.features, default=0)),
        }


@dataclass(frozen=True, eq=False)
class Encodings:
    """The trees as each form has them. `trees` lacks the splits whose two sides give the same code."""

    trees: Trees
    leaves: Leaves
    x: DType = DType.F32
    counted: dict[str, Mapping[str, float]] = field(
        default_factory=dict
    )  # by form, what cost.py counts: many boards ask
    written: dict[tuple[int, bool | None], Branches] = field(default_factory=dict)

    @classmethod
    def of(cls, trees: Trees, output: Output, x: DType = DType.F32, exact: bool = False) -> Self:
        """Encode an ensemble for an output and features of type x; `exact` sums have 64 bits."""
        asked = on_grid(trees, Grid(x))
        leaves = encode(asked, output, exact)
        fewer, code = merged(asked, leaves.code)
        return cls(fewer, replace(leaves, code=code), x)

    def branches(self, cut: int, ranked: bool = False) -> Branches:
        """The trees as lines of code: per tree its functions of at most `cut` splits, the first of them called."""
        if (cut, ranked) not in self.written:
            trees = self.ranks.trees if ranked and self.ranks else self.trees
            leaves = self.packed.leaves if self.packed else self.literals or self.leaves
            self.written[cut, ranked] = [parts(trees, leaves, int(root), cut) for root in trees.roots]
        return self.written[cut, ranked]

    def searches(self, cut: int) -> Branches:
        """The searches for ranks as lines of code, as `branches`."""
        assert self.ranks is not None
        if (cut, None) not in self.written:
            trees = self.ranks.searches
            leaves = Leaves("class", trees.leaf, len(trees.values))
            self.written[cut, None] = [parts(trees, leaves, int(root), cut) for root in trees.roots]
        return self.written[cut, None]

    @cached_property
    def distinct_splits(self) -> int:
        """How many splits compilers leave of branches (see layout.distinct)."""
        return sum(line.feature >= 0 for part in distinct(self.branches(forms.CUT)) for line in part)

    @cached_property
    def packed(self) -> Packed | None:
        """The votes of all classes in one number, for branches; None where there are no votes or they do not fit."""
        return packed(self.leaves, self.trees.n_trees)

    @cached_property
    def literals(self) -> Leaves | None:
        """The leaves as branches return them: the numbers themselves, where a sum takes 32 bits."""
        return combined.literals(self.trees, self.leaves)

    @cached_property
    def table(self) -> Table | None:
        """The trees as bytes; None where a tree has more than the 32,767 bytes that one object may have."""
        return self._packed_table(self.trees, self.x)

    @cached_property
    def ranks(self) -> Ranks | None:
        """The ranks of the features; None where they are bytes already, or a byte is too small."""
        return None if self.x == DType.U8 else ranked(self.trees, self.x)

    @cached_property
    def ranked_table(self) -> Table | None:
        """The trees over ranks as bytes; None where there are no ranks or a tree has too many bytes."""
        return self._packed_table(self.ranks.trees, DType.U8) if self.ranks else None

    def _packed_table(self, trees: Trees, x: DType) -> Table | None:
        """The trees as bytes, with the leaves' numbers in them where that takes no more than a table of these."""
        places = pack(trees, self.leaves, x)
        numbers = pack(trees, self.literals, x) if self.literals and places else None
        if places and numbers and numbers.nbytes <= places.nbytes + self.leaves.nbytes:
            return replace(numbers, numbers=True)
        return places


Branches = list[list[list[Line]]]  # per tree its functions, as lines


INTEGERS = ("numbers", "sums")
OF_PAIRS = 400  # bytes of the functions that make pairs of sums, about


def _bits(largest: int) -> int:
    """Bits of the narrowest unsigned type that counts to `largest`."""
    return 8 if largest < 256 else 16 if largest < 65536 else 32


def _scales(scale: float) -> list[str]:
    """The factors of a float product, each a normal float32 literal; a product of two where one would be too small."""
    from mcugen.templating import c_lit

    parts = [scale] if scale > 1e-30 else [scale * 2.0**100, 2.0**-100]
    return [c_lit(np.float32(p)) for p in parts]


def _table_ctype(leaves: Leaves) -> str:
    if leaves.kind in ("float", "median"):
        return "float"
    return f"int{8 * leaves.width}_t" if leaves.kind in INTEGERS and leaves.width in (1, 2, 4) else "uint8_t"


def _table_values(leaves: Leaves) -> Array:
    if leaves.kind not in INTEGERS or leaves.width in (1, 2, 4):
        return leaves.table
    raw = leaves.table.astype("<i8").view(np.uint8).reshape(-1, 8)
    return raw[:, : leaves.width].ravel()
