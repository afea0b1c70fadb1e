"""Constant channels: what a layer gives without looking at its input is not computed, stored or multiplied.

Trained networks have channels whose weights are all 0, or whose sums stay below every bound (a ReLU that lets nothing through).
Such a channel of a layer goes, and the biases of the layers that take it get its part. A channel whose every weight in the layers
after it is 0 goes likewise. Where the layer after it pads, the constant has to be what it pads with: at an edge a sum has fewer parts.
In integers that is exact. In floats only zeros go, which change no sum of finite numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mcugen.boards import Target
from mcugen.ir import Array, Graph, Module, Node, Storage
from mcugen.ops.add_scaled import AddScaled
from mcugen.ops.add_steps import AddSteps
from mcugen.ops.conv_rows import ConvRows
from mcugen.ops.pool_rows import PoolRows
from mcugen.ops.reshape import Reshape
from mcugen.rewrite import Rewriting
from mcugen.windows import Window

Mask = npt.NDArray[np.bool_]
TOGETHER = 4  # channels that kernels work out together: as many are left as make whole groups
ONE = Window(1, 1)
LARGEST, LEAST = 127, -128  # of an `i8`


def constant_channels(module: Module, target: Target) -> Module:
    """The module without channels of `conv_rows` that are constant, and exact without them."""
    return module.map(_without)


def _without(graph: Graph) -> Graph:
    if not any(isinstance(node.op, ConvRows) for node in graph.nodes):
        return graph
    channels = Channels(graph)
    gone = channels.needless()
    return _rewritten(graph, channels, gone) if any(mask.any() for mask in gone.values()) else graph


@dataclass
class Tables:
    """The tables of a layer: weights (M, kernel, kernel, C / groups) in float64, bias (M,), and whatever comes after these."""

    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    factors: tuple[Array, ...]


@dataclass
class Channels:
    """What is known of every value with channels: of value (..., k * C) which of the C are constant, and what they are."""

    graph: Graph
    constant: dict[str, Mask] = field(init=False, default_factory=dict)
    numbers: dict[str, Array] = field(init=False, default_factory=dict)
    tables: dict[str, Tables] = field(init=False, default_factory=dict)  # of layers, by what they make

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            found = self._of(node)
            if found is not None:
                self.constant[node.name], self.numbers[node.name] = found

    def _of(self, node: Node) -> tuple[Mask, Array] | None:
        if isinstance(node.op, ConvRows):
            self.tables[node.name] = self._tables(node, node.op)
            return self._depthwise(node, node.op) if node.op.depthwise else self._dense(node, node.op)
        count = self._count(node)
        if count is None:
            return None
        if isinstance(node.op, Reshape):
            return self.constant[node.inputs[0]], self.numbers[node.inputs[0]]
        known = np.logical_and.reduce([self.constant[name] for name in node.inputs])
        return self._uniform(node, known)

    def _count(self, node: Node) -> int | None:
        """The channels of what a node without weights makes of channels; None where it mixes them."""
        if not all(name in self.constant for name in node.inputs) or not node.inputs:
            return None
        counts = {len(self.constant[name]) for name in node.inputs}
        shape = self.graph.values[node.name].type.shape
        if not shape:
            return None
        last = shape[-1]
        whole = isinstance(node.op, PoolRows | AddScaled | AddSteps) and counts == {last}
        if not (whole or (isinstance(node.op, Reshape) and last % min(counts) == 0)):
            return None
        return min(counts)

    def _tables(self, node: Node, op: ConvRows) -> Tables:
        data = [np.asarray(self.graph.values[name].data) for name in node.inputs[1 + op.adds :]]
        tables = Tables(data[0].astype(np.float64), data[1].astype(np.float64), tuple(data[2:]))
        if tables.factors:
            self._settle(tables, op)
        return tables

    def _settle(self, tables: Tables, op: ConvRows) -> None:
        """Rows of integers whose sums are all out of bounds, or all of one step, lose their weights."""
        flat = tables.weights.reshape(len(tables.weights), -1)
        high, low = (flat * (LARGEST - op.zero)).clip(0), (flat * (LEAST - op.zero)).clip(0)
        below, above = (flat * (LARGEST - op.zero)).clip(None, 0), (flat * (LEAST - op.zero)).clip(None, 0)
        ends = [tables.bias + one.sum(axis=1) for one in (below + above, high + low)]
        least, most = (_steps(op, end, tables.factors[0]) for end in ends)
        same = (least == most) & (np.abs(ends[0]) < 2.0**31)
        tables.weights[same] = 0
        tables.bias[same] = ends[0][same]

    def _dense(self, node: Node, op: ConvRows) -> tuple[Mask, Array]:
        tables, x = self.tables[node.name], node.inputs[0]
        if x in self.constant:
            given = self.foldable(node, op)
            parts = self._parts(tables.weights, len(given))
            alone = ~parts[..., ~given].any(axis=(1, 2, 3, 4))  # rows that see nothing but constants
            bias = tables.bias + self._folded(node, op, given)
            alone &= np.abs(bias) < 2.0**31
            tables.bias[alone], tables.weights[alone] = bias[alone], 0
        known = _dead(tables)
        added: tuple[Array, ...] = ()
        if op.adds:
            known = known & self.constant.get(node.inputs[1], np.zeros_like(known))
            values = self.numbers.get(node.inputs[1], np.zeros(len(known), _kind(self.graph, node)))
            added = (values.reshape(1, 1, -1),)
        small = replace(op, rows=ONE, columns=ONE)
        kind = _kind(self.graph, node)
        weights = np.zeros((len(known), 1, 1, 1), kind)
        x_of_one = np.zeros((1, 1, 1), kind)
        bias = tables.bias.astype(np.int32 if tables.factors else np.float32)
        found = small.evaluate(x_of_one, *added, weights, bias, *tables.factors)[0].ravel()
        return known & (_exact(kind) | (found == 0)), found

    def _depthwise(self, node: Node, op: ConvRows) -> tuple[Mask, Array] | None:
        tables, x = self.tables[node.name], node.inputs[0]
        count = len(tables.weights)
        before = self.constant.get(x)
        if op.adds or count != op.groups or (before is not None and len(before) != count):
            return None
        known = _dead(tables) if before is None else _dead(tables) | before
        if not known.any():
            return known, np.zeros(count, _kind(self.graph, node))
        filled = self._filled(x, known if before is None else before)
        data = tables.weights.astype(_kind(self.graph, node)), tables.bias.astype(_bias(tables)), *tables.factors
        return self._same(node, op.evaluate(filled, *data)[0], known)

    def _uniform(self, node: Node, known: Mask) -> tuple[Mask, Array]:
        """What a node that looks at each channel alone makes of constants: at an edge it may be another number."""
        if not known.any():
            return known, np.zeros(len(known), _kind(self.graph, node))
        found = node.op.evaluate(*(self._filled(name, self.constant[name]) for name in node.inputs))[0]
        return self._same(node, found, known)

    def _filled(self, name: str, known: Mask) -> Array:
        """A tensor of the constants of a value, 0 where it has none."""
        kind = self.graph.values[name].type
        values = self.numbers.get(name, np.zeros(len(known), kind.dtype.numpy))
        return np.array(np.broadcast_to(np.where(known, values, 0), kind.shape)).astype(kind.dtype.numpy)

    def _same(self, node: Node, found: Array, known: Mask) -> tuple[Mask, Array]:
        flat = found.reshape(-1, len(known))
        known = known & (flat == flat[0]).all(axis=0)
        return known & (_exact(flat.dtype) | (flat[0] == 0)), flat[0]

    @staticmethod
    def _parts(weights: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
        """Dense weights as (M, kernel, kernel, repeated, C)."""
        return weights.reshape(*weights.shape[:3], -1, count)

    def foldable(self, node: Node, op: ConvRows) -> Mask:
        """The channels of a dense layer's input that are constants which its bias can hold."""
        x = node.inputs[0]
        inside = op.rows.inside and op.columns.inside
        found: Mask = self.constant[x] & (inside | (self.numbers[x] == op.zero))
        return found

    def _folded(self, node: Node, op: ConvRows, which: Mask) -> npt.NDArray[np.float64]:
        """What constant channels add to the sums of a dense layer, (M,)."""
        values = np.where(which, self.numbers[node.inputs[0]].astype(np.float64) - op.zero, 0)
        parts = self._parts(self.tables[node.name].weights, len(which))
        found: npt.NDArray[np.float64] = parts.sum(axis=(1, 2, 3)) @ values
        return found

    # ---- which channels go -------------------------------------------------------------------------------------------

    def needless(self) -> dict[str, Mask]:
        """The channels of every value that nobody needs, most of them: what is needed is taken away until nothing changes."""
        kept = (Storage.OUTPUT, Storage.STATE)
        gone = {
            name: np.full(len(known), self.graph.values[name].storage not in kept)
            for name, known in self.constant.items()
        }
        groups: dict[str, set[str]] = {name: {name} for name in gone}
        while self._narrowed(gone, groups):
            pass
        for group in {id(one): one for one in groups.values()}.values():
            mask = _whole_groups(gone[min(group)])
            gone.update(dict.fromkeys(group, mask))
        return gone

    def _narrowed(self, gone: dict[str, Mask], groups: dict[str, set[str]]) -> bool:
        """One round; whether it took anything away."""
        before = sum(int(mask.sum()) for mask in gone.values())
        for node in (*self.graph.nodes, *reversed(self.graph.nodes)):  # what is needed is so before and behind
            alike = self._alike(node)
            if isinstance(node.op, ConvRows) and not node.op.depthwise and node.inputs[0] in gone:
                gone[node.inputs[0]] = gone[node.inputs[0]] & self._unneeded(node, node.op)
            for name in node.inputs:
                if name in gone and name not in alike and not self._is_dense_input(node, name):
                    gone[name] = np.zeros_like(gone[name])
            if len(alike) > 1:
                _join(alike, gone, groups)
        return before != sum(int(mask.sum()) for mask in gone.values())

    def _is_dense_input(self, node: Node, name: str) -> bool:
        op = node.op
        return isinstance(op, ConvRows) and not op.depthwise and name == node.inputs[0] and name not in node.inputs[1:2]

    def _unneeded(self, node: Node, op: ConvRows) -> Mask:
        given = self.foldable(node, op)
        return given | ~self._parts(self.tables[node.name].weights, len(given)).any(axis=(0, 1, 2, 3))

    def _alike(self, node: Node) -> tuple[str, ...]:
        """Values of a node whose channels go together: inputs and output, where it looks at each channel alone; a name that has
        no channels, where something else makes the input.
        """
        if node.name not in self.constant:
            return ()
        if isinstance(node.op, ConvRows) and not node.op.depthwise:
            return (node.inputs[1], node.name) if node.op.adds else (node.name,)
        return (*(node.inputs[:1] if isinstance(node.op, ConvRows) else node.inputs), node.name)


