"""Labels in C: whatever a user's classes are called, the C gives it back, and nothing is read beyond the table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sanitized import check_on_avr, compiled, run_main
from toy_ops import Argmax, toys

from mcugen.diagnostics import McugenError
from mcugen.interface import LabelFunction, label_function
from mcugen.ir import DType, GraphBuilder, Label, TensorType
from mcugen.targets.driver import Unit
from mcugen.templating import COLUMNS

__all__ = ["toys"]
pytestmark = pytest.mark.usefixtures("toys")


def classifier(labels: Sequence[Label], name: str = "m") -> Unit:
    """A model of as many features as classes: the class is the largest one's."""
    builder = GraphBuilder("predict")
    x = builder.input("x", TensorType((len(labels),), DType.F32))
    builder.output(*builder.add(Argmax(), x, names=("label",)), labels=tuple(labels))
    return compiled(builder.build(), name=name)


def function_of(unit: Unit) -> LabelFunction:
    found = label_function(unit.module)
    assert found is not None
    return found


TEXTS = """
#include "m.h"
#include <stdio.h>

int main(void)
{
    for (int i = -2; i < M_CLASSES + 2; i++) {
        char buf[M_LABEL_SIZE]; /* on the stack, so that ASan sees the first byte too far */
        printf("%s|", m_label(i, buf));
    }
    return 0;
}
"""

NUMBERS = """
#include "m.h"
#include <stdio.h>

int main(void)
{
    for (int i = -2; i < M_CLASSES + 2; i++) {
        printf("%lld|", (long long)m_label(i));
    }
    return 0;
}
"""


def texts_of(unit: Unit) -> list[str]:
    """What the C gives for i from -2 to classes + 1."""
    check_on_avr([unit])
    return run_main([unit], TEXTS).split("|")[:-1]


@pytest.mark.parametrize(
    "labels",
    [
        ("setosa", "versicolor", "virginica"),
        ('a "quoted" one', "back\\slash", "per%cent", "??/ and ??)", "tab\tand\nnewline", "1st", ""),
        ("größe", "日本語", "🙂", "👨‍👩‍👧", "é"),
        tuple(f"class {i}" for i in range(300)),
        ("x" * 1000, "y" * 999 + "é", "🙂" * 250),
        tuple("ü" * 1000 + str(i) for i in range(10)),  # more than a literal of C99 holds
        ("one",),
    ],
)
def test_texts_come_back(labels: tuple[str, ...]) -> None:
    unit = classifier(labels)
    assert texts_of(unit) == ["", "", *labels, "", ""]
    assert function_of(unit).size == max(len(label.encode()) for label in labels) + 1
    lines = [line for line in "".join(unit.files.values()).splitlines() if "labels[" not in line]
    assert max(map(len, lines)) <= COLUMNS


def test_what_c_cannot_hold_is_shown_in_its_place() -> None:
    assert texts_of(classifier(("a\0b", "a\0c", "\ud800")))[2:-2] == ["a␀b", "a␀c", "?"]


@pytest.mark.parametrize(
    ("labels", "texts"),
    [
        ((0.5, 1.5, -2.25), ["0.5", "1.5", "-2.25"]),
        ((1.0, 2.5), ["1.0", "2.5"]),
        ((1e30, 1e-30), ["1e+30", "1e-30"]),
        ((2**63, 1), ["9223372036854775808", "1"]),
        ((np.float64(0.1), np.float64(3)), ["0.1", "3.0"]),
    ],
)
def test_numbers_that_no_integer_type_holds_are_texts(labels: tuple[Label, ...], texts: list[str]) -> None:
    unit = classifier(labels)
    assert texts_of(unit)[2:-2] == texts
    assert "The labels are numbers as text" in unit.files["src/m.h"]


@pytest.mark.parametrize(
    ("labels", "ctype", "bits"),
    [
        ((3, 7), "int32_t", 8),
        ((-1, 1), "int32_t", 8),
        ((True,), "int32_t", 8),
        ((1.0, -2.0), "int32_t", 8),
        ((-129, 5), "int32_t", 16),
        ((32768, 0), "int32_t", 32),
        ((-(2**31), 2**31 - 1), "int32_t", 32),
        ((2**31, 0), "int64_t", 64),
        ((-(2**63), 2**63 - 1, 0), "int64_t", 64),
        (tuple(range(299, -1, -1)), "int32_t", 16),
    ],
)
def test_integers_come_back(labels: tuple[Label, ...], ctype: str, bits: int) -> None:
    unit = classifier(labels)
    outside = -(2**63) if bits == 64 else -(2**31)
    check_on_avr([unit])
    found = [int(text) for text in run_main([unit], NUMBERS).split("|")[:-1]]
    assert found == [outside, outside, *map(int, labels), outside, outside]
    assert (function_of(unit).returns, function_of(unit).bits) == (ctype, bits)
    assert f"INT{64 if bits == 64 else 32}_MIN where there is no class i" in unit.files["src/m.h"]


@pytest.mark.parametrize("labels", [(0, 1, 2), (False, True), (0.0, 1.0)])
def test_labels_that_are_the_index_need_no_table(labels: tuple[Label, ...]) -> None:
    unit = classifier(labels)
    assert function_of(unit).kind == "index"
    assert "labels" not in unit.files["src/m.c"]
    assert [int(t) for t in run_main([unit], NUMBERS).split("|")[2:-3]] == [int(label) for label in labels]


def test_a_table_of_labels_that_avr_gcc_refuses_is_refused_before() -> None:
    with pytest.raises(McugenError, match="the table of labels has 100,101 B") as caught:
        classifier([f"{i:03}" + "x" * 997 for i in range(100)])
    assert caught.value.diagnostics[0].code == "E0303"
