"""Front-ends: a fitted estimator, a path or bytes, read into a module, with what is needed to ask the model itself."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc
from mcugen.ir import Array, Module


class Reference(Protocol):
    """A model asked itself, to prove the C against. Rows are (rows, features), cast to float32 as the C takes them."""

    @property
    def classifier(self) -> bool:
        """Whether there are classes; `labels` and `proba` answer then, else `values`."""
        ...

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        """The index of the predicted class of each row, (rows,)."""
        ...

    def proba(self, rows: Array) -> npt.NDArray[np.float64]:
        """The class probabilities, (rows, classes)."""
        ...

    def values(self, rows: Array) -> npt.NDArray[np.float64]:
        """A regressor's predictions, (rows,)."""
        ...

    def rounding(self, rows: Array) -> npt.NDArray[np.float64]:
        """How far each prediction may be off by the model's own float64 sums, (rows,): where numbers cancel, nothing else is left."""
        ...

    def gaps(self, rows: Array) -> npt.NDArray[np.float64]:
        """How far the best class is ahead of the second, (rows,): what is too near to be decided is not compared."""
        ...


@dataclass(frozen=True, eq=False)
class Source:
    """A model as it was read: its module, its own answers, where it came from, and notes for the user."""

    module: Module
    reference: Reference
    loc: Loc
    notes: tuple[str, ...] = ()


def read(model: object, *, name: str | None = None, output: str | None = None, allow_pickle: bool = False) -> Source:
    """Read a fitted estimator, a path or bytes. Raises E01xx and E03xx with the place and the way out.

    `name` becomes the prefix of every C symbol (E0111); by default it is made from the file's name.
    """
    from mcugen.frontends.files import read_model
    from mcugen.frontends.sklearn import read_estimator
    from mcugen.frontends.sklearn.reference import SklearnReference
    from mcugen.names import check_name, suggest_name

    chosen = check_name(name) if name is not None else None
    if not isinstance(model, str | os.PathLike | bytes | bytearray | memoryview):
        loc = Loc("", type(model).__name__)
        return Source(read_estimator(model, chosen or "model", output, loc), SklearnReference(model), loc)
    stem = Path(os.fsdecode(model)).stem if isinstance(model, str | os.PathLike) else "model"
    loaded = read_model(model, allow_pickle=allow_pickle)
    module = read_estimator(loaded.estimator, chosen or suggest_name(stem), output, loaded.loc)
    return Source(module, SklearnReference(loaded.estimator), loaded.loc, loaded.notes)
