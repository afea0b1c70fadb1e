"""The cheapest order: against every order of small graphs, known graphs, the budget, and what a bound is worth."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from random_graphs import modules

from mcugen.ir import DType, GraphBuilder, Module, TensorType
from mcugen.memory import order
from mcugen.memory.live import live_bytes
from mcugen.memory.order import LOOKS, Task, cheapest, problem, search
from mcugen.ops.decide import Decide
from mcugen.ops.margins import Margins
from mcugen.ops.pa_step import PaStep


def _step(tasks: list[Task], sizes: list[int], done: tuple[int, ...], i: int) -> int | None:
    """Bytes of the step that runs a task; None where it cannot run yet."""
    if not {*tasks[i].after} <= {*done}:
        return None
    users = [{j for j, task in enumerate(tasks) if one in task.takes} for one in range(len(sizes))]
    made = [one for j in done for one in tasks[j].makes]
    held = sum(sizes[one] for one in made if users[one] - {*done})
    new = sum(sizes[one] for one in tasks[i].makes)
    shared = max([size for one, size in tasks[i].shares if not users[one] - {*done, i}], default=0)
    return held + new - min(shared, new)


def peak_of(tasks: list[Task], sizes: list[int], order: tuple[int, ...]) -> int:
    """Bytes of the largest step of an order that can run."""
    steps = [_step(tasks, sizes, order[:at], i) for at, i in enumerate(order)]
    assert None not in steps
    return max(step for step in steps if step is not None)


def random_tasks(seed: int, count: int) -> tuple[list[Task], list[int]]:
    chance = random.Random(seed)
    sizes = [chance.choice([1, 2, 3, 5, 8, 13]) for _ in range(count)]
    tasks = []
    for i in range(count):
        takes = tuple(sorted(chance.sample(range(i), min(i, chance.choice([0, 1, 1, 2, 3])))))
        shares = tuple((one, min(sizes[one], sizes[i])) for one in takes if chance.random() < 0.3)
        tasks.append(Task(takes, (i,), shares, takes))
    return tasks, sizes


def least(tasks: list[Task], sizes: list[int]) -> int:
    """The least peak of all orders, from one set of tasks that have run to the next larger ones."""
    peaks = {(): 0}
    for _ in tasks:
        larger: dict[tuple[int, ...], int] = {}
        for done, peak in peaks.items():
            for i in {*range(len(tasks))} - {*done}:
                step = _step(tasks, sizes, done, i)
                if step is not None:
                    key = tuple(sorted((*done, i)))
                    larger[key] = min(larger.get(key, 10**9), max(peak, step))
        peaks = larger
    return min(peaks.values())


@pytest.mark.parametrize("seed", range(60))
def test_no_order_is_better(seed: int) -> None:
    tasks, sizes = random_tasks(seed, 9)
    found = search(tasks, sizes)
    assert (found.peak, found.bound) == (least(tasks, sizes),) * 2
    assert peak_of(tasks, sizes, found.nodes) == found.peak


@pytest.mark.parametrize("seed", range(40))
def test_a_small_budget_gives_an_order_and_a_bound_that_hold(seed: int) -> None:
    tasks, sizes = random_tasks(1000 + seed, 14)
    whole, some = search(tasks, sizes), search(tasks, sizes, states=2)
    assert whole.proven
    assert some.bound <= whole.peak <= some.peak
    assert peak_of(tasks, sizes, some.nodes) == some.peak


def layered_tasks(seed: int, width: int, layers: int) -> tuple[list[Task], list[int]]:
    """Layers of tasks, each of which takes some of the layer before and, rarely, of those before that; few can be told apart by size."""
    chance = random.Random(seed)
    tasks, sizes = [Task((), (0,))], [chance.randrange(1, 30)]
    before, given = [0], []
    for _ in range(layers):
        first = len(tasks)
        for _ in range(width):
            takes = {chance.choice(before), *(one for one in before if chance.random() < 0.5)}
            after = tuple(sorted(takes | {one for one in given if chance.random() < 0.1}))
            tasks.append(Task(after, (len(tasks),), (), after))
            sizes.append(chance.randrange(1, 30))
        given, before = given + before, [*range(first, len(tasks))]
    ends = tuple(sorted({*range(len(tasks))} - {one for task in tasks for one in task.takes}))
    return [*tasks, Task(ends, (len(tasks),), (), ends)], [*sizes, 1]


def test_layers_with_a_small_budget_have_a_stated_gap_and_a_bound_that_holds() -> None:
    gaps = []
    for seed in range(30):
        tasks, sizes = layered_tasks(seed, 3, 3)
        found, best = search(tasks, sizes, states=2), least(tasks, sizes)
        assert found.bound <= best <= found.peak
        assert found.proven == (found.gap == 0)
        gaps.append(found.gap)
    assert max(gaps) > 0.2


def test_wide_layers_end_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight beside each other, 200 in all: how often a task is looked at is bounded, and so is the time."""
    looked, step = 0, order._Tasks.step

    def counted(graph: order._Tasks, i: int, done: int, held: int) -> tuple[int, int]:
        nonlocal looked
        looked += 1
        return step(graph, i, done, held)

    monkeypatch.setattr(order._Tasks, "step", counted)
    monkeypatch.setattr(order, "LOOKS", LOOKS // 100)
    tasks, sizes = layered_tasks(0, 8, 25)
    found = search(tasks, sizes, states=400)
    assert peak_of(tasks, sizes, found.nodes) == found.peak
    assert 0 < found.gap < 1
    assert looked < 300_000


@settings(max_examples=60, deadline=None)
@given(modules(functions=1))
def test_the_peak_is_what_the_reordered_graph_holds(module: Module) -> None:
    graph = module.predict
    found = cheapest(graph)
    ordered = replace(graph, nodes=tuple(graph.nodes[i] for i in found.nodes))
    assert max(live_bytes(ordered), default=0) == found.peak <= max(live_bytes(graph), default=0)
    assert found.proven


def test_the_given_order_stays_where_it_is_as_good() -> None:
    tasks = [Task((), (i,), (), ()) for i in range(5)]
    assert search(tasks, [4] * 5).nodes == (0, 1, 2, 3, 4)


def test_nothing() -> None:
    assert search([], []).peak == 0


def test_the_beam_looks_at_no_more_tasks_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 chains out of one buffer whose ends one task takes: as many could run next at every step."""
    looked, step = 0, order._Tasks.step

    def counted(graph: order._Tasks, i: int, done: int, held: int) -> tuple[int, int]:
        nonlocal looked
        looked += 1
        return step(graph, i, done, held)

    monkeypatch.setattr(order._Tasks, "step", counted)
    monkeypatch.setattr(order, "LOOKS", LOOKS // 10)
    tasks = [Task((), (0,))]
    for i in range(60):
        tasks += [Task((0,), (1 + 2 * i,), (), (0,)), Task((1 + 2 * i,), (2 + 2 * i,), (), (1 + 2 * i,))]
    tasks.append(Task(tuple(range(2, 122, 2)), (121,), (), tuple(range(2, 122, 2))))
    found = search(tasks, [64, *[50 + i % 7 if i % 2 else 90 + i % 5 for i in range(120)], 8], states=10)
    assert sorted(found.nodes) == list(range(len(tasks)))
    assert looked < LOOKS // 5


def test_who_reads_a_state_comes_before_who_replaces_it() -> None:
    """A big and a small row are read with weights that change: cheapest would be to be done with one, its update included."""
    builder = GraphBuilder("learn")
    x = builder.input("x", TensorType((50,), DType.F32))
    w = builder.state("w", np.zeros((50, 50), np.float32))
    b = builder.state("b", np.zeros(50, np.float32))
    (judged,) = builder.add(Margins(), x, w, b, names=("judged",))
    (label,) = builder.add(Decide(), judged, names=("label",))
    (own,) = builder.add(Margins(), x, w, b, names=("own",))
    y = builder.input("y", TensorType((), DType.I32))
    for old, new in zip((w, b), builder.add(PaStep("pa"), x, own, y, w, b, names=("w1", "b1")), strict=True):
        builder.update(old, new)
    builder.output(label, labels=(*range(50),), name="label")
    graph = builder.build()
    tasks, _ = problem(graph)
    assert [task.after for task in tasks] == [(), (0,), (), (0, 2)]
    found = cheapest(replace(graph, nodes=tuple(graph.nodes[i] for i in (0, 2, 1, 3)))).nodes
    assert found[-1] == 3
