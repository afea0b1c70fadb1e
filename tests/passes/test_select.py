"""Selection by what the target asks for, with a toy op whose forms the test gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import dedent
from typing import ClassVar

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.neural_network import MLPClassifier

from mcugen.boards import Board, Optimize, Target, load_board
from mcugen.compile import lower
from mcugen.diagnostics import McugenError
from mcugen.frontends import read
from mcugen.ir import DType, GraphBuilder, Module, TensorType, verify_module
from mcugen.op import Cost, Form, Op
from mcugen.passes.select import choose, select
from mcugen.targets.avr import toolchain

UNO = load_board("uno")
MEGA = load_board("mega2560")


@dataclass(frozen=True, eq=False)
class Toy(Op):
    """Passes its input on, in one of the forms it is given."""

    name: ClassVar[str] = "toy"

    ways: tuple[Form, ...]
    form: str = ""

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return inputs

    def describe(self) -> str:
        return f"form={self.form}" if self.form else ""

    def forms(self, target: Target) -> tuple[Form, ...]:
        return self.ways

    def with_form(self, form: Form, target: Target) -> Toy:
        return replace(self, form=f"{form.name}@{target.board.name}")


def form(name: str, flash: int, cycles: int) -> Form:
    return Form(name, Cost(flash=flash, cycles=cycles))


SMALL, FAST, MIDDLE = form("small", 10, 9000), form("fast", 900, 120), form("middle", 20, 4000)


def board(flash_free: int) -> Board:
    return replace(UNO, flash=flash_free, framework_flash=0)


@pytest.mark.parametrize(("optimize", "chosen"), [("size", SMALL), ("speed", FAST), ("auto", MIDDLE)])
def test_the_three_policies(optimize: Optimize, chosen: Form) -> None:
    for forms in ((SMALL, FAST, MIDDLE), (MIDDLE, FAST, SMALL)):
        assert choose(forms, Target(UNO, optimize)) is chosen


def test_auto_leaves_out_what_does_not_fit() -> None:
    assert choose((SMALL, FAST, MIDDLE), Target(board(20))) is MIDDLE
    assert choose((SMALL, FAST, MIDDLE), Target(board(19))) is SMALL


def test_auto_takes_the_smallest_where_nothing_fits() -> None:
    assert choose((MIDDLE, SMALL, FAST), Target(board(9))) is SMALL


@pytest.mark.parametrize("optimize", ["size", "speed", "auto"])
def test_ties_go_by_name(optimize: Optimize) -> None:
    twins = (form("b", 10, 10), form("a", 10, 10), form("c", 10, 10))
    assert choose(twins, Target(UNO, optimize)).name == "a"


def test_every_op_that_has_forms_is_decided_and_the_rest_left() -> None:
    builder = GraphBuilder("predict")
    (a,) = builder.add(Toy((SMALL, FAST)), builder.input("x", TensorType((3,), DType.F32)), names=("a",))
    (b,) = builder.add(Toy(()), a, names=("b",))
    builder.output(*builder.add(Toy((MIDDLE,)), b, names=("y",)))
    module = Module("m", (builder.build(),))
    before = str(module)
    after = verify_module(select(module, Target(UNO, "speed")))
    assert "\n" + str(after) == dedent("""
        module m

        predict:
          input %x : 3:f32
          %a = toy(%x) {form=fast@uno} : 3:f32
          %b = toy(%a) : 3:f32
          %y = toy(%b) {form=middle@uno} : 3:f32
          return %y
    """)
    assert str(module) == before


def test_tables_of_several_ops_that_near_reads_do_not_reach_together_are_read_far() -> None:
    x, y = load_digits(return_X_y=True)
    forests = [(name, RandomForestClassifier(3, random_state=i)) for i, name in enumerate("ab")]
    source = read(VotingClassifier(forests, voting="soft").fit(x, y))
    near = lower(source, Target(MEGA, "size"))
    assert [getattr(node.op, "form", "") for node in near.module.nodes] == ["table", "table", ""]
    assert near.report.near > 4_000
    both = lower(source, Target(MEGA, "size", near=near.report.near - 100))
    assert sorted(getattr(node.op, "form", "") for node in both.module.nodes) == ["", "table", "table_far"]
    assert both.report.near < 0.7 * near.report.near
    (ran,) = toolchain.run_rows([both.unit], [[x[:9].astype(np.float32)]], MEGA)
    assert ran.outputs[0].tolist() == y[:9].tolist()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_tables_beyond_near_reads_do_not_fit() -> None:
    x, y = load_digits(return_X_y=True)
    network = read(MLPClassifier((80, 80, 80), max_iter=1).fit(x, y))
    made = lower(network, Target(MEGA, numeric="float32"))
    assert made.report.flash.value < made.report.flash_free
    assert made.report.fits is False
    with pytest.raises(McugenError, match="of 16 bits, which end at 64 KiB"):
        made.require_fit()
    assert lower(network, Target(MEGA, numeric="int16")).report.fits
