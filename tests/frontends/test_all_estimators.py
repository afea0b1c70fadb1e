"""Every estimator of scikit-learn that predicts or transforms is in the table: supported and tested, or refused by its name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401  # else they are not listed
from sklearn.utils import all_estimators

from mcugen.cli import cli
from mcugen.diagnostics import McugenError
from mcugen.explain import estimator_pages
from mcugen.frontends.sklearn import read_estimator, supported

TESTS = Path(__file__).parent.parent
ASKED = {name: cls for name, cls in all_estimators() if hasattr(cls, "predict") or hasattr(cls, "transform")}


@pytest.mark.parametrize("name", ASKED)
def test_it_is_supported_or_refused_by_its_name(name: str) -> None:
    unfitted: Any = object.__new__(ASKED[name])
    with pytest.raises(McugenError) as caught:
        read_estimator(unfitted, "m")
    first = caught.value.diagnostics[0]
    if name in supported():
        assert first.code in ("E0106", "E0107", "E0302"), first  # what is not fitted is read no further
    else:
        assert first.code == "E0301"
        assert name in first.message
        assert first.help


def test_what_is_supported_is_tested() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py") if path != Path(__file__))
    words = set(re.findall(r"\w+", text))
    assert not {name for name in supported() if name.rpartition(".")[2] not in words}


def test_the_table() -> None:
    rows = estimator_pages()
    names = [row["name"] for row in rows]
    assert set(ASKED) <= set(names)
    assert {row["name"] for row in rows if row["supported"]} == set(supported())
    assert all(row["text"] for row in rows)
    done = CliRunner().invoke(cli, ["ops", "--estimators", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["estimators"] == rows
