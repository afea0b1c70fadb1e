"""The pass arrivals: where the target asks for it, a network's input is no buffer of the caller's, but comes into the arena.

What only moves the input's elements in front of the first layer moves nothing any more: the caller gives pixels, channels innermost, as
cameras do. Functions of single elements in between, a quantisation say, are done on pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mcugen.boards import Target
from mcugen.diagnostics import McugenError, error
from mcugen.ir import Array, Graph, Module, Node, Storage
from mcugen.memory.rows import is_given_late
from mcugen.op import Op
from mcugen.ops.arrive import Arrive
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.quantize import Quantize
from mcugen.ops.reshape import Reshape
from mcugen.ops.strided import Strided
from mcugen.rewrite import Rewriting, uses

MOVES = (Reshape, Strided)
MAPS = (Elementwise, Quantize)


def arrivals(module: Module, target: Target) -> Module:
    """The module with its input in the arena, or streamed. E0302 for what has no rows, or several inputs."""
    if not (target.stream_input or target.arena_input):
        return module
    option = "--stream-input" if target.stream_input else "--arena-input"
    if module.arena != "static":
        raise _refused(option, "a model of scikit-learn takes a row of features at once, and keeps it nowhere")
    if len(module.predict.of(Storage.INPUT)) != 1:
        raise _refused(option, "the network has several inputs")
    (given,) = module.predict.of(Storage.INPUT)
    return module.map(
        lambda graph: arriving(graph, given.name, target.stream_input) if graph is module.predict else graph
    )


def _refused(option: str, why: str) -> McugenError:
    return error("E0302", f"{option}: {why}", help=f"leave {option} out: the input is then the caller's buffer")


def arriving(graph: Graph, name: str, streamed: bool) -> Graph:
    """The graph with an input in the arena, or `streamed`: E0302 where it has no rows."""
    given = graph.values[name]
    chain = _chain(graph, name)
    moves = _moves(chain) or (Reshape(given.type.shape),)
    op = Arrive(moves, streamed)
    (type,) = op.infer(given.type)
    if streamed and (not type.shape or type.shape[0] < 2):
        shape = "x".join(map(str, given.type.shape))
        raise _refused("--stream-input", f"the input of {shape} has no rows that a first layer takes one by one")
    work = Rewriting(graph)
    last = chain[-1].outputs[0] if chain else work.named(f"{name}_pixels", type)
    maps = [at for at, node in enumerate(chain) if isinstance(node.op, MAPS)]
    pixels = work.named(f"{name}_pixels", type) if maps else last
    work.keep(Node(op, (name,), (pixels,)))
    for at in maps:
        node, operands = chain[at], _on_pixels(work, chain[at], pixels, _moves(chain[at:]))
        (type,) = node.op.infer(*map(work.type_of, operands))
        pixels = last if at == maps[-1] else work.named(f"{node.name}_pixels", type)
        work.keep(replace(node, inputs=operands, outputs=(pixels,)))
    for node in graph.nodes:
        if not any(node is one for one in chain):
            inputs = (last if one == name and not chain else one for one in node.inputs)
            work.keep(replace(node, inputs=tuple(inputs)))
    gone = {node.outputs[0] for node in chain} - {last}
    made = work.graph()
    made = replace(made, values={one: value for one, value in made.values.items() if one not in gone})
    return _with_copies(made) if streamed else made


def _with_copies(graph: Graph) -> Graph:
    """The graph with outputs that may be made before the caller asks for them made in the arena, and copied from there."""
    work = Rewriting(graph)
    for node in graph.nodes:
        name = node.outputs[0]
        given = graph.values[name]
        if given.storage is Storage.OUTPUT and given.type.shape and is_given_late(graph, name):
            early = work.named(f"{name}_made", given.type)
            work.keep(replace(node, outputs=(early, *node.outputs[1:])))
            work.make(Node(Reshape(given.type.shape), (early,), (name,), node.loc))
        else:
            work.keep(node)
    return work.graph()


def _chain(graph: Graph, name: str) -> list[Node]:
    """What is done to the input first, element by element, up to the last node that only moves elements."""
    taken, found, last = uses(graph), [], 0
    shape = graph.values[name].type.shape
    while taken[name] == 1:
        node = next((node for node in graph.nodes if name in node.inputs), None)
        if node is None or graph.values[node.outputs[0]].storage is not Storage.TEMP:
            break
        moves = isinstance(node.op, MOVES) and _keeps_all(graph, node)
        maps = isinstance(node.op, MAPS) and _is_map(graph, node, name)
        if not (moves or maps):
            break
        found.append(node)
        name = node.outputs[0]
        last = len(found) if moves else last
    return found[:last] if shape else []


def _moves(chain: Sequence[Node]) -> tuple[Op, ...]:
    return tuple(node.op for node in chain if isinstance(node.op, MOVES))


def _keeps_all(graph: Graph, node: Node) -> bool:
    """Whether a node's output is its input in another order."""
    taken, made = graph.types((node.inputs[0], node.outputs[0]))
    at = np.arange(taken.size).reshape(taken.shape)
    return taken.size == made.size and np.array_equal(np.sort(node.op.evaluate(at)[0].ravel()), at.ravel())


def _is_map(graph: Graph, node: Node, name: str) -> bool:
    """Whether a node makes of every element of a value one of its own, with constants."""
    others = [graph.values[one] for one in node.inputs if one != name]
    same = graph.values[name].type.shape == graph.values[node.outputs[0]].type.shape
    return same and len(node.outputs) == 1 and all(one.storage is Storage.CONST for one in others)


def _on_pixels(work: Rewriting, node: Node, pixels: str, moves: Sequence[Op]) -> tuple[str, ...]:
    """The operands of a map on pixels: its constants in the pixels' order."""
    found = []
    for name in node.inputs:
        data = work.constant(name)
        found.append(pixels if data is None else work.const(f"{name}_of_pixels", _moved(data, moves, node, work)))
    return tuple(found)


def _moved(data: Array, moves: Sequence[Op], node: Node, work: Rewriting) -> Array:
    """A constant in the order of pixels: one number, one a channel, or one for each."""
    shape = np.broadcast_shapes(data.shape, work.type_of(node.outputs[0]).shape)
    if data.size == 1:
        return data.reshape(())
    whole = np.broadcast_to(data, shape)
    for move in moves:
        whole = move.evaluate(whole)[0]
    channel = whole.reshape(-1, whole.shape[-1])
    return channel[0] if (channel == channel[0]).all() else whole
