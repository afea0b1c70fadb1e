"""An op is one Python file, one C template and one test. This fails where one of the three is missing."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from mcugen.data import templates_dir
from mcugen.op import Op
from mcugen.ops import all_ops

OPS = sorted(all_ops().items())


@pytest.mark.parametrize(("name", "op"), OPS)
def test_an_op_has_a_template(name: str, op: type[Op]) -> None:
    folder = templates_dir() / "ops"
    found = [p for p in (folder / f"{name}.c.j2", folder / name) if p.exists()]
    assert len(found) == 1, f"templates/ops/{name}.c.j2 or templates/ops/{name}/, one of them"


@pytest.mark.parametrize(("name", "op"), OPS)
def test_an_op_has_a_test(name: str, op: type[Op]) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").is_file(), f"tests/ops/test_{name}.py is missing"


@pytest.mark.parametrize(("name", "op"), OPS)
def test_an_op_says_what_it_does(name: str, op: type[Op]) -> None:
    doc = op.__dict__.get("__doc__") or ""
    # A dataclass without a docstring gets its signature for one.
    assert len(inspect.cleandoc(doc)) > 20
    assert not doc.startswith(f"{op.__name__}(")


@pytest.mark.parametrize(("name", "op"), OPS)
def test_an_op_keeps_the_contract(name: str, op: type[Op]) -> None:
    assert op.infer is not Op.infer
    assert op.evaluate is not Op.evaluate
    assert op.name == name


def test_no_template_is_left_without_its_op() -> None:
    names = {p.name.removesuffix(".c.j2") for p in (templates_dir() / "ops").iterdir()}
    assert names <= all_ops().keys()


def test_no_onnx_operator_is_claimed_twice() -> None:
    claimed = [name for _, op in OPS for name in op.onnx]
    assert len(claimed) == len(set(claimed))