def _join(alike: tuple[str, ...], gone: dict[str, Mask], groups: dict[str, set[str]]) -> None:
    """Only what goes in all of them goes."""
    known = [name for name in alike if name in gone]
    mask = np.logical_and.reduce([gone[name] for name in known])
    if len(known) < len(alike):
        mask = np.zeros_like(mask)
    for name in known:
        gone[name] = mask
    if len({id(groups[name]) for name in known}) > 1:
        group = set[str]().union(*(groups[name] for name in known))
        groups.update(dict.fromkeys(group, group))


def _whole_groups(mask: Mask) -> Mask:
    """A mask of which some are taken back, so that the channels that are left make whole groups, as they did, and are not none."""
    size = TOGETHER if len(mask) % TOGETHER == 0 else 1
    left = int((~mask).sum())
    back = -left % size if left else size
    kept = mask.copy()
    kept[np.flatnonzero(mask)[:back]] = False
    return kept


def _steps(op: ConvRows, sums: npt.NDArray[np.float64], factors: Array) -> Array:
    """What sums of integers become."""
    low, high = op.bounds
    return np.clip(op.steps(sums.astype(np.int64), factors) + op.to, low, high)


def _kind(graph: Graph, node: Node) -> np.dtype[np.generic]:
    return np.dtype(graph.values[node.name].type.dtype.numpy)


