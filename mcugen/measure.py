"""A model in its board's simulator or on the board itself: the same comparison as on the host, and what each call takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from mcugen.boards import Target
from mcugen.compile import Compiled
from mcugen.emit import emit
from mcugen.evaluate import evaluate
from mcugen.interface import feed_of
from mcugen.ir import Array, Graph, GraphBuilder, Module, Node, Storage
from mcugen.memory.plan import plan
from mcugen.ops.arrive import Arrive
from mcugen.targets import toolchain_for
from mcugen.targets.cores import timing_of
from mcugen.targets.driver import Unit
from mcugen.targets.link import DATA_BYTES, FLASH_IT, Line, Patience, Session, outputs_of, rows_as_bytes
from mcugen.targets.serial import open_line
from mcugen.verify import Proof, checked_rows, made_text, probe, prove

BUDGET = 400_000_000  # simulated cycles that a proof without data may take: about ten seconds
FEWEST, MOST = 200, 20_000  # rows of such a proof
FEWEST_SENT = 20  # over a serial line


@dataclass(frozen=True)
class Measured:
    """The simulator's counts over all rows: cycles (or instructions, see `unit`) of a call, and the deepest stack in bytes,
    return address included. Where instructions are counted, `modelled` is the mean of their cycles by the core's table
    `timing`; 0 where there is none.
    """

    proof: Proof
    least: int
    mean: float
    most: int
    stack: int
    unit: str = "cycles"
    modelled: float = 0.0
    timing: str = ""


def measure(compiled: Compiled, rows: Array | None = None, *, source: str = "") -> Measured:
    """Run the model on its board's simulator for rows (n, features), or for rows at its thresholds, as many as take seconds.

    E0901 for a board without a simulator, E0601 and E0701 where a tool is missing, E0501 and E0502 where it does not fit,
    E0702 where it crashes.
    """
    board = compiled.target.board
    toolchain = toolchain_for(board)
    data = probe(compiled.module, _limit(compiled)) if rows is None else checked_rows(rows, compiled.module)
    cycles: list[int] = []
    stacks: list[int] = []
    modelled: list[int] = []

    def run(inputs: Sequence[Array]) -> Sequence[Array]:
        (done,) = toolchain.run_rows([compiled.unit], [inputs], board)
        cycles.extend(done.cycles)
        stacks.extend(done.stacks)
        modelled.extend(done.modelled)
        return done.outputs

    text, terms = source or (made_text(compiled.module) if rows is None else "rows"), compiled.terms(rows is None)
    proof = prove(compiled.module, compiled.reference, data, run, on="simulator", source=text, terms=terms)
    return Measured(
        proof, min(cycles), fmean(cycles), max(cycles), max(stacks), toolchain.unit,
        fmean(modelled) if modelled else 0.0, timing_of(board) if modelled else "",
    )  # fmt: skip


@dataclass(frozen=True)
class LayerCount:
    """What one layer takes, alone: cycles (or instructions) and, where the core has a table, modelled cycles."""

    cycles: int
    modelled: int


def measure_layers(compiled: Compiled) -> dict[str, LayerCount]:
    """Every node of the model as a program's only one, with the values that it has in the whole, on the simulator; views and what the
    caller gives are none.

    The kernel is the same C, and its call from the caller's buffers is counted with it. Errors as of `measure`.
    """
    board, graph = compiled.target.board, compiled.module.predict
    rows = probe(compiled.module, 1) if compiled.rows is None else compiled.rows[:1]
    inputs = [one[0] for one in compiled.module.split(rows)]
    known = dict(zip((v.name for v in graph.of(Storage.INPUT)), inputs, strict=True))
    every = tuple(name for node in graph.nodes for name in node.inputs)
    values = evaluate(graph, known, every)
    nodes = [node for node in graph.nodes if not (node.op.view or isinstance(node.op, Arrive))]
    units = [_alone(graph, node, f"layer{i}", compiled.target) for i, node in enumerate(nodes)]
    given = [[values[name][None] for name in node.inputs if _moves(graph, name)] for node in nodes]
    runs = toolchain_for(board).run_rows(units, given, board)
    return {
        node.name: LayerCount(run.cycles[0], run.modelled[0] if run.modelled else 0)
        for node, run in zip(nodes, runs, strict=True)
    }


def _moves(graph: Graph, name: str) -> bool:
    return graph.values[name].storage is not Storage.CONST


def _alone(graph: Graph, node: Node, name: str, target: Target) -> Unit:
    """A model of one node, decided as it is."""
    builder = GraphBuilder("predict")
    for one in dict.fromkeys(node.inputs):
        value = graph.values[one]
        if value.storage is Storage.CONST:
            assert value.data is not None
            builder.const(one, np.asarray(value.data))
        else:
            builder.input(one, value.type)
    made = builder.add(node.op, *node.inputs, names=node.outputs)
    for one in made[: len(made) - node.op.scratch]:
        builder.output(one)
    module = Module(name, (builder.build(),))
    return Unit(module, emit(module, plan(module, target), target))


@dataclass(frozen=True)
class Timed:
    """The board's own clock over all rows: microseconds of a call."""

    proof: Proof
    port: str
    least: int
    mean: float
    most: int


def measure_on_board(
    compiled: Compiled, port: str, rows: Array | None = None, *, source: str = "", flash_it: str = ""
) -> Timed:
    """Send rows (n, features) to the flashed board at `port`; without them rows at the thresholds, for about a minute.

    flash_it  what to tell the user where the board has other firmware
    E0606 without pyserial, E0703 without the port or when it goes, E0705 where the board does not answer, E0706 where its
    firmware is another's.
    """
    with open_line(port) as line:
        return time_over(compiled, line, port, rows, source=source, flash_it=flash_it)


def time_over(
    compiled: Compiled,
    line: Line,
    port: str,
    rows: Array | None = None,
    *,
    source: str = "",
    flash_it: str = "",
    patience: Patience | None = None,
) -> Timed:
    """`measure_on_board` over a line that is open."""
    module = compiled.module
    slow = compiled.report.cycles.value / compiled.target.board.clock
    data = probe(module, _most_rows(module, slow)) if rows is None else checked_rows(rows, module)
    feed = feed_of(module, module.predict)
    rows_of_input = feed.rows if feed and feed.streamed else 0
    talk = Session(
        line, compiled.hash, slow, flash_it or FLASH_IT, patience or Patience(), rows=rows_of_input, keeps=feed is None
    )
    talk.open()
    times: list[int] = []

    def run(inputs: Sequence[Array]) -> Sequence[Array]:
        answers = [talk.predict(row) for row in rows_as_bytes(module, inputs)]
        times.extend(answer.microseconds for answer in answers)
        return outputs_of(module, [answer.outputs for answer in answers])

    text, terms = source or (made_text(module) if rows is None else "rows"), compiled.terms(rows is None)
    proof = prove(module, compiled.reference, data, run, on="board", source=text, terms=terms)
    return Timed(proof, port, min(times), sum(times) / len(times), max(times))


def _most_rows(module: Module, slow: float) -> int:
    """Rows that go over the line in about a minute."""
    frames = 2 + sum(-(-v.type.nbytes // DATA_BYTES) for v in module.predict.of(Storage.INPUT))
    return max(FEWEST_SENT, min(MOST, int(60 / (0.01 * frames + slow))))


def _limit(compiled: Compiled) -> int:
    return max(FEWEST, min(MOST, BUDGET // max(compiled.report.cycles.value, 1)))
