"""Front-ends: a fitted estimator, a path or bytes, read into a module, with what is needed to ask the model itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc
from mcugen.ir import Array, DType, Module

Output = Literal["label", "proba", "decision", "value", "transform"]


class Reference(Protocol):
    """A model asked itself, to prove the C against. Rows are (rows, features), cast to float32 as the C takes them."""

    @property
    def tolerance(self) -> float:
        """How far the C's numbers may be off: part of the model's, or of 1 where they are smaller; of a probability absolute."""
        ...

    @property
    def relative(self) -> bool:
        """Whether values are compared relative to themselves, however small; else those below 1 in absolute terms."""
        ...

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The index of the predicted class of each row, (rows,)."""
        ...

    def numbers(self, what: Output, rows: Array) -> npt.NDArray[np.float64]:
        """The answers that are numbers: proba and decision (rows, classes or 1), value (rows,), transform (rows, outputs)."""
        ...

    def rounding(self, rows: Array) -> npt.NDArray[np.float64]:
        """How far each prediction may be off by the model's own float64 sums, (rows,): where numbers cancel, nothing else is left."""
        ...

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose class hangs on the rounding of the model's own sums, (rows,): they are counted and not compared."""
        ...

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows that the model itself answers, (rows,); most refuse missing values and infinities."""
        ...


@dataclass(frozen=True, eq=False)
class Source:
    """A model as it was read: its module, its own answers, where it came from, and notes for the user."""

    module: Module
    reference: Reference
    loc: Loc
    notes: tuple[str, ...] = ()


def read(
    model: object,
    *,
    name: str | None = None,
    output: str | None = None,
    input: DType = DType.F32,
    allow_pickle: bool = False,
) -> Source:
    """Read a fitted estimator, a path or bytes. Raises E01xx and E03xx with the place and the way out.

    `name` becomes the prefix of every C symbol (E0111); by default it is made from the file's name. `input` is the element
    type of the rows that the C takes.
    """
    from mcugen.frontends.files import read_model
    from mcugen.frontends.sklearn import read_estimator, reference_of
    from mcugen.names import check_name, suggest_name

    chosen = check_name(name) if name is not None else None
    if not isinstance(model, str | os.PathLike | bytes | bytearray | memoryview):
        loc = Loc("", type(model).__name__)
        return Source(read_estimator(model, chosen or "model", output, loc, input), reference_of(model, loc), loc)
    stem = Path(os.fsdecode(model)).stem if isinstance(model, str | os.PathLike) else "model"
    loaded = read_model(model, allow_pickle=allow_pickle)
    module = read_estimator(loaded.estimator, chosen or suggest_name(stem), output, loaded.loc, input)
    return Source(module, reference_of(loaded.estimator, loaded.loc), loaded.loc, loaded.notes)
