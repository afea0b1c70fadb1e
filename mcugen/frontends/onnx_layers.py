"""A quantised graph and the integers that it became: every layer beside onnxruntime's own, and the whole in NumPy.

onnxruntime works out a quantised layer in floats and rounds; ours is whole numbers from end to end. Where a sum lies halfway between
two steps the two may differ by one, and what follows may make more of it. So each layer is given onnxruntime's own input and has
to answer within one step of it, and the C has to give the bits of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.diagnostics import error
from mcugen.evaluate import evaluate
from mcugen.frontends.onnx_reference import OnnxReference
from mcugen.ir import Array, DType, Module, Node, Storage, TensorType
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.join import Join
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.reshape import Reshape
from mcugen.ops.resize_rows import ResizeRows

if TYPE_CHECKING:
    from mcugen.frontends import Output

LAYERS = (ConvRows, PoolRows, ResizeRows, AddScaled, Join)
STEP = 1  # how far a layer of integers may be off
CLOSE = 1e-5  # of the largest number of a layer of floats
ROWS = 8  # on which layers are compared


@dataclass(frozen=True)
class Beside:
    """A layer beside onnxruntime's: its tensor there, its op, the largest difference (of integers in steps), and how many elements
    differ: floats by more than 1e-5 of the largest of them.
    """

    name: str
    op: str
    largest: float
    differ: int
    of: int


class LayerReference(OnnxReference):
    """The answers of the module's own integers, after its layers were found to be onnxruntime's."""

    def __init__(self, model: OnnxReference, module: Module) -> None:
        super().__init__(model.model, model.module, model.loc)
        self.whole, self.lowered = model, module
        self._compared = False
        self.note = ""

    def rounding(self, rows: Array) -> npt.NDArray[np.float64]:
        """A step where floats were quantised at the end; else what floats leave open."""
        graph = self.lowered.predict
        ends = [v for v in graph.of(Storage.OUTPUT) if v.type.dtype.limits is not None]
        if any(not _is_layer(self.lowered, self._maker(v.name)) for v in ends):
            return np.ones(len(rows))
        return np.zeros(len(rows)) if len(ends) == len(graph.of(Storage.OUTPUT)) else super().rounding(rows)

    def numbers(self, what: Output, rows: Array) -> npt.NDArray[np.float64]:
        if not self._compared:
            self._require([one for one in self.layers(rows[:ROWS]) if one.name in self._integers])
            self._compared = True
        found = super().numbers(what, rows)
        theirs = self.whole.numbers(what, rows)
        other = (found != theirs).any(axis=1)
        self.note = (
            f"every layer within {STEP} step of the model's; in the end {int(other.sum()):,} of {len(rows):,} rows differ from its "
            f"answers, by {np.abs(found - theirs).max():g} at most"
        )
        return found

    def layers(self, rows: Array) -> list[Beside]:
        """Every layer on onnxruntime's own input, over all rows (n, features)."""
        graph = self.lowered.predict
        nodes = [node for node in graph.nodes if isinstance(node.op, LAYERS) and self._tensor(node.name)]
        found = {n.name: Beside(self._tensor(n.name), n.op.name, 0.0, 0, 0) for n in nodes}
        for i in range(len(rows)):
            theirs = self._tensors([one[i] for one in self.module.split(rows)])
            for node in nodes:
                given = {name: one for name, one in theirs.items() if name != node.name}
                wanted = theirs[node.name].astype(np.float64)
                off = np.abs(evaluate(graph, given, (node.name,))[node.name].astype(np.float64) - wanted)
                allowed = 0.0 if _is_layer(self.lowered, node) else CLOSE * np.abs(wanted).max()
                last, differ = found[node.name], int((off > allowed).sum())
                largest = max(last.largest, float(off.max()))
                found[node.name] = replace(last, largest=largest, differ=last.differ + differ, of=last.of + off.size)
        return [*found.values()]

    def _ask(self, inputs: dict[str, Array]) -> Any:
        graph = self.lowered.predict
        names = [v.name for v in graph.of(Storage.INPUT)]
        given = dict(zip(names, inputs.values(), strict=True))
        return [*evaluate(graph, given).values()]

    def _require(self, found: list[Beside]) -> None:
        """E0801 where a layer is no layer of the model's."""
        wrong = [one for one in found if one.largest > STEP]
        if wrong:
            notes = [
                f"{one.name} ({one.op}): {one.differ:,} of {one.of:,} differ, by {one.largest:g} at most"
                for one in wrong[:5]
            ]
            text = f"{len(wrong)} of {len(found)} integer layers are more than {STEP} step away from onnxruntime's"
            help = "do not use this C, and please report the model that led to it"
            raise error("E0801", text, help=help, notes=notes, loc=self.loc)

    def _tensor(self, name: str) -> str:
        """The ONNX tensor that a value is, pixel-major or not; empty where it is none."""
        plain = name.removesuffix("_rows")
        return next((one for one in (name, plain, plain.removesuffix("_signed")) if one in self._known), "")

    @cached_property
    def _known(self) -> frozenset[str]:
        """The tensors of the ONNX graph that nodes make."""
        return frozenset(name for node in self.model.graph.node for name in node.output if name)

    @cached_property
    def _integers(self) -> frozenset[str]:
        """Those that layers of integers make."""
        graph = self.lowered.predict
        return frozenset(self._tensor(node.name) for node in graph.nodes if _is_layer(self.lowered, node))

    def _maker(self, name: str) -> Node | None:
        graph = self.lowered.predict
        node = graph.nodes[graph.producer[name]] if name in graph.producer else None
        return self._maker(node.inputs[0]) if node is not None and node.op.view else node

    @cached_property
    def _wide(self) -> OnnxReference:
        """The model with the tensors of all layers, and those that they take, as outputs."""
        import onnx

        wide = onnx.ModelProto()
        wide.CopyFrom(self.model)
        have = {value.name for value in wide.graph.output}
        names = {self._tensor(name) for name in self.lowered.predict.values} - have - {""}
        wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names))
        return OnnxReference(wide, self.module, self.loc)

    def _tensors(self, inputs: list[Array]) -> dict[str, Array]:
        """onnxruntime's integer tensors for one row as the lowered graph's values, and the graph's inputs."""
        graph = self.lowered.predict
        found = dict(zip((v.name for v in graph.of(Storage.INPUT)), inputs, strict=True))
        names = [value.name for value in self._wide.model.graph.output]
        given = dict(zip(names, self._wide._run(inputs), strict=True))
        for value in graph.values.values():
            theirs = given.get(self._tensor(value.name))
            if theirs is not None and value.storage is not Storage.CONST:
                found[value.name] = _as(np.asarray(theirs), self._is_twin(value.name), value.type)
        return found

    def _is_twin(self, name: str) -> bool:
        """Whether a value that `_tensor` knows is that tensor pixel by pixel; it is not where one is a mere view of the other."""
        graph = self.lowered.predict
        pair = {name, self._tensor(name)}
        makers = [graph.nodes[graph.producer[one]] for one in pair if one in graph.producer]
        viewed = any(isinstance(node.op, Reshape) and node.inputs[0] in pair for node in makers)
        return name.endswith("_rows") and len(pair) == 2 and not viewed


