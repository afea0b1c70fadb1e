"""The public face: what a Python user calls, in whatever order."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
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


@pytest.fixture(scope="module")
def iris() -> mcugen.Compiled:
    x, y = load_iris(return_X_y=True)
    return mcugen.compile(RandomForestClassifier(2, random_state=0).fit(x, y))


X = load_iris().data
DATES = np.full((3, 4), np.datetime64("2026-01-01"))
MISUSE: list[tuple[str, str, Callable[[mcugen.Compiled], object]]] = [
    ("E0110", "OverflowError|too large", lambda c: c.predict([[10**400] * 4])),  # type: ignore[arg-type]
    ("E0110", "not numbers but complex", lambda c: c.predict(X + 1j)),
    ("E0110", "not numbers but datetime", lambda c: c.predict(DATES)),
    ("E0110", "not numbers", lambda c: c.predict(DATES.astype(object))),
    ("E0110", "not numbers but timedelta", lambda c: c.verify(DATES - DATES)),
    ("E0110", "not numbers", lambda c: c.predict([[datetime.date(2026, 1, 1)] * 4])),  # type: ignore[arg-type]
    ("E0110", "not numbers", lambda c: c.predict([[1, 2, 3, 4], [1, 2, 3]])),  # type: ignore[arg-type]
    ("E0110", "not numbers", lambda c: c.predict("abcd")),  # type: ignore[arg-type]
    ("E0110", "one row of 4 numbers.*\n.*shape .rows, 4.", lambda c: c.predict(X[0])),
    ("E0110", "has 1 input; 0 were given", lambda c: c.run([])),
    ("E0110", "has 1 input; 2 were given", lambda c: c.run([X, X])),
    ("E0110", "has 1 input; 150 were given", lambda c: c.run(X)),
    ("E0110", "not numbers", lambda c: c.run(["a"])),  # type: ignore[list-item]
    ("E0110", "not numbers|has the shape ..", lambda c: c.run([None])),  # type: ignore[list-item]
    ("E0110", "type NoneType.*\n.*one array for every input", lambda c: c.run(None)),  # type: ignore[arg-type]
    ("E0110", "type str", lambda c: c.run("a")),  # type: ignore[arg-type]
    ("E0110", "one row of 4 numbers.*\n.*shape .rows, 4.", lambda c: c.run([X[0]])),
    ("E0110", "has the shape .150, 3.", lambda c: c.run([X[:, :3]])),
    ("E0110", "is text", lambda c: c.layout(sample="abcd")),  # type: ignore[arg-type]
    ("E0110", "is text", lambda c: c.layout(sample=["1", "2", "3", "4"])),  # type: ignore[list-item]
    ("E0110", "no row of numbers", lambda c: c.layout(sample=[None] * 4)),  # type: ignore[list-item]
    ("E0110", "no row of numbers", lambda c: c.layout(sample=5)),  # type: ignore[arg-type]
    ("E0110", "no row of numbers", lambda c: c.layout(sample=[10**400] * 4)),
    ("E0110", "have 3 columns", lambda c: c.layout(sample=[1.0, 2.0, 3.0])),
    ("E0112", "as_ is 'zap'.*\n.*did you mean 'zip'", lambda c: c.layout("zap")),  # type: ignore[arg-type]
    ("E0112", "as_ is 'foo'.*\n.*one of arduino", lambda c: c.write("d", as_="foo")),  # type: ignore[arg-type]
    ("E0112", "as_ is None", lambda c: c.write("d", as_=None)),  # type: ignore[arg-type]
    ("E0604", "NUL", lambda c: c.write("a\0b")),
    ("E0604", "None is no folder", lambda c: c.write(None)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("code", "says", "call"), MISUSE, ids=[f"{i} {m[1]}" for i, m in enumerate(MISUSE)])
def test_misuse(
    iris: mcugen.Compiled,
    code: str,
    says: str,
    call: Callable[[mcugen.Compiled], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(mcugen.McugenError, match=says) as caught:
        call(iris)
    assert caught.value.diagnostics[0].code == code
    assert not [*tmp_path.iterdir()]


def test_lists_are_rows(iris: mcugen.Compiled) -> None:
    (found,) = iris.run([X.tolist()])  # type: ignore[list-item]
    assert (found == iris.predict(X)).all()
    assert (iris.predict(X.astype(object)) == iris.predict(X)).all()
    assert iris.layout(sample=X[0]) == iris.layout(sample=X[0].tolist())


@pytest.mark.parametrize("board", [None, 123, ["uno"], {"uno"}])
def test_a_board_that_is_no_name(board: object) -> None:
    with pytest.raises(mcugen.McugenError, match="E0401"):
        mcugen.compile(DecisionTreeRegressor(), board=board)  # type: ignore[arg-type]


def test_a_board_by_its_path(iris: mcugen.Compiled) -> None:
    x, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(2, random_state=0).fit(x, y)
    path = Path(mcugen.__file__).parent.parent / "boards" / "uno.toml"
    assert mcugen.compile(model, board=path).files == iris.files


@pytest.mark.parametrize("name", [123, b"iris", ["iris"]])
def test_a_name_that_is_no_text(name: object) -> None:
    with pytest.raises(mcugen.McugenError, match="E0111"):
        mcugen.compile(DecisionTreeRegressor(), name=name)  # type: ignore[arg-type]


def test_no_rows_are_no_proof() -> None:
    x, y = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=500).fit(x, y)
    with pytest.raises(mcugen.McugenError, match="no row"):
        mcugen.compile(model, data=x[:0])
    with pytest.raises(mcugen.McugenError, match="no row"):
        mcugen.compile(model).verify(x[:0])


def test_what_is_asked_for_is_a_word() -> None:
    x, y = load_iris(return_X_y=True)
    with pytest.raises(mcugen.McugenError, match="E0112"):
        mcugen.compile(LogisticRegression(max_iter=500).fit(x, y), numeric=np.array([1, 2]))  # type: ignore[arg-type]


def test_an_estimator_that_cannot_answer_itself_is_said_to_be_damaged() -> None:
    x, y = load_iris(return_X_y=True)
    model = KNeighborsClassifier().fit(x, y)
    del model.n_samples_fit_
    with pytest.raises(mcugen.McugenError, match="E0107"):
        mcugen.compile(model)
