"""Front-ends: a fitted estimator, a path or bytes, read into a module, with what is needed to ask the model itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.ir import Array, DType, Module, Storage

if TYPE_CHECKING:
    from mcugen.frontends.files import LoadedModel

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
        """The index of the predicted class of each row, (rows,); of each of its answers (rows, answers)."""
        ...

    def numbers(self, what: Output, rows: Array) -> npt.NDArray[np.float64]:
        """The answers that are numbers: proba and decision (rows, classes or 1), value (rows,), transform (rows, outputs); of a
        regressor of several values (rows, values).
        """
        ...

    def rounding(self, rows: Array) -> npt.NDArray[np.float64]:
        """How far each prediction may be off by the model's own float64 sums, (rows,), or each of its values, (rows, values): where
        numbers cancel, nothing else is left.
        """
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
    exported_live: int | None = None  # bytes of an ONNX graph's tensors at its largest node, as it was exported


def read(
    model: object,
    *,
    name: str | None = None,
    output: str | None = None,
    input: DType = DType.F32,
    allow_pickle: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Source:
    """Read a fitted estimator, a path or bytes. Raises E01xx and E03xx with the place and the way out.

    `name` becomes the prefix of every C symbol (E0111); by default it is made from the file's name. `input` is the element
    type of the rows that the C takes; `shapes` those of an ONNX graph's inputs that it leaves open.
    """
    from mcugen.frontends.files import read_model
    from mcugen.frontends.sklearn import read_estimator, reference_of
    from mcugen.names import check_name, suggest_name

    chosen = check_name(name) if name is not None else None
    if type(model).__name__ == "ModelProto":
        model = model.SerializeToString()  # type: ignore[attr-defined]  # read as a file is, checks and all
    if not isinstance(model, str | os.PathLike | bytes | bytearray | memoryview):
        loc = Loc("", type(model).__name__)
        return Source(read_estimator(model, chosen or "model", output, loc, input), reference_of(model, loc), loc)
    stem = Path(os.fsdecode(model)).stem if isinstance(model, str | os.PathLike) else "model"
    loaded = read_model(model, allow_pickle=allow_pickle)
    if type(loaded.estimator).__name__ == "ModelProto":
        if input is not DType.F32:
            help = "leave --input out; a quantised graph has integer inputs of its own"
            raise error("E0112", "an ONNX graph says itself what its inputs are made of", help=help, loc=loaded.loc)
        return _network(loaded, chosen or suggest_name(stem), output, shapes or {})
    if shapes:
        raise error("E0112", "shapes are for ONNX graphs", help="leave --shape out", loc=loaded.loc)
    module = read_estimator(loaded.estimator, chosen or suggest_name(stem), output, loaded.loc, input)
    return Source(module, reference_of(loaded.estimator, loaded.loc), loaded.loc, loaded.notes)


def _network(loaded: LoadedModel, name: str, output: str | None, shapes: Mapping[str, Sequence[int]]) -> Source:
    """An ONNX graph: all of its outputs, or what a classical model would be asked for; E0304 where it has nothing like it."""
    from mcugen.frontends.onnx import read_graph
    from mcugen.frontends.onnx_file import with_shapes
    from mcugen.frontends.onnx_planning import exported_live
    from mcugen.frontends.onnx_reference import OnnxReference

    model = with_shapes(loaded.estimator, shapes, loaded.loc)
    module = read_graph(model, name, loaded.loc, output)
    if not module.predict.of(Storage.INPUT):
        text = "the graph has no inputs: its answers are constants"
        raise error("E0302", text, help="export the model with what changes as an input", loc=loaded.loc)
    reference = OnnxReference(model, module, loaded.loc)
    return Source(module, reference, loaded.loc, loaded.notes, exported_live(model))
