"""The cheapest order: against every order of small graphs, known graphs, the budget, and what a bound is worth."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from random_graphs import modules

from mcugen.ir import Module
from mcugen.memory.live import live_bytes
from mcugen.memory.order import Task, cheapest, search


def peak_of(tasks: list[Task], sizes: list[int], order: tuple[int, ...]) -> int | None:
    """Bytes of the largest step of an order; None where it cannot run."""
    done: set[int] = set()
    users = [{i for i, task in enumerate(tasks) if one in task.takes} for one in range(len(sizes))]
    makers = [{i for i, task in enumerate(tasks) if one in task.makes} for one in range(len(sizes))]
    peak = 0
    for i in order:
        if not {*tasks[i].after} <= done:
            return None
        here = [one for one in range(len(sizes)) if makers[one] <= done and users[one] - done]
        made = sum(sizes[one] for one in tasks[i].makes)
        done.add(i)
        shared = max([size for one, size in tasks[i].shares if not users[one] - done], default=0)
        peak = max(peak, sum(sizes[one] for one in here) + made - min(shared, made))
    return peak


def random_tasks(seed: int, count: int) -> tuple[list[Task], list[int]]:
    chance = random.Random(seed)
    sizes = [chance.choice([1, 2, 3, 5, 8, 13]) for _ in range(count)]
    tasks = []
    for i in range(count):
        takes = tuple(sorted(chance.sample(range(i), min(i, chance.choice([0, 1, 1, 2, 3])))))
        shares = tuple((one, min(sizes[one], sizes[i])) for one in takes if chance.random() < 0.3)
        tasks.append(Task(takes, (i,), shares, takes))
    return tasks, sizes


@pytest.mark.parametrize("seed", range(60))
def test_no_order_is_better(seed: int) -> None:
    tasks, sizes = random_tasks(seed, 7)
    found = search(tasks, sizes)
    every = [peak_of(tasks, sizes, order) for order in permutations(range(7))]
    best = min(one for one in every if one is not None)
    assert (found.peak, found.bound) == (best, best)
    assert peak_of(tasks, sizes, found.nodes) == found.peak


@pytest.mark.parametrize("seed", range(40))
def test_a_small_budget_gives_an_order_and_a_bound_that_hold(seed: int) -> None:
    tasks, sizes = random_tasks(1000 + seed, 14)
    whole, some = search(tasks, sizes), search(tasks, sizes, states=2)
    assert whole.proven
    assert some.bound <= whole.peak <= some.peak
    assert peak_of(tasks, sizes, some.nodes) == some.peak


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
