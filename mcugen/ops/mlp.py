"""mlp: layers of W x + b with ReLU between them, and what is made of the last: a class, probabilities, a number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.fixed import WIDTHS, sizes_of
from mcugen.frontends import Output
from mcugen.ir import Array, DType, TensorType
from mcugen.layers import Layers, Network
from mcugen.op import Form, Op, Work
from mcugen.pairs import pair_of
from mcugen.rows import single, sizes_of_features
from mcugen.tables import check_tables

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mlp(Op):
    """s = W_n relu(... relu(W_1 x + b_1) ...) + b_n, summed as integers from the row to the end, and then what `output` asks for.

    Input `f32` of shape (features,). Outputs: label → a class index (`i32` scalar), the sign of s where there is one row (s
    > 0 is class 1), else the first of the largest; proba → the index and the probabilities `f32` (classes,), a sigmoid of
    one row, the softmax of several; value → s as `f32` scalar; transform → s as `f32` (rows,), with `pairs` as sums of two
    floats (mcugen/pairs.py), `f32` (2 rows,). Two layers at least.
    """

    name: ClassVar[str] = "mlp"

    layers: Layers
    output: Output
    form: str = ""
    sizes: npt.NDArray[np.int64] | None = None
    reach: Floats | None = None
    pairs: bool = False

    @property
    def weighted(self) -> bool:
        return True

    @property
    def includes(self) -> tuple[str, ...]:  # type: ignore[override]  # only what this output needs
        return () if self.output == "label" else ("math.h",)

    @property
    def rows(self) -> int:
        """Rows of the last layer."""
        return len(self.layers.weights[-1])

    @property
    def features(self) -> int:
        """Features of a row."""
        return int(self.layers.weights[0].shape[1])

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        wanted = TensorType((self.features,), DType.F32)
        if inputs != (wanted,):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"mlp takes {wanted}, not {found}", help="give the features as one row of float32")
        index, number = TensorType((), DType.I32), TensorType((), DType.F32)
        return {
            "label": (index,),
            "proba": (index, TensorType((max(2, self.rows),), DType.F32)),
            "value": (number,),
            "transform": (TensorType((self.rows * (1 + self.pairs),), DType.F32),),
        }[self.output]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        return tuple(one[0] for one in self.answers(inputs[0][np.newaxis, :]))

    def answers(self, x: Array) -> tuple[Array, ...]:
        """The outputs for rows (n, features): with a form exactly the C's integers, and floats as near as float32 is."""
        rows = np.asarray(x, np.float32)
        if not self.form:
            return self._made(self.layers.scores(rows.astype(np.float64)))
        sums, exponents = self.fixed.sums(rows)
        with np.errstate(over="ignore"):
            return self._made(np.ldexp(sums.astype(np.float64), exponents[:, None]), sums)

    def _made(self, scores: Floats, decisive: Array | None = None) -> tuple[Array, ...]:
        if self.output == "value":
            return (scores[:, 0].astype(np.float32),)
        if self.output == "transform":
            return (np.concatenate(pair_of(scores), axis=1) if self.pairs else scores.astype(np.float32),)
        by: Any = scores if decisive is None else decisive
        index = np.asarray(by[:, 0] > 0 if self.rows == 1 else by.argmax(axis=1), np.int32)
        return (index,) if self.output == "label" else (index, _probabilities(scores))

    def describe(self) -> str:
        form = f" form={self.form}" if self.form else ""
        return f"rows={'-'.join(str(len(w)) for w in self.layers.weights)} output={self.output}{' pairs' * self.pairs}{form}"

    def macc(self, *inputs: TensorType) -> int:
        return sum(int(w.size) for w in self.layers.weights)

    def smaller(self) -> tuple[str, ...]:
        fewer = "train fewer units (`hidden_layer_sizes`)"
        return (fewer,) if self.form == "int8" else (fewer, "use `--numeric int16` or `int8`")

    @cached_property
    def fixed(self) -> Network:
        """The weights as integers, in the form that was decided."""
        return self.layers.fixed(WIDTHS[self.form], self.sizes, self.reach)  # type: ignore[index]  # a form is a Numeric

    def seen(self, *rows: Array) -> Self:
        """This op knowing rows of its input: they say how large each feature gets, and each hidden unit."""
        x = np.asarray(rows[0], np.float32)
        return replace(self, sizes=sizes_of(x), reach=self.layers.reach(x.astype(np.float64)))

    def forms(self, target: Target) -> tuple[Form, ...]:
        name = "float32" if target.numeric == "auto" else target.numeric
        return (Form(name, replace(self, form=name).cost(target)),)

    def with_form(self, form: Form, target: Target) -> Self:
        decided = replace(self, form=form.name)
        check_tables(decided.tables, target, decided.smaller())
        return decided

    @property
    def tables(self) -> list[int]:
        """Bytes of its largest tables in flash."""
        return [layer.weights.size * layer.width // 8 for layer in self.fixed.layers]

    def work(self, target: Target, *inputs: TensorType) -> Work | None:
        from mcugen.work import mlp

        return mlp.work(self, target) if self.form else None

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        """Rows as large as the first layer's weights are small, or as those that were seen; some a hundred times as large."""
        count = min(limit, 2_000)
        far = np.where(np.arange(count) % 10 == 0, 100.0, 1.0)[:, None]
        rows = rng.standard_normal((count, self.features)) * sizes_of_features(self.layers.weights[0], self.sizes) * far
        return (single(rows),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {"layers": self.fixed.layers, "output": self.output, "rows": self.rows, "pairs": self.pairs}


def _probabilities(scores: Floats) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        if scores.shape[1] == 1:
            one = 1 / (1 + np.exp(-scores))
            return np.concatenate([1 - one, one], axis=1).astype(np.float32)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