def _as(theirs: Array, twin: bool, kind: TensorType) -> Array:
    """A tensor as a value has it: pixel-major where that is its twin, 128 less where it is an `i8` that was an `u8`."""
    if theirs.dtype == np.uint8 and kind.dtype is DType.I8:
        theirs = (theirs.astype(np.int16) - 128).astype(np.int8)
    return (np.moveaxis(theirs, 1, -1) if twin and theirs.ndim in (3, 4) else theirs).reshape(kind.shape)


def reference_for(model: OnnxReference, module: Module, target: Target) -> OnnxReference:
    """What the C of a module is compared with: where layers of it become integers, these, before any other pass."""
    module = _lowered(module, target)
    return LayerReference(model, module) if any(_is_layer(module, node) for node in module.predict.nodes) else model


def _is_layer(module: Module, node: Node | None) -> bool:
    """Whether a node is a layer of integers."""
    return node is not None and isinstance(node.op, LAYERS) and module.predict.values[node.name].type.dtype is DType.I8


def compare_layers(model: OnnxReference, module: Module, target: Target, rows: Array) -> list[Beside]:
    """Every layer that a module has for a target beside the model's own, over rows (n, features)."""
    return LayerReference(model, _lowered(module, target)).layers(rows)


def _lowered(module: Module, target: Target) -> Module:
    """The module with its layers, and nothing that a later pass does."""
    from mcugen.passes.dead_code import dead_code
    from mcugen.passes.layers import layers

    return dead_code(layers(module, target), target)