def _bias(tables: Tables) -> type[np.generic]:
    return np.int32 if tables.factors else np.float32


def _dead(tables: Tables) -> Mask:
    """Rows without weights."""
    return np.asarray((tables.weights.reshape(len(tables.weights), -1) == 0).all(axis=1))


def _exact(kind: np.dtype[np.generic]) -> bool:
    """Whether numbers of a type may go that are not 0."""
    return kind.kind == "i"


# ---- the graph without them ----------------------------------------------------------------------------------------------


def _rewritten(graph: Graph, channels: Channels, gone: dict[str, Mask]) -> Graph:
    work = Rewriting(graph)
    for name, mask in gone.items():
        value = graph.values[name]
        *others, last = value.type.shape
        left = last // len(mask) * int((~mask).sum())
        work.values[name] = replace(value, type=replace(value.type, shape=(*others, left)))
    for node in graph.nodes:
        if isinstance(node.op, ConvRows):
            _narrow(work, channels, gone, node, node.op)
        elif isinstance(node.op, Reshape) and node.name in gone:
            work.keep(replace(node, op=Reshape(work.type_of(node.name).shape)))
        else:
            work.keep(node)
    return work.graph()


def _narrow(work: Rewriting, channels: Channels, gone: dict[str, Mask], node: Node, op: ConvRows) -> None:
    """A layer without the rows that are gone and the inputs that are gone."""
    none = np.zeros(len(channels.tables[node.name].bias), np.bool_)
    rows, inputs = gone.get(node.name, none), gone.get(node.inputs[0], none[:0])
    if not rows.any() and not inputs.any():
        work.keep(node)
        return
    tables = channels.tables[node.name]
    weights, bias = tables.weights, tables.bias
    if op.depthwise:
        op = replace(op, groups=int((~rows).sum()))
    elif inputs.any():
        constant = inputs & channels.foldable(node, op)
        bias = bias + channels._folded(node, op, constant)
        parts = channels._parts(weights, len(inputs))[..., ~inputs]
        weights = parts.reshape(*weights.shape[:3], -1)
    kind = _kind(channels.graph, node)
    made = (weights[~rows].astype(kind), bias[~rows].astype(_bias(tables)), *(one[~rows] for one in tables.factors))
    given = node.inputs[: 1 + op.adds]
    names = [work.const(f"{name}_kept", one) for name, one in zip(node.inputs[1 + op.adds :], made, strict=True)]
    work.make(replace(node, op=op, inputs=(*given, *names)))
