"""Networks drawn by hypothesis, with every memory pass alone and all of them together: the same bits each time, over spoilt bytes, and
nothing outside of any tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from drawn_networks import networks
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sanitized import SANITIZE, run_sanitized

from mcugen.boards import ByRows, Requant, Target, load_board
from mcugen.diagnostics import McugenError
from mcugen.emit import check_header, emit
from mcugen.frontends import read
from mcugen.ir import Array, Module, Storage
from mcugen.memory.live import views
from mcugen.memory.plan import Call, Memory, MemoryPlan, Place, plan
from mcugen.passes import PIPELINE, Pass, run
from mcugen.passes.fuse_sums import fuse_sums
from mcugen.passes.order import order
from mcugen.ram import rams_of
from mcugen.targets.driver import Unit

# Plain loops, blocks of pixels, the same with sums brought to their scale by floats, and words.
BOARDS: tuple[tuple[str, Requant], ...] = (
    ("host", "integer"),
    ("feather_nrf52840", "integer"),
    ("feather_nrf52840", "float"),
    ("esp32c3", "integer"),
)
SPOILT = ("-DMCUGEN_CHECK=0x7F", "-DMCUGEN_CHECK=0x80")


@dataclass(frozen=True)
class Way:
    """Which passes run; `pack`: whether values share places at all."""

    name: str
    passes: tuple[Pass, ...] = ()
    pack: bool = True
    overlap: bool = False
    by_rows: ByRows = "never"
    layers: int | None = None
    arena_input: bool = False
    stream_input: bool = False
    ram: str | None = None


ALL = (fuse_sums, order)
WAYS = (
    Way("none", pack=False),
    Way("pack"),
    Way("order", (order,)),
    Way("sums", (fuse_sums,)),
    Way("overlap", overlap=True),
    Way("joins", by_rows="always", layers=0),
    Way("layer", by_rows="always", layers=1),
    Way("rows", by_rows="always"),
    Way("whole", ALL, overlap=True),
    Way("all", ALL, overlap=True, by_rows="always"),
    Way("arena", ALL, overlap=True, arena_input=True),
    Way("stream", ALL, overlap=True, by_rows="always", stream_input=True),
    Way("memories", ALL, overlap=True, by_rows="always", ram="fast:200,slow:1M"),
)


def compiled(module: Module, board: tuple[str, Requant], way: Way) -> tuple[Unit, MemoryPlan]:
    """The C of a module with some of the memory passes."""
    ways = {name: getattr(way, name) for name in ("by_rows", "arena_input", "stream_input")}
    target = Target(load_board(board[0]), requant=board[1], ram=rams_of(way.ram), **ways)
    pipeline = tuple(one for one in PIPELINE if one not in ALL or one in way.passes)
    module = run(replace(module, name=f"{module.name}_{way.name}"), target, pipeline=pipeline)
    memory = plan(module, target, way.overlap, way.layers) if way.pack else apart(module)
    return Unit(module, {**emit(module, memory, target), **check_header(module, memory, target)}), memory


def apart(module: Module) -> MemoryPlan:
    """Every value in a place of its own."""
    graph = module.predict
    owner, places, end = views(graph), {}, 0
    for value in graph.of(Storage.TEMP):
        if value.name not in owner:
            places[value.name] = Place("arena", end, value.type.nbytes)
            end += -(-value.type.nbytes // 8) * 8
    places |= {view: places[root] for view, root in owner.items() if root in places}
    steps = tuple(Call(graph.name, at, 0) for at in range(len(graph.nodes)))
    return MemoryPlan((Memory("arena", end, 8), Memory("state", 0, 1)), places, steps)


def rows_for(module: Module) -> list[Array]:
    """Two rows of numbers as large as those that the layers give."""
    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((2, *value.type.shape)) * 2).astype(np.float32)
        for value in module.predict.of(Storage.INPUT)
    ]


def differing(models: Sequence[tuple[onnx.ModelProto, tuple[str, Requant]]], seen: Counter[str]) -> Iterator[str]:
    """Every way in which a network does not give the bits that it gives with no pass at all; `seen` counts what the plans have."""
    made = []
    for at, (model, board) in enumerate(models):
        module = read(model, name=f"n{at}").module
        for way in WAYS:
            try:
                unit, memory = compiled(module, board, way)
            except McugenError:
                if way.stream_input:
                    continue  # an input that has no rows
                raise
            made.append((at, unit, rows_for(module)))
            seen["backward"] += sum(step.backward for step in memory.steps)
            seen["memories"] += sum(one.nbytes > 0 for one in memory.arenas) > 1
            seen["regions"] += len(memory.regions(unit.module.predict))
            seen["streamed"] += way.stream_input
    units, inputs = [unit for _, unit, _ in made], [rows for *_, rows in made]
    runs = [run_sanitized(units, inputs, (*SANITIZE, SPOILT[0])), run_sanitized(units, inputs, ("-O0", SPOILT[1]))]
    wanted: dict[int, list[bytes]] = {}
    for number, (at, unit, _) in enumerate(made):
        first, second = ([one.tobytes() for one in found[number]] for found in runs)
        if not first == second == wanted.setdefault(at, first):
            yield unit.module.name


def test_the_same_bits_with_every_pass() -> None:
    seen: Counter[str] = Counter()

    # The first example is the simplest one.
    @settings(max_examples=3, derandomize=True, deadline=None, phases=[Phase.generate], database=None)
    @given(st.lists(st.tuples(networks(), st.sampled_from(BOARDS)), min_size=3, max_size=3))
    def every(models: list[tuple[onnx.ModelProto, tuple[str, Requant]]]) -> None:
        assert [*differing(models, seen)] == []

    every()
    assert min(seen[what] for what in ("regions", "backward", "streamed", "memories")) > 5, seen
