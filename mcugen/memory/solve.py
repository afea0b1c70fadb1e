"""Offsets by constraint programming (OR-Tools' CP-SAT, the extra `solve`), where placing buffers one by one misses the bound."""

from __future__ import annotations

from collections.abc import Sequence

EFFORT = 1.0  # CP-SAT's own deterministic seconds: the same offsets on every computer


def is_installed() -> bool:
    """Whether OR-Tools is there."""
    from importlib.util import find_spec

    return find_spec("ortools") is not None


def solved(
    sizes: Sequence[int],
    aligns: Sequence[int],
    apart: Sequence[tuple[int, int, int, int, bool]],
    given: Sequence[int],
    bound: int,
) -> tuple[int, ...]:
    """Offsets of buffers of so many bytes with the lowest top that is found, no worse than the `given` ones.

    apart  (i, j, low, high, same): j may not begin from low to high bytes after i, but for the very place where `same`
    bound  bytes that are enough
    """
    from ortools.sat.python import cp_model

    most = max(at + size for at, size in zip(given, sizes, strict=True))
    model = cp_model.CpModel()
    steps = [model.new_int_var(0, (most - s) // a, f"{i}") for i, (s, a) in enumerate(zip(sizes, aligns, strict=True))]
    at = [step * align for step, align in zip(steps, aligns, strict=True)]
    top = model.new_int_var(bound, most, "top")
    for i, size in enumerate(sizes):
        model.add(at[i] + size <= top)
        model.add_hint(steps[i], given[i] // aligns[i])
    for i, j, low, high, same in apart:
        ways = [model.new_bool_var("") for _ in range(2 + same)]
        model.add(at[j] - at[i] <= low).only_enforce_if(ways[0])
        model.add(at[j] - at[i] >= high).only_enforce_if(ways[1])
        if same:
            model.add(at[j] == at[i]).only_enforce_if(ways[2])
        model.add_bool_or(ways)
    model.minimize(top)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = EFFORT
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return tuple(given)
    return tuple(solver.value(step) * align for step, align in zip(steps, aligns, strict=True))
