"""vote: NumPy against compiled C: counted and weighted, with members that know fewer classes, and ties."""

from __future__ import annotations

import numpy as np
import pytest
from one_op import assert_c_is_numpy

from mcugen.diagnostics import McugenError
from mcugen.ops.vote import INDEX, Vote
from mcugen.rows import vector


def ops(rng: np.random.Generator) -> list[Vote]:
    made = []
    for members, classes in ((1, 2), (2, 2), (3, 3), (5, 4), (126, 3), (3, 300)):
        plain = ((*range(classes),),) * members
        some = (*plain[:-1], tuple(sorted(rng.choice(classes, 2, replace=False).tolist())))
        for codes in (plain, some):
            made.append(Vote(classes, codes, np.ones(members, np.float32)))
            made.append(Vote(classes, codes, rng.uniform(0, 3, members).astype(np.float32)))
    return made


def test_the_c_is_numpy() -> None:
    rng = np.random.default_rng(0)
    every = ops(rng)
    rows = [[rng.integers(0, len(codes), 40).astype(np.int32) for codes in op.codes] for op in every]
    assert_c_is_numpy([(op, (INDEX,) * len(op.codes)) for op in every], rows)


def test_the_first_of_equals_wins() -> None:
    op = Vote(3, ((0, 1, 2),) * 2, np.ones(2, np.float32))
    assert op.evaluate(np.int32(2), np.int32(1))[0] == 1


def test_what_it_does_not_take() -> None:
    with pytest.raises(McugenError, match="vote takes 1 class indices, not 3:f32"):
        Vote(3, ((0, 1, 2),), np.ones(1, np.float32)).infer(vector(3))
