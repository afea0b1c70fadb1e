"""The C names of values and symbols: unique and legal, whatever the text they are made of."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.data import templates_dir
from mcugen.names import is_identifier
from mcugen.symbols import KINDS, OWN, TAKEN, locals_of, remark, rests_of

WORDS = sorted({*KINDS, "a", "b", "relu", "proba", "2"})
odd_texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from([*WORDS, "_", " ", "/"])).map("".join))
model_names = st.lists(st.sampled_from(["a", *WORDS]), min_size=1, max_size=4).map(lambda words: "m_" + "_".join(words))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x", "x"), ("x y", "x_y"), ("Größe", "Gro_e"), ("café", "cafe"), ("3d", "v3d"), ("int", "int_"),
        ("class", "class_"), ("", "value"), ("🙂", "value"), ("_x__y_", "x_y"), ("conv1/weight:0", "conv1_weight_0"),
        ("PORTB", "portb"), ("SP", "sp"), ("F", "f"), ("memcpy", "memcpy_"), ("label", "label"), ("my_label", "my_label0"),
        ("dense1Out", "dense1Out"), ("a\nb", "a_b"), ("*/", "value"), ("linux", "linux_"), ("w" * 1000, "w" * 40),
        ("row", "row_"), ("made", "made_"), ("rows", "rows"),
    ],
)  # fmt: skip
def test_a_local(text: str, name: str) -> None:
    assert locals_of([text]) == {text: name}


def test_no_value_hides_a_variable_of_the_functions_around_it() -> None:
    """What is declared in the loops of a function and in what takes rows is no name of a value."""
    texts = [(templates_dir() / name).read_text() for name in ("function.c.j2", "rows.c.j2")]
    functions = texts[1].split("The functions that their rows' places come from")[0] + texts[0]
    declared = {*re.findall(r"(?:_t|int|\}\}) \*?(?:const )?(\w+)(?: = |\[\{\{)", functions)}
    assert {"made", "row", "o", "taken"} <= declared <= OWN


def test_what_reads_alike_is_numbered() -> None:
    names = ["x y", "x_y", "x.y", "x_y_2", "int", "int!"]
    assert [*locals_of(names).values()] == ["x_y", "x_y_2", "x_y_3", "x_y_2_2", "int_", "int_2"]


def test_a_rest_may_be_a_keyword_but_no_kind() -> None:
    assert rests_of(["int", "flash", "my flash", "0"]) == {
        "int": "int", "flash": "flash0", "my flash": "my_flash0", "0": "0",
    }  # fmt: skip


@given(st.lists(odd_texts, unique=True))
def test_locals_are_distinct_identifiers_that_hide_no_symbol(texts: list[str]) -> None:
    names = locals_of(texts)
    assert [*names] == texts
    assert len({*names.values()}) == len(texts)
    for name in names.values():
        assert is_identifier(name)
        assert name not in TAKEN
        assert not name.startswith("_")
        assert "__" not in name
        assert not KINDS & {*name.split("_")[1:]}


@given(st.lists(odd_texts, unique=True))
def test_rests_are_distinct_and_hold_no_kind(texts: list[str]) -> None:
    rests = [*rests_of(texts).values()]
    assert len({*rests}) == len(texts)
    assert not any(KINDS & {*rest.split("_")} for rest in rests)


@given(model_names, model_names, st.lists(odd_texts, unique=True, min_size=1, max_size=5))
def test_symbols_of_two_models_never_meet(one: str, other: str, texts: list[str]) -> None:
    """Every form that a symbol has, for models whose names begin with each other's."""
    rests = [*rests_of(texts).values()]
    tails = [*KINDS, "predict_proba", *("_".join(pair) for pair in itertools.product(KINDS, rests))]
    if one != other:
        assert not {f"{one}_{tail}" for tail in tails} & {f"{other}_{tail}" for tail in tails}


@given(st.text())
def test_a_remark_stays_a_remark(text: str) -> None:
    said = remark(text)
    assert said.isascii()
    assert "\n" not in said
    assert not any(pair in said for pair in ("*/", "/*", "??"))
