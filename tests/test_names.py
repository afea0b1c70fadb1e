"""Which words can be a model's name, and what is suggested instead of those that cannot."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.diagnostics import McugenError
from mcugen.names import CORE, HEADERS, KEYWORDS, MACROS, MAX_NAME, check_name, is_identifier, suggest_name
from mcugen.targets.simavr import arduino_core


def refusal(name: str) -> str:
    with pytest.raises(McugenError) as caught:
        check_name(name)
    (found,) = caught.value.diagnostics
    assert found.code == "E0111"
    return f"{found.message} {found.help}"


@pytest.mark.parametrize("name", ["digits", "Iris2", "a", "price_m2", "x" * MAX_NAME, "model", "net", "forest"])
def test_takes(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "ASCII"),
        ("größe", "ASCII"),
        ("a b", "ASCII"),
        ("a-b", "ASCII"),
        ("3d", "ASCII"),
        ("a\n", "ASCII"),
        ("x\0", "ASCII"),
        ("ａ", "ASCII"),
        ("_model", "underscore"),
        ("model_", "underscore"),
        ("my__model", "underscore"),
        ("x" * (MAX_NAME + 1), "41 characters"),
        ("while", "keyword"),
        ("class", "keyword"),
        ("xor_eq", "keyword"),
        ("co_await", "keyword"),
        ("consteval", "keyword"),
        ("setup", "Arduino core"),
        ("loop", "Arduino core"),
        ("Serial", "Arduino core"),
        ("INPUT", "Arduino core"),
        ("input", "Arduino core"),
        ("F", "Arduino core"),
        ("f", "Arduino core"),
        ("Led_Builtin", "Arduino core"),
        ("math", "header"),
        ("Time", "header"),
        ("wire", "header"),
        ("print", "header"),
        ("ArduinoModel", "begin with Arduino"),
        ("mcugen", "begin with mcugen"),
        ("mcugen_link", "begin with mcugen"),
    ],
)
def test_refuses(name: str, why: str) -> None:
    assert why in refusal(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("größe", "groesse"),
        ("Übung", "Uebung"),
        ("Straße 7", "Strasse_7"),
        ("crème brûlée", "creme_brulee"),
        ("3d-model", "m_3d_model"),
        ("while", "while_model"),
        ("Serial", "Serial_model"),
        ("my model.skops", "my_model_skops"),
        ("日本", "model"),
        ("", "model"),
        ("__x__", "x"),
        ("arduino model", "my_arduino_model"),
        ("mcugen link", "my_mcugen_link"),
    ],
)
def test_suggests(text: str, name: str) -> None:
    assert suggest_name(text) == name
    assert name in refusal(text)


@given(st.text() | st.sampled_from(sorted(KEYWORDS | MACROS | CORE | HEADERS)) | st.text("aB_1 -ä", max_size=60))
def test_every_suggestion_is_usable(text: str) -> None:
    assert check_name(suggest_name(text))


def test_identifiers_may_be_longer_and_core_names() -> None:
    assert is_identifier("setup")
    assert is_identifier("_" + "x" * 100)
    assert not is_identifier("int")


def test_no_header_of_the_core_can_be_hidden(require: Callable[..., None]) -> None:
    require("arduino-core-avr")
    for header in _core().glob("*.h"):
        assert header.stem.lower() in {name.lower() for name in HEADERS | CORE | KEYWORDS}, header.name


def test_no_macro_of_the_core_begins_with_a_names_macro(require: Callable[..., None]) -> None:
    """The C defines `<NAME>_FEATURES`, `_CLASSES`, `_LABEL_SIZE` and the guard `<NAME>_H`: the core must have none of them."""
    require("avr-g++", "arduino-core-avr")
    flags = ["-mmcu=atmega328p", "-DF_CPU=16000000L", f"-I{_core()}", f"-I{_core()}/../../variants/standard"]
    command = ["avr-g++", *flags, "-DDECIMAL_DIG=17", "-dM", "-E", "-x", "c++", _core() / "Arduino.h"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    stems = set(re.findall(r"#define ([A-Z][A-Z0-9_]*)_(?:FEATURES|CLASSES|LABEL_SIZE|H)\b", text))
    assert not [stem for stem in stems if not refused(stem.lower())]


def _core() -> Path:
    return arduino_core() / "cores" / "arduino"


def refused(name: str) -> bool:
    try:
        check_name(name)
    except McugenError:
        return True
    return False
