"""bayes: the sum of the paper. That the C is this NumPy, tests/trainers/test_c.py says."""

from __future__ import annotations

import numpy as np
from learned import assert_refuses, tensor

from mcugen.ir import DType
from mcugen.ops.bayes import Bayes


def test_the_papers_sum() -> None:
    """argmax of P(j) · product over groups of P(pattern | j)."""
    rng = np.random.default_rng(1)
    chances = [rng.dirichlet(np.ones(2**size), 4).T for size in (2, 3)]  # (patterns, classes)
    prior = rng.dirichlet(np.ones(4))
    patterns = np.concatenate(chances)
    tables = [np.rint(np.log2(one) * 256).astype(np.int16) for one in (prior, patterns)]
    sizes, members = np.array([2, 3], np.uint8), np.array([4, 0, 1, 3, 2], np.uint8)
    seen = set()
    for _ in range(50):
        margins = rng.normal(size=5).astype(np.float32)
        up = (margins > 0).astype(int)
        each = prior * chances[0][up[4] + 2 * up[0]] * chances[1][up[1] + 2 * up[3] + 4 * up[2]]
        (found,) = Bayes().evaluate(margins, tables[0], sizes, members, tables[1])
        assert each[found] > 0.97 * each.max()  # seven numbers, each rounded to 1/256
        seen.add(int(found))
    assert len(seen) > 2


def test_types_that_do_not_go_together_are_refused() -> None:
    others = tensor(DType.U8, 1), tensor(DType.U8, 2)
    assert_refuses(Bayes(), tensor(DType.F32, 2), tensor(DType.I16, 3), *others, tensor(DType.I16, 4, 2))
    assert_refuses(Bayes(), tensor(DType.I16, 2), tensor(DType.I16, 3), *others, tensor(DType.I16, 4, 3))
    assert_refuses(Bayes(), tensor(DType.F32, 2), tensor(DType.F32, 3), *others, tensor(DType.F32, 4, 3))
