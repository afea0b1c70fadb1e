"""tree_ensemble: decision trees whose leaves are averaged, exact in every form."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Cost, Form, Op
from mcugen.ops.tree_ensemble import cost as costs
from mcugen.ops.tree_ensemble.layout import Line, Table, pack, parts
from mcugen.ops.tree_ensemble.leaves import Leaves, encode, merged
from mcugen.ops.tree_ensemble.probe import probe_rows
from mcugen.ops.tree_ensemble.trees import Trees

Output = Literal["label", "proba", "value"]


@dataclass(frozen=True, eq=False)
class TreeEnsemble(Op):
    """The mean over trees of the leaf that a row reaches: a class (`label`), probabilities (`proba`) or a number (`value`).

    Input `f32` of shape (features,). Outputs: label → a class index (`i32` scalar); proba → the class index and `f32`
    (classes,); value → `f32` scalar. Forms, all exact: `branches` (floats compared by their 32 bits), `branches16` (by
    their upper 16 bits first; AVR) and `table` (bytes in flash, walked by one loop).
    """

    name: ClassVar[str] = "tree_ensemble"

    trees: Trees
    output: Output
    form: str = ""

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.trees.n_features,), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error(
                "E0201", f"tree_ensemble takes {wanted}, not {found}", help="give the features as one row of float32"
            )
        index = TensorType((), DType.I32)
        if self.output == "value":
            return (TensorType((), DType.F32),)
        return (index, TensorType((self.trees.n_outputs,), DType.F32)) if self.output == "proba" else (index,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        scores = self.scores(inputs[0][np.newaxis, :])[0]
        if self.output == "value":
            return (np.asarray(scores[0], np.float32),)
        index = np.asarray(np.argmax(scores), np.int32)
        return (index, scores.astype(np.float32)) if self.output == "proba" else (index,)

    def scores(self, rows: Array) -> Array:
        """The mean leaf of each row as float64, shape (rows, outputs), summed tree by tree as scikit-learn does."""
        total = np.zeros((len(rows), self.trees.n_outputs))
        for leaves in self.trees.apply(rows):
            total += self.trees.values[leaves]
        return total / self.trees.n_trees

    def describe(self) -> str:
        form = f" form={self.form}" if self.form else ""
        return f"trees={self.trees.n_trees} nodes={len(self.trees.feature)} output={self.output}{form}"

    def sums(self) -> tuple[str, ...]:
        leaves = self.encodings.leaves
        kind = f"{leaves.kind} {leaves.total}{' counted' if leaves.units.size else ''}"
        return (kind, f"{self.output} {leaves.total}")

    def smaller(self) -> tuple[str, ...]:
        return ("train fewer or shallower trees (`n_estimators`, `max_depth`, `min_samples_leaf`)",)

    @cached_property
    def encodings(self) -> Encodings:
        """The leaves, the table and the branches, made once for all forms and boards."""
        return Encodings.of(self.trees, self.output)

    def forms(self, target: Target) -> tuple[Form, ...]:
        found = tuple(Form(name, self._cost(name, target)) for name in self._available(target))
        if not found:
            help = "fewer trees or `max_depth`; a board with a 32-bit processor has no such limit"
            raise error("E0303", "the tables of the model are larger than an 8-bit AVR can address", help=help)
        return found

    def with_form(self, form: Form, target: Target) -> Self:
        decided = replace(self, form=form.name)
        vars(decided)["encodings"] = self.encodings  # the same trees: nothing is encoded twice
        return decided

    def cost(self, target: Target, *inputs: TensorType) -> Cost:
        return self._cost(self.form, target) if self.form else Cost()

    def _available(self, target: Target) -> list[str]:
        table, leaves = self.encodings.table, self.encodings.leaves
        if target.board.arch != "avr":
            return ["branches", *(["table"] if table else [])]
        if leaves.nbytes > AVR_OBJECT:
            return []
        near = leaves.nbytes + (table.nbytes if table else 0) <= AVR_NEAR
        walked = ["table"] if near else ["table_far"]
        return ["branches", "branches16", *(walked if table else [])]

    def _cost(self, form: str, target: Target) -> Cost:
        return costs.estimate(self, form, target.board)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return (probe_rows(self.trees, limit, rng),)

    def render(self) -> dict[str, Any]:
        leaves, outputs = self.encodings.leaves, self.trees.n_outputs
        signed = self.output == "value"
        common = {
            "form": self.form,
            "output": self.output,
            "leaves": leaves,
            "outputs": outputs,
            "n_trees": self.trees.n_trees,
            "tree_bits": _bits(self.trees.n_trees),
            "class_bits": _bits(outputs),
            "code_bits": _bits(leaves.codes - 1),
            "signed": signed,
            "sum_ctype": "uint64_t" if leaves.kind == "wide" else f"{'' if signed else 'u'}int{leaves.total}_t",
            "scales": _scales(leaves.scale),
            "returns": "float" if signed else "int",
            "table_ctype": _table_ctype(leaves),
            "table_values": _table_values(leaves),
        }
        return common | (self._render_table() if self.form.startswith("table") else self._render_branches())

    def _render_branches(self) -> dict[str, Any]:
        named = {
            self._macro(line) for tree in self.encodings.branches for part in tree for line in part if line.feature >= 0
        }
        return {"trees": self.encodings.branches, "macros": sorted(named), "macro": self._macro}

    def _macro(self, line: Line) -> str:
        if line.bits == INFINITY and line.missing == "L":
            return "A"  # all go on, NaN too
        low = "0" if self.form == "branches16" and line.negative and line.bits & 0xFFFF == 0 else ""
        return f"{'N' if line.negative else ''}{line.missing}{low}"

    def _render_table(self) -> dict[str, Any]:
        table = self.encodings.table
        assert table is not None  # with_form is given an available form
        keys = table.keys >> np.int32(16) if table.halves else table.keys
        return {
            "table": table,
            "keys": keys,
            "negative": bool((table.keys < 0).any()),
            "feature_bits": _bits(max(table.features, default=0)),
        }


@dataclass(frozen=True, eq=False)
class Encodings:
    """The trees as each form has them. `trees` lacks the splits whose two sides give the same code."""

    trees: Trees
    leaves: Leaves
    counted: dict[str, Counter[str]] = field(default_factory=dict)  # by form, what cost.py counts: many boards ask

    @classmethod
    def of(cls, trees: Trees, output: Output) -> Self:
        """Encode an ensemble for an output."""
        leaves = encode(trees, output)
        fewer, code = merged(trees, leaves.code)
        return cls(fewer, replace(leaves, code=code))

    @cached_property
    def branches(self) -> list[list[list[Line]]]:
        """The trees as lines of code: per tree its functions, the first of them called."""
        return [parts(self.trees, self.leaves, int(root), SPLITS_PER_FUNCTION) for root in self.trees.roots]

    @cached_property
    def table(self) -> Table | None:
        """The trees as bytes; None where a tree has more than the 32,767 bytes that one object may have."""
        return pack(self.trees, self.leaves)


INFINITY = 0x7F800000
SPLITS_PER_FUNCTION = 32  # at most 80 B each on AVR: far under the 4 KiB that every short jump reaches
AVR_OBJECT = 32_767  # avr-gcc refuses larger objects
AVR_NEAR = 57_344  # of the 64 KiB that near reads reach; the rest is left to the core's and the sketch's own tables


def _bits(largest: int) -> int:
    """Bits of the narrowest unsigned type that counts to `largest`."""
    return 8 if largest < 256 else 16 if largest < 65536 else 32


def _scales(scale: float) -> list[str]:
    """The factors of a float product, each a normal float32 literal; a product of two where one would be too small."""
    from mcugen.templating import c_lit

    parts = [scale] if scale > 1e-30 else [scale * 2.0**100, 2.0**-100]
    return [c_lit(np.float32(p)) for p in parts]


def _table_ctype(leaves: Leaves) -> str:
    if leaves.kind == "float":
        return "float"
    return f"int{8 * leaves.width}_t" if leaves.kind == "numbers" and leaves.width in (1, 2, 4) else "uint8_t"


def _table_values(leaves: Leaves) -> Array:
    if leaves.kind != "numbers" or leaves.width in (1, 2, 4):
        return leaves.table
    raw = leaves.table.astype("<i8").view(np.uint8).reshape(-1, 8)
    return raw[:, : leaves.width].ravel()
