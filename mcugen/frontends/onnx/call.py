"""A node of an ONNX graph as a converter sees it: its inputs, constant or not, its attributes, and the graph that it is added
to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mcugen.diagnostics import Diagnostic, Loc, McugenError, error
from mcugen.ir import Array, DType, GraphBuilder, Label, TensorType
from mcugen.op import Op

MOST_ELEMENTS = 1 << 26  # of a tensor that is worked out here: a board's flash is a hundred times smaller
MOST_LIVE = 1 << 24  # of a tensor that lies in RAM
Operand = str | Array  # a value that the C works out, by name, or one that is known here


@dataclass(frozen=True)
class Classes:
    """Labels that a value holds: the value with their indices, and the labels by index."""

    index: str
    labels: tuple[Label, ...]

    @property
    def text(self) -> bool:
        """Whether they are text, which the C knows by its index alone."""
        return any(isinstance(label, str) for label in self.labels)


@dataclass
class Tensors:
    """The graph that is being made, and what is known of ONNX's names: arrays, or values of the graph."""

    builder: GraphBuilder
    known: dict[str, Operand] = field(default_factory=dict)
    classes: dict[str, Classes] = field(default_factory=dict)
    outside: frozenset[str] = frozenset()  # what the caller gives and gets
    _constants: dict[int, str] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _kept: list[Array] = field(default_factory=list)

    def named(self, name: str, data: Array) -> None:
        """An array that ONNX has a name for: as a constant in flash it keeps it."""
        self.known[name] = data
        self._names[id(data)] = name
        self._kept.append(data)  # so that no other array gets its id

    def is_class(self, value: Operand, index: Operand, labels: tuple[Label, ...]) -> None:
        """Say that a value holds labels."""
        if isinstance(value, str) and isinstance(index, str):
            self.classes[value] = Classes(index, labels)

    def same_classes(self, old: Operand, new: Operand) -> None:
        """Say that a value holds the labels that another does, under another shape or type."""
        if isinstance(old, str) and isinstance(new, str) and old in self.classes:
            self.classes[new] = self.classes[old]

    def is_text(self, operand: Operand | None) -> bool:
        """Whether ONNX has text where the C has the indices of labels."""
        return isinstance(operand, str) and operand in self.classes and self.classes[operand].text

    def type_of(self, operand: Operand) -> TensorType:
        """The type of an operand."""
        if isinstance(operand, str):
            return self.builder.type_of(operand)
        return TensorType(operand.shape, DType.of(operand.dtype))

    def value(self, operand: Operand) -> str:
        """The operand as a value of the graph: an array becomes a constant in flash, once."""
        if isinstance(operand, str):
            return operand
        if id(operand) not in self._constants:
            self._kept.append(operand)
            called = self.free(self._names.get(id(operand), "constant"))
            self._constants[id(operand)] = self.builder.const(called, operand)
        return self._constants[id(operand)]

    def free(self, stem: str) -> str:
        """A name that no value has yet."""
        return self.builder.free(stem)


@dataclass
class Call:
    """One node: its op, its operands (None where one is left out), its attributes, and the version of its operator set."""

    op: str
    name: str
    version: int
    operands: Sequence[Operand | None]
    attributes: Mapping[str, Any]
    outputs: Sequence[str]
    tensors: Tensors
    loc: Loc

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute as Python or NumPy has it."""
        return self.attributes.get(name, default)

    def has(self, i: int) -> bool:
        """Whether there is an operand i."""
        return i < len(self.operands) and self.operands[i] is not None

    def operand(self, i: int) -> Operand:
        """Operand i; E0302 where it is left out."""
        found = self.operands[i] if i < len(self.operands) else None
        if found is None:
            raise self.refused(f"input {i} is missing", "export the model again: the operator needs this input")
        return found

    def type(self, i: int) -> TensorType:
        """The type of operand i."""
        return self.tensors.type_of(self.operand(i))

    def constant(self, i: int, what: str, default: Any = None) -> Any:
        """Operand i as an array that is known here; the default where it is left out. E0302 where only the C knows it."""
        if not self.has(i):
            return default
        found: Operand | None = self.operand(i)
        if isinstance(found, str):
            found = self.tensors.builder.known(found)  # quantisers write constants as integers, too
        if found is None:
            help = f"make {what} a constant: an initializer, or what `onnxsim` or the exporter folds into one"
            raise self.refused(f"{what} is known only when the model runs", help)
        return found

    def integers(self, i: int, attribute: str, default: Any = None) -> list[int] | None:
        """A list of integers that older operator sets have as an attribute and newer ones as operand i."""
        if attribute in self.attributes:
            return [int(v) for v in np.atleast_1d(self.attributes[attribute])]
        found = self.constant(i, f"`{attribute}`")
        return default if found is None else [int(v) for v in np.ravel(found)]

    def axis(self, given: int, rank: int) -> int:
        """An axis counted from the front; E0302 where there is none like it."""
        if not -rank <= given < rank:
            raise self.refused(f"axis {given} of a tensor with {rank} axes", "export the model again")
        return int(given) % rank if rank else 0

    def bounded(self, *counts: int) -> None:
        """E0303 for more elements than are worked out here."""
        if max(counts, default=0) > MOST_ELEMENTS:
            text = f"it makes {max(counts):,} elements; mcugen takes {MOST_ELEMENTS:,} at most"
            raise self.refused(text, "export a smaller network", "E0303")

    def add(self, op: Op, *operands: Operand) -> Operand:
        """The only result of an op; worked out here where every operand is known."""
        (found,) = self.add_all(op, *operands)
        return found

    def add_all(self, op: Op, *operands: Operand) -> list[Operand]:
        """The results of an op."""
        if all(not isinstance(one, str) for one in operands):
            try:
                types = op.infer(*(self.tensors.type_of(one) for one in operands))
            except McugenError as problem:
                raise McugenError(_at(d, self.loc) for d in problem.diagnostics) from problem
            self.bounded(*(kind.size for kind in types))
            return [np.asarray(one) for one in op.evaluate(*(np.asarray(one) for one in operands))]
        return [*self._added(op, *operands)]

    def add_here(self, op: Op, *operands: Operand) -> Operand:
        """The only result of an op as a node of the graph, even where every operand is known."""
        (found,) = self._added(op, *operands)
        return found

    def _added(self, op: Op, *operands: Operand) -> tuple[str, ...]:
        names = [self.tensors.value(one) for one in operands]
        made = self.tensors.builder.add(op, *names, loc=self.loc)
        for name in made:
            require_small(self.tensors.builder.type_of(name), self.op, self.loc)
        return made

    def gives(self, *results: Operand) -> None:
        """What the node's outputs are, in their order; those that nobody has named are dropped."""
        for name, result in zip(self.outputs, results, strict=False):
            if name:
                self.tensors.known[name] = result

    def refused(self, problem: str, help: str, code: str = "E0302") -> McugenError:
        """A diagnostic of this node."""
        return error(code, f"{self.op}: {problem}", help=help, loc=self.loc)


def require_small(kind: TensorType, what: str, loc: Loc) -> None:
    """E0303 for a tensor that no board has the RAM for, by far: of a size from a damaged file."""
    if kind.size > MOST_LIVE:
        text = f"{what}: {kind.size:,} elements; mcugen takes {MOST_LIVE:,} at most"
        raise error("E0303", text, help="check the shapes of the exported model, and --shape", loc=loc)


def _at(found: Diagnostic, loc: Loc) -> Diagnostic:
    from dataclasses import replace

    return found if str(found.loc) else replace(found, loc=loc)
