"""What tests of trainers' ops have in common."""

from __future__ import annotations

import pytest

from mcugen.diagnostics import McugenError
from mcugen.ir import DType, TensorType
from mcugen.op import Op


def tensor(dtype: DType, *shape: int) -> TensorType:
    return TensorType(shape, dtype)


def assert_refuses(op: Op, *inputs: TensorType) -> None:
    """E0201, with what would do."""
    with pytest.raises(McugenError) as caught:
        op.infer(*inputs)
    assert [d.code for d in caught.value.diagnostics] == ["E0201"]
    assert all(d.help for d in caught.value.diagnostics)
