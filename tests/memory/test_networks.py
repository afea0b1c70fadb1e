"""Memory passes on random networks: the C gives the same bits with and without each of them, and NumPy's where it is integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from one_library import library_of
from random_networks import network

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.ir import Array, DType, GraphBuilder, Module, Storage, TensorType
from mcugen.memory.plan import MemoryPlan, plan
from mcugen.ops.conv_rows import ConvRows
from mcugen.passes import PIPELINE, run
from mcugen.passes.order import order
from mcugen.targets import host
from mcugen.targets.driver import Unit
from mcugen.windows import Window

SEEDS = range(24)
RESIZES = range(24, 30)
# In the cheapest order, with overlaps, row by row.
WAYS = ((False, False, False), (True, False, False), (False, True, False), (True, True, False), (True, True, True))


def planned(
    seed: int, kind: DType, target: Target, ordered: bool, overlap: bool, by_rows: bool
) -> tuple[Unit, MemoryPlan]:
    graph = network(seed, kind, resizes=seed in RESIZES)
    module = Module(f"n{seed}_{kind.short}_{ordered:d}{overlap:d}{by_rows:d}", (graph,))
    target = replace(target, by_rows="always" if by_rows else "never")
    module = run(module, target, pipeline=tuple(one for one in PIPELINE if ordered or one is not order))
    memory = plan(module, target, overlap)
    return Unit(module, emit(module, memory, target)), memory


def evaluated(module: Module, x: Array) -> list[Array]:
    graph = module.predict
    found = {v.name: v.data for v in graph.of(Storage.CONST)} | {"x": x}
    for node in graph.nodes:
        found |= zip(node.outputs, node.op.evaluate(*(found[name] for name in node.inputs)), strict=True)
    return [found[v.name] for v in graph.of(Storage.OUTPUT)]


@pytest.mark.parametrize("board", ["host", "feather_nrf52840"])
def test_the_same_bits_with_every_pass(board: str) -> None:
    target, rng = Target(load_board(board)), np.random.default_rng(0)
    made = [planned(s, (DType.F32, DType.I8)[s % 2], target, *way) for s in (*SEEDS, *RESIZES) for way in WAYS]
    library = library_of([unit for unit, _ in made], [*host.STRICT, "-O0"])
    assert sum(step.backward for _, memory in made for step in memory.steps) > 30
    saved = 0
    for at in range(0, len(made), len(WAYS)):
        type = made[at][0].module.predict.of(Storage.INPUT)[0].type
        integers = type.dtype is DType.I8
        x = rng.integers(-128, 128, (2, *type.shape)) if integers else rng.uniform(-1, 1, (2, *type.shape))
        x = x.astype(type.dtype.numpy)
        answers = [library.run([x], model=at + i) for i in range(len(WAYS))]
        for other in answers[1:]:
            assert [a.tobytes() for a in other] == [a.tobytes() for a in answers[0]], made[at][0].module.name
        if integers:
            wanted = zip(*(evaluated(made[at][0].module, row) for row in x), strict=True)
            assert [np.stack(w).tobytes() for w in wanted] == [a.tobytes() for a in answers[0]]
        arenas = [memory.arena for _, memory in made[at : at + len(WAYS)]]
        assert arenas[4] <= arenas[3] <= arenas[0]
        saved += arenas[0] - arenas[3]
    assert saved > 0


def test_rows_of_few_pixels() -> None:
    """A row has no four pixels, which the whole has: nothing is interleaved then, and no room for that is named."""
    rng, builder = np.random.default_rng(0), GraphBuilder("predict")
    x = builder.input("x", TensorType((6, 2, 8), DType.F32))
    for i, kernel in enumerate((3, 1)):
        rows, columns = (Window(size, kernel, before=kernel // 2, after=kernel // 2) for size in (6, 2))
        tables = rng.uniform(-1, 1, (8, kernel, kernel, 8)).astype(np.float32), rng.uniform(-1, 1, 8).astype(np.float32)
        names = [builder.const(f"t{i}{j}", one) for j, one in enumerate(tables)]
        (x,) = builder.add(ConvRows(rows, columns), x, *names)
    builder.output(x)
    target = Target(load_board("feather_nrf52840"), by_rows="always")
    module = run(Module("narrow", (builder.build(),)), target)
    assert module.predict.nodes[-1].op.form == "fpu"
    memory = plan(module, target)
    assert memory.regions(module.predict)
    library = host.compile_for_host([Unit(module, emit(module, memory, target))], [*host.STRICT, "-O0"])
    x0 = rng.uniform(-1, 1, (6, 2, 8)).astype(np.float32)
    np.testing.assert_allclose(library.run([x0[None]])[0][0], evaluated(module, x0)[0], rtol=1e-5, atol=1e-5)
