"""The filters that write values as C: what they write is read back, by hand and by the compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import jinja2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.templating import c_array, c_id, c_lit, c_str, environment


def render(text: str, **values: object) -> str:
    return environment().from_string(text).render(**values)


def test_environment_refuses_an_undefined_name() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("{{ nothing }}")


def test_environment_keeps_text_as_it_is() -> None:
    assert render("{% if true %}\n  {% if true %}\na < b\n  {% endif %}\n{% endif %}\n") == "a < b\n"
    assert environment() is environment()


def test_compiled_templates_are_kept_where_that_is_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where what was kept is damaged, and where the cache is no folder."""
    texts = []
    (tmp_path / "file").write_text("")
    for folder, spoil in ((tmp_path / "kept", False), (tmp_path / "kept", True), (tmp_path / "file", False)):
        monkeypatch.setenv("MCUGEN_CACHE", str(folder))
        kept = [*folder.glob("templates/*")] if folder.is_dir() else []
        for file in kept if spoil else []:
            file.write_bytes(file.read_bytes()[:-20])
        made = environment.__wrapped__()
        assert made.get_template("docs/ops.md.j2").blocks == {}
        texts.append(made.get_template("docs/ops.md.j2").render(ops=[]))
        assert bool(kept) == spoil
    assert len(set(texts)) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0f"),
        (-0.0, "-0.0f"),
        (1, "1.0f"),
        (0.5, "0.5f"),
        (np.float32(0.1), "0.1f"),
        (np.float32(1 / 3), "0.33333334f"),
        (np.float32(1e20), "1e20f"),
        (np.float32(-1.5e-7), "-1.5e-7f"),
        (16777216, "16777216.0f"),
        (np.finfo(np.float32).max, "3.4028235e38f"),
        (np.float32(1e-45), "1e-45f"),
    ],
)
def test_c_lit(value: float, text: str) -> None:
    assert c_lit(value) == text
    assert render("{{ v | c_lit }}", v=value) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_c_lit_reads_back_exactly(value: float) -> None:
    text = c_lit(value)
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()
    assert text.endswith("f")
    assert {".", "e"} & set(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 0.1, 1e39, 16777217])
def test_c_lit_refuses_what_float32_does_not_hold(value: float) -> None:
    with pytest.raises(ValueError, match="float32"):
        c_lit(value)


@pytest.mark.parametrize("text", ["", "1a", "a-b", "größe", "while", "xor_eq", "co_await", "a\n", "a b"])
def test_c_id_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        c_id(text)


def test_c_id_gives_the_identifier_back() -> None:
    assert render("{{ 'digits_x1' | c_id }}") == "digits_x1"


def test_c_array_kinds() -> None:
    assert c_array(np.array([[1, -2], [3, 4]], np.int8)) == "    1, -2, 3, 4"
    assert c_array(np.array([1.5, 0.1], np.float32), indent=2) == "  1.5f, 0.1f"
    assert c_array(np.array([True, False])) == "    1, 0"
    assert c_array([np.uint8(255), 7], spec="#04x") == "    0xff, 0x07"
    assert c_array(["NAN", 1.0], indent=0) == "NAN, 1.0f"
    assert c_array([-(2**63)]) == "    (-9223372036854775807 - 1)"
    assert render("{{ v | c_array(indent=2) }}", v=(1, 2)) == "  1, 2"


def test_c_array_refuses_nothing_and_nan() -> None:
    with pytest.raises(ValueError, match="at least one"):
        c_array([])
    with pytest.raises(ValueError, match="float32"):
        c_array(np.array([np.nan], np.float32))


@given(
    st.lists(st.integers(-(2**31), 2**32 - 1), min_size=1),
    st.integers(0, 8),
)
def test_c_array_wraps_and_loses_nothing(values: list[int], indent: int) -> None:
    lines = c_array(values, indent=indent).split("\n")
    assert all(len(line) <= 100 and line.startswith(" " * indent) and line[indent] != " " for line in lines)
    assert [int(item) for item in " ".join(lines).split(",")] == values
    assert all(line.endswith(",") for line in lines[:-1])


def test_c_str() -> None:
    assert c_str("plain") == '"plain"'
    assert c_str('a"b\\c\n') == r'"a\042b\134c\012"'
    assert c_str("é1") == r'"\303\2511"'
    assert c_str("??/") == r'"?\077/"'
    assert c_str("") == '""'
    with pytest.raises(ValueError, match="surrogate"):
        c_str("\ud800")


def test_the_compiler_reads_back_what_the_filters_write(require: Callable[..., None], tmp_path: Path) -> None:
    require("gcc")
    texts = ["", "plain", "größe", '"quoted" \\', "a\tb\nc", "\x00\x011", "????/??=", "日本1", "\x7f9"]
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 2000, dtype=np.uint32)
    floats = np.concatenate([bits.view(np.float32), -bits.view(np.float32)])
    source = render(
        "#include <stdio.h>\nstatic const float f[] = {\n{{ f | c_array }}\n};\n"
        "int main(void) {\n  fwrite(f, sizeof f, 1, stdout);\n"
        "{% for t in texts %}\n  fwrite({{ t | c_str }}, sizeof {{ t | c_str }}, 1, stdout);\n{% endfor %}\n  return 0;\n}\n",
        f=floats,
        texts=texts,
    )
    (tmp_path / "t.c").write_text(source, encoding="ascii")
    flags = ["-std=c99", "-trigraphs", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["gcc", *flags, "-o", tmp_path / "t", tmp_path / "t.c"], check=True)
    out = subprocess.run([tmp_path / "t"], check=True, stdout=subprocess.PIPE).stdout
    assert out == floats.tobytes() + b"".join(t.encode() + b"\0" for t in texts)
