"""resize_rows: NumPy against compiled C."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_op import case, check

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.ops.resize_rows import ResizeRows, Taps

TWICE = Taps.picked(3, np.array([0, 0, 1, 1, 2, 2]))
SAME = Taps.picked(4, np.arange(4))
HALVES = Taps.of(np.array([[1, 0, 0], [0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1]]))
WIDE = Taps.of(np.array([[0, 0.2, 0.3, 0.4, 0.1], [0, 0, 0, 0.5, 0.5], [1, 0, 0, 0, 0]]))
LARGE = Taps.picked(300, np.array([299, 0, 256]))
SCALED = Taps.of(np.array([[0.5, 0], [0, 2.0], [1.0, 0]]))


@pytest.mark.parametrize("kind", [DType.F32, DType.I8])
def test_pixels_that_are_moved(kind):
    limits = {"low": -128, "high": 127} if kind is DType.I8 else {}
    pairs = [(TWICE, SAME, 5), (SAME, TWICE, 1), (TWICE, TWICE, 3), (LARGE, SAME, 2)]
    cases = [case(ResizeRows(a, b), (a.size, b.size, c), dtype=kind, **limits) for a, b, c in pairs]
    images = ResizeRows(TWICE, SAME, images=3)
    check([*cases, case(images, (9, 4, 2), dtype=kind, **limits)], rtol=0, atol=0)
    assert images.reads(17) == ((8, 9),)


def test_weighted_sums():
    """The C adds up in NumPy's order, both in float32, where nothing is fused."""
    axes = (HALVES, SAME, WIDE, TWICE, SCALED)
    pairs = [(a, b) for a in axes for b in axes if a.weighted or b.weighted]
    cases = [case(ResizeRows(a, b), (a.size, b.size, 1 + i % 3)) for i, (a, b) in enumerate(pairs)]
    images = case(ResizeRows(HALVES, WIDE, images=2), (6, 5, 1))
    check([*cases, images], rtol=0, atol=0)


def test_weights_are_taken_side_by_side():
    """As many for every output; rows that are read are those of its weights, and of zeros beside them."""
    assert (WIDE.count, WIDE.first) == (4, (1, 1, 0))
    assert WIDE.weights[1] == (0.0, 0.0, 0.5, 0.5)
    op = ResizeRows(WIDE, SAME)
    assert [op.reads(at) for at in range(3)] == [((1, 5),), ((1, 5),), ((0, 4),)]
    assert [one.changes for one in (SAME, TWICE, SCALED)] == [False, True, True]


@pytest.mark.parametrize(
    ("op", "shape", "kind"),
    [
        (ResizeRows(HALVES, SAME), (3, 4, 1), DType.I8),
        (ResizeRows(TWICE, SAME), (4, 4, 1), DType.F32),
        (ResizeRows(TWICE, SAME, images=2), (3, 4, 1), DType.F32),
        (ResizeRows(Taps.picked(3, np.array([3])), SAME), (3, 4, 1), DType.F32),
        (ResizeRows(TWICE, SAME), (3, 4), DType.F32),
    ],
)
def test_what_is_refused(op, shape, kind):
    with pytest.raises(McugenError) as caught:
        op.infer(TensorType(shape, kind))
    assert caught.value.diagnostics[0].code == "E0201"
