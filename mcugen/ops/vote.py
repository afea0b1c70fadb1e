"""vote: the class that most members of an ensemble name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op, Work
from mcugen.templating import c_floats
from mcugen.work import joined
from mcugen.work.loops import loop

INDEX = TensorType((), DType.I32)


@dataclass(frozen=True, eq=False)
class Vote(Op):
    """The class with the most weight of the members that name it; the first where several have it.

    Inputs: a class index each (`i32`), 1 to 126. Output: a class index (`i32`). codes says per member which class each of its
    indices stands for; weights are float32, and all 1 where votes are counted.
    """

    name: ClassVar[str] = "vote"

    classes: int
    codes: tuple[tuple[int, ...], ...]
    weights: npt.NDArray[np.float32]

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        if inputs != (INDEX,) * len(self.codes):
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error("E0201", f"vote takes {len(self.codes)} class indices, not {found}", help="give it i32 numbers")
        return (INDEX,)

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        total = np.zeros(self.classes, np.float32)
        for member, index in enumerate(inputs):
            total[self.codes[member][int(index)]] += self.weights[member]
        return (np.asarray(total.argmax(), np.int32),)

    def describe(self) -> str:
        return f"members={len(self.codes)} classes={self.classes}{'' if self.counted else ' weighted'}"

    @property
    def counted(self) -> bool:
        """Whether every vote weighs the same."""
        return bool((self.weights == 1).all())

    def work(self, target: Target, *inputs: TensorType) -> Work:
        plain = (*range(self.classes),)
        tables = {codes for codes in self.codes if codes != plain}
        kind = "counted" if self.counted else "weighted"
        coded = sum(codes != plain for codes in self.codes)
        found = loop(
            self.classes, kinds=(kind,), each=f"classes {kind}", array=self.classes * (1 if self.counted else 4)
        )
        members = {f"members {kind}": float(len(self.codes)), "coded": float(coded)}
        size = sum(map(len, tables)) * (1 if self.classes < 256 else 2)
        more = {f"weights {len(set(self.weights.tolist())) > 1}": float(len(self.codes))} if not self.counted else {}
        return joined(found, Work(size, members | more, members, {f"members {kind}": float(len(self.codes))}))

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        plain = (*range(self.classes),)
        tables = [*dict.fromkeys(codes for codes in self.codes if codes != plain)]
        return {
            "classes": self.classes,
            "tables": tables,
            "table_of": [tables.index(codes) if codes in tables else None for codes in self.codes],
            "weights": None if self.counted else [*c_floats(self.weights)],
        }
