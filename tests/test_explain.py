"""What is documented from the code is up to date, and complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcugen.diagnostics import CODES
from mcugen.explain import explained, known, op_pages, pages, write
from mcugen.ops import all_ops

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize(("path", "text"), [*pages()], ids=[path for path, _ in pages()])
def test_up_to_date(path: str, text: str) -> None:
    assert (DOCS / path).read_text("utf-8") == text, "run `python -m mcugen.explain --write docs`"


def test_no_page_of_a_code_that_is_gone() -> None:
    assert {page.stem for page in (DOCS / "errors").glob("E*.md")} == {*CODES}


def test_every_code_is_whole() -> None:
    for code in CODES:
        assert all(known(code).values())
        assert explained(code).startswith(f"{code}: ")


def test_every_op_says_what_it_supports() -> None:
    assert [op["name"] for op in op_pages()] == sorted(all_ops())
    assert all(op["summary"] and op["supports"] for op in op_pages())


def test_write_changes_only_what_differs(tmp_path: Path) -> None:
    assert len(write(tmp_path)) == len(CODES) + 3
    (tmp_path / "errors/E9999.md").write_text("gone")
    (tmp_path / "ops.md").write_text("old")
    assert {page.name for page in write(tmp_path)} == {"E9999.md", "ops.md"}
    assert write(tmp_path) == []
