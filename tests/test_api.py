"""The public face: what a Python user calls, in whatever order."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeRegressor

import mcugen


@pytest.mark.parametrize(
    "first", ["import mcugen.compile", "from mcugen.compile import Compiled", "import mcugen; mcugen.Compiled", ""]
)
def test_compile_is_the_function_after_any_import(first: str) -> None:
    code = f"{first}\nimport mcugen, mcugen.compile\nassert callable(mcugen.compile), mcugen.compile\nfrom mcugen import compile\ncompile.__doc__"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_readme_way() -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = RandomForestClassifier(5, random_state=0).fit(x, names)
    c = mcugen.compile(model, board="uno", name="iris")
    assert c.fits
    assert c.proof is not None
    assert c.proof.proven
    assert (c.predict(x) == model.predict(x)).all()
    assert set(c.files) == {"src/iris.h", "src/iris.c"}
    assert c.verify(x).wrong == 0
    with pytest.raises(mcugen.McugenError, match="E0304"):
        c.predict_proba(x)
    p = mcugen.compile(model, board="uno", name="iris", output="proba")
    np.testing.assert_allclose(p.predict_proba(x), model.predict_proba(x), atol=1e-6)


def test_numbers() -> None:
    x, _ = load_iris(return_X_y=True)
    model = DecisionTreeRegressor(random_state=0).fit(x[:, :3], x[:, 3])
    c = mcugen.compile(model, board="nano")
    np.testing.assert_allclose(c.predict(x[:, :3]), model.predict(x[:, :3]), rtol=1e-6)
    assert c.verify().proven


@pytest.mark.parametrize(
    ("rows", "code"),
    [(np.zeros((3, 5)), "E0110"), (np.zeros(4), "E0110"), ([["a"] * 4], "E0110"), (np.zeros((0, 4)), "")],
)
def test_rows_are_checked(rows: object, code: str) -> None:
    x, y = load_iris(return_X_y=True)
    c = mcugen.compile(RandomForestClassifier(2, random_state=0).fit(x, y))
    if not code:
        assert c.predict(rows).shape == (0,)
        return
    with pytest.raises(mcugen.McugenError, match=code):
        c.predict(rows)


def test_same_bytes_twice() -> None:
    x, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(3, random_state=0).fit(x, y)
    assert mcugen.compile(model).files == mcugen.compile(model).files


@pytest.mark.parametrize("wrong", [{"optimize": "fast"}, {"numeric": "float64"}])
def test_options_are_checked(wrong: dict[str, str]) -> None:
    x, y = load_iris(return_X_y=True)
    with pytest.raises(mcugen.McugenError, match="E0112"):
        mcugen.compile(RandomForestClassifier(2, random_state=0).fit(x, y), **wrong)  # type: ignore[arg-type]
