"""Tensors of `u8` between QuantizeLinear and DequantizeLinear as those of `i8`, 128 less, as their zero points are: the same floats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mcugen.ir import Array, DType, Graph, Node, Storage
from mcugen.ops.dequantize import Dequantize
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.join import Join
from mcugen.ops.pick import Pick
from mcugen.ops.pool import Pool
from mcugen.ops.quantize import Quantize
from mcugen.ops.reshape import Reshape
from mcugen.ops.strided import Strided
from mcugen.rewrite import Rewriting

HALF = np.full((), 128, np.uint8)  # an `u8` with the other uppermost bit is, as an `i8`, 128 less


def signed(graph: Graph) -> Graph:
    """The graph with every `u8` that only nodes of it see as an `i8`; those of the caller are brought there, and back."""
    if not any(isinstance(node.op, Dequantize) and _is_unsigned(graph, node.inputs[0]) for node in graph.nodes):
        return graph
    chosen, work, made = _chosen(graph), Rewriting(graph), dict[str, str]()
    names: dict[str, str] = {}  # of the caller's, as `i8`
    for name in sorted(chosen):
        value = graph.values[name]
        narrow = replace(value.type, dtype=DType.I8)
        if value.storage is Storage.TEMP:
            work.values[name] = replace(value, type=narrow)
        elif value.storage is Storage.INPUT:
            (other,) = work.add(Elementwise("BitwiseXor"), name, work.const("half", HALF), stem=f"{name}_half")
            (names[name],) = work.add(Elementwise("Cast", DType.I8), other, stem=f"{name}_signed")
        else:
            names[name] = work.named(f"{name}_signed", narrow)

    def less(name: str) -> str:
        data = graph.values[name].data
        if data is None:
            return name
        if name not in made:
            made[name] = work.const(f"{name}_signed", _less(data))
        return made[name]

    for node in graph.nodes:
        inputs = node.inputs
        if isinstance(node.op, Quantize) and node.name in chosen:
            inputs = (*inputs[:2], less(inputs[2]))
        elif _is_floats(graph, node) and (inputs[0] in chosen or _is_known(graph, inputs[0])):
            inputs = (less(inputs[0]), inputs[1], less(inputs[2]))
        given, outputs = (tuple(names.get(name, name) for name in every) for every in (inputs, node.outputs))
        work.keep(replace(node, inputs=given, outputs=outputs))
        if outputs != node.outputs:
            (other,) = work.add(Elementwise("Cast", DType.U8), *outputs, loc=node.loc, stem=f"{node.name}_half")
            flip = (other, work.const("half", HALF))
            work.make(Node(Elementwise("BitwiseXor"), flip, node.outputs, node.loc))
    return work.graph()


def _less(data: Array) -> Array:
    return (np.asarray(data, np.int16) - 128).astype(np.int8)


def _is_unsigned(graph: Graph, name: str) -> bool:
    return graph.values[name].type.dtype is DType.U8


def _is_known(graph: Graph, name: str) -> bool:
    return _is_unsigned(graph, name) and graph.values[name].storage is Storage.CONST


def _is_floats(graph: Graph, node: Node) -> bool:
    """Whether a node makes floats of `u8` with a zero point that is known."""
    return isinstance(node.op, Dequantize) and _is_known(graph, node.inputs[2])


def _chosen(graph: Graph) -> set[str]:
    """Values that QuantizeLinear makes or the caller gives, or moved from such, all of whose takers are DequantizeLinear or move
    them.
    """
    found = {value.name for value in graph.of(Storage.INPUT) if _is_unsigned(graph, value.name)}
    for node in graph.nodes:
        moved = _moves(node) and all(name in found for name in node.inputs)
        quantised = isinstance(node.op, Quantize) and _is_known(graph, node.inputs[2])
        if (moved or quantised) and graph.values[node.name].storage in (Storage.TEMP, Storage.OUTPUT):
            found.add(node.name)
    for node in reversed(graph.nodes):  # takers before what they take
        if not (_is_floats(graph, node) or (_moves(node) and node.name in found)):
            found.difference_update(node.inputs)
    for node in graph.nodes:  # what was moved from one that stays
        if _moves(node) and not found.issuperset(node.inputs):
            found.difference_update((*node.inputs, *node.outputs))
    return found if _is_closed(graph, found) else set()


def _is_closed(graph: Graph, found: set[str]) -> bool:
    """Whether every node that moves sees only chosen values, or none."""
    return all(len({name in found for name in (*n.inputs, n.name)}) == 1 for n in graph.nodes if _moves(n))


def _moves(node: Node) -> bool:
    largest = isinstance(node.op, Pool) and node.op.function == "max" and len(node.outputs) == 1
    picked = isinstance(node.op, Pick) and not node.op.fills
    return largest or picked or isinstance(node.op, Reshape | Strided | Join)
