"""tree_ensemble: decision trees whose leaves are averaged, exact in every form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op
from mcugen.ops.tree_ensemble.trees import Trees

Output = Literal["label", "proba", "value"]


@dataclass(frozen=True, eq=False)
class TreeEnsemble(Op):
    """The mean over trees of the leaf that a row reaches: a class (`label`), probabilities (`proba`) or a number (`value`).

    Input `f32` of shape (features,). Outputs: label → a class index (`i32` scalar); proba → the class index and `f32`
    (classes,); value → `f32` scalar.
    """

    name: ClassVar[str] = "tree_ensemble"

    trees: Trees
    output: Output

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
        return f"trees={self.trees.n_trees} nodes={len(self.trees.feature)} output={self.output}"
