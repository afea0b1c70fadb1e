"""leaf_sums: the means of what the leaves of several trees hold, where a leaf holds several numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, TensorType
from mcugen.op import Form, Work
from mcugen.rows import Numbers, RowOp, single
from mcugen.tables import check_tables
from mcugen.work.loops import loop

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SHORT, LONG = 15, 31  # binary digits of a number in flash
ENOUGH = 2e-6  # of the smallest mean that counts: what rounding may move it by


@dataclass(frozen=True, eq=False)
class LeafSums(RowOp):
    """y[j] = the mean of values[x[t]][j] over all trees t, added up as integers, so exactly in any order.

    values (rows, outputs) float64; x holds a row of them for each tree, as `tree_ensemble` gives it for `leaves`. Input `f32`
    (trees,), output `f32` (outputs,). Every column has a scale of its own: 15 binary digits where these hold all its numbers, 31
    where a mean is off by 2e-6 of itself (of 1 where it is smaller) at most, else as many as 64 bits hold.
    """

    name: ClassVar[str] = "leaf_sums"

    trees: int
    values: Floats

    @property
    def width(self) -> int:
        return self.trees

    @property
    def height(self) -> int:
        return int(self.values.shape[1])

    @cached_property
    def bits(self) -> int:
        """Binary digits of a number."""
        found = next((bits for bits in (SHORT, LONG) if (self._rounded(bits) == self.values).all()), 0)
        return found or (LONG if self._is_enough() else 61 - self.trees.bit_length())

    @cached_property
    def exponents(self) -> npt.NDArray[np.int32]:
        """Of each column that of its largest number, (outputs,)."""
        return np.asarray(np.frexp(np.abs(self.values).max(axis=0))[1], np.int32)

    @cached_property
    def integers(self) -> Integers:
        """The numbers (rows, outputs), in units of 2^(exponent - bits)."""
        most = (1 << self.bits) - 1
        return np.clip(np.rint(np.ldexp(self.values, self.bits - self.exponents)), -most, most).astype(np.int64)

    def _rounded(self, bits: int) -> Floats:
        most = (1 << bits) - 1
        integers = np.clip(np.rint(np.ldexp(self.values, bits - self.exponents)), -most, most)
        return np.asarray(np.ldexp(integers, self.exponents - bits))

    def _is_enough(self) -> bool:
        """Whether 31 digits are: beside the means that count, which lie between all numbers of a column."""
        size = np.abs(self.values)
        largest, one_sign = size.max(axis=0), (self.values > 0).all(axis=0) | (self.values < 0).all(axis=0)
        smallest = np.maximum(np.minimum(1.0, largest), np.where(one_sign, size.min(axis=0), 0.0))
        return bool((largest * 2.0**-LONG <= ENOUGH * smallest).all())

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        sums = self.integers[np.asarray(inputs[0]).astype(np.int64)].sum(axis=0)
        return ((sums.astype(np.float32) * single(2.0**-self.bits / self.trees)) * self._scale,)

    @property
    def _scale(self) -> npt.NDArray[np.float32]:
        return single(np.ldexp(1.0, self.exponents))

    def describe(self) -> str:
        return f"trees={self.trees} rows={len(self.values)} outputs={self.height}"

    def smaller(self) -> tuple[str, ...]:
        return ("train fewer or shallower trees (`n_estimators`, `max_depth`, `min_samples_leaf`)",)

    def forms(self, target: Target) -> tuple[Form, ...]:
        check_tables([self._table], target, self.smaller())
        return ()

    @property
    def _table(self) -> int:
        """Bytes of the numbers in flash."""
        return self.values.size * (2 if self.bits == SHORT else 4 if self.bits == LONG else 8)

    def work(self, target: Target, *inputs: TensorType) -> Work:
        kind = str(self.bits if self.bits in (SHORT, LONG) else 61)
        tables = self._table + Numbers(self._scale).nbytes
        several = float(self.trees > 1)  # the sums of one tree are its numbers: no array, hardly a loop
        more = {f"sums {kind}": several * self.trees * self.height, f"trees {kind}": several * self.trees}
        kinds = (f"several {kind}",) if several else ()
        array = int(several) * (4 if self.bits == SHORT else 8) * self.height
        return loop(self.height, kind, kinds=kinds, tables=tables, more=more, array=array)

    def probe(self, limit: int, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.integers(len(self.values), size=(min(limit, 500), self.trees)).astype(np.float32),)

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        halves = np.stack([self.integers >> 31, self.integers & 0x7FFFFFFF], axis=-1)
        return {
            "trees": self.trees,
            "outputs": self.height,
            "wide": self.bits > LONG,
            "entry": 16 if self.bits == SHORT else 32,
            "sum": 32 if self.bits == SHORT and self.trees < 1 << 16 else 64,
            "numbers": (halves if self.bits > LONG else self.integers).ravel(),
            "unit": single(2.0**-self.bits / self.trees),
            "scale": Numbers(self._scale),
        }
