"""What is documented from the code itself: the table of error codes and the ops. `python -m mcugen.explain --write docs`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mcugen.diagnostics import (
    CODES,
    EXIT_BUG,
    EXIT_FIT,
    EXIT_TOOL,
    EXIT_USER,
    EXIT_VERIFY,
    Loc,
)

if TYPE_CHECKING:
    from mcugen.op import Op

STAGES = {
    "E01": "reading models and data",
    "E02": "types and the graph",
    "E03": "estimators and ops",
    "E04": "boards",
    "E05": "fit",
    "E06": "building and writing",
    "E07": "running and flashing",
    "E08": "verification",
    "E09": "what is not there yet",
    "E70": "bugs",
}
EXITS = {
    EXIT_USER: "something to correct",
    EXIT_FIT: "it does not fit the board",
    EXIT_VERIFY: "the C and the model disagree",
    EXIT_TOOL: "a tool or the board is missing",
    EXIT_BUG: "a bug in mcugen",
}


def known(code: str) -> dict[str, Any]:
    """A row of the table: code, stage, title, meaning, exit code and what that stands for."""
    found = CODES[code]
    return {
        "code": code,
        "stage": STAGES[code[:3]],
        "title": found.title,
        "meaning": found.meaning,
        "exit_code": found.exit_code,
        "exit": EXITS[found.exit_code],
    }


def explained(code: str) -> str:
    """A row of the table as text for a terminal."""
    row = known(code)
    return f"{code}: {row['title']}\n\n{row['meaning']}\n\nStage: {row['stage']}. Exit code {row['exit_code']}: {row['exit']}."


def listed() -> str:
    """The whole table, one line per code."""
    return "\n".join(f"{code}  {row.title}" for code, row in CODES.items())


def op_pages() -> list[dict[str, Any]]:
    """Every op: its name, what it supports (its docstring), the ONNX ops it stands for, and whether it works in place."""
    from mcugen.ops import all_ops

    return [_op(op) for _, op in sorted(all_ops().items())]


def _op(op: type[Op]) -> dict[str, Any]:
    summary, _, rest = inspect.cleandoc(op.__doc__ or "").partition("\n\n")
    return {
        "name": op.name,
        "summary": " ".join(summary.split()),
        "supports": rest,
        "onnx": [*op.onnx],
        "in_place": op.in_place is not None,
    }


def estimator_pages() -> list[dict[str, Any]]:
    """Every estimator of scikit-learn that predicts or transforms, and those of other libraries: what becomes of it, or what to do instead."""
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401  # else they are not listed
    from sklearn.utils import all_estimators

    from mcugen.frontends.sklearn import families, unsupported_class

    found = {}
    for name, cls in all_estimators():
        if hasattr(cls, "predict") or hasattr(cls, "transform"):
            (refused,) = unsupported_class(cls.__module__, name, Loc()).diagnostics
            found[name] = _estimator(name, False, refused.help)
    for family in families():
        found |= {name: _estimator(name, True, _summary(family)) for name in family.SUPPORTED}
    return [found[name] for name in sorted(found, key=str.lower)]


def _estimator(name: str, supported: bool, text: str) -> dict[str, Any]:
    return {"name": name, "supported": supported, "text": text}


def _summary(family: ModuleType) -> str:
    """What a family's module says first of itself."""
    return " ".join(inspect.cleandoc(family.__doc__ or "").partition("\n\n")[0].split())


def pages() -> Iterator[tuple[str, str]]:
    """The generated pages, as paths below docs/ and their text."""
    from mcugen.templating import environment

    error = environment().get_template("docs/error.md.j2")
    for code in CODES:
        yield f"errors/{code}.md", error.render(row=known(code))
    index = environment().get_template("docs/errors.md.j2")
    yield "errors/README.md", index.render(rows=[known(code) for code in CODES])
    yield "ops.md", environment().get_template("docs/ops.md.j2").render(ops=op_pages())
    yield "estimators.md", environment().get_template("docs/estimators.md.j2").render(rows=estimator_pages())


def write(docs: Path) -> list[Path]:
    """Bring the pages below `docs` up to date; returns those that changed. Pages of codes that are gone go."""
    wanted = {docs / path: text for path, text in pages()}
    gone = [page for page in (docs / "errors").glob("E*.md") if page not in wanted]
    changed = [page for page, text in wanted.items() if not page.is_file() or page.read_text("utf-8") != text]
    for page in changed:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(wanted[page], "utf-8")
    for page in gone:
        page.unlink()
    return [*changed, *gone]


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "--write":
        sys.exit("usage: python -m mcugen.explain --write docs")
    for changed_page in write(Path(sys.argv[2])):
        print(changed_page)
