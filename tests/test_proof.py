"""A proof that compares too little: what is refused (E0803), what passes, and what is said."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from test_numeric import Model, module

import mcugen
from mcugen.compile import Compiled
from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends import read
from mcugen.made_rows import rows_behind
from mcugen.report.json import of_proof
from mcugen.report.show import proof_line
from mcugen.targets import host
from mcugen.verify import ENOUGH, Proof, Terms, probe, prove, require

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS = 1_000
GIVEN, MADE = Terms(), Terms(enough=0.0)


class Blurred(Model):
    """A model whose first rows hang on how its own sums round."""

    def __init__(self, ties: int, blurred: int = 0) -> None:
        super().__init__()
        self.ties, self.blurred = ties, blurred

    def near_ties(self, rows: Any) -> Any:
        return np.arange(len(rows)) < self.ties

    def rounding(self, rows: Any) -> Any:
        return np.where(np.arange(len(rows)) < self.blurred, np.inf, 0.0)


def proof_of(model: Model, flipped: Any = (), off: Any = 0.0, terms: Terms = GIVEN, rows: Any = None) -> Proof:
    x = np.linspace(-1, 1, ROWS)[:, None] if rows is None else rows

    def run(inputs: Any) -> Any:
        label = model.labels(inputs[0]).astype(np.int32)
        label[list(flipped)] ^= 1
        return [label, (model.numbers("decision", inputs[0]) + np.reshape(off, (-1, 1))).astype(np.float32)]

    return prove(module(), model, x, run, on="host", source="rows of x.npy", terms=terms)


def refused(proof: Proof) -> Any:
    with pytest.raises(McugenError) as caught:
        require(proof, Loc("m.skops"))
    assert caught.value.exit_code == 4
    assert not proof.proven
    (said,) = caught.value.diagnostics
    assert said.code == "E0803"
    return said


def test_nearly_all_of_the_users_rows_are_near_ties() -> None:
    found = proof_of(Blurred(ties=950), range(300))
    assert (found.rows, found.near_ties, found.wrong, found.forgiven, found.blind) == (50, 950, 0, 300, "label")
    said = refused(found)
    assert said.message == (
        "950 of 1,000 rows of x.npy are near ties, and the C answers 300 otherwise: too little was compared on the host"
    )
    assert "lost in their own sums" in said.notes[0]
    assert said.help == "scale the features (a StandardScaler before the model)"
    assert proof_line(found) == (
        "NOT proven: 50 rows of x.npy on the host, 0 disagreements, 950 near ties not compared (300 answered otherwise)"
    )
    assert of_proof(found)["forgiven"] == 300
    refused(proof_of(Blurred(ties=round((1 - ENOUGH) * ROWS)), [0]))


def test_a_tenth_of_the_users_rows_is_enough() -> None:
    found = proof_of(Blurred(ties=round((1 - ENOUGH) * ROWS) - 1), range(300))
    require(found, Loc())
    assert found.proven


def test_rows_that_tie_pass_where_the_c_agrees() -> None:
    found = proof_of(Blurred(ties=ROWS))
    require(found, Loc())
    assert proof_line(found) == "proven: 0 rows of x.npy on the host, 0 disagreements, 1,000 near ties not compared"


def test_of_made_rows_one_compared_is_enough() -> None:
    require(proof_of(Blurred(ties=ROWS - 1), range(300), terms=MADE), Loc())
    said = refused(proof_of(Blurred(ties=ROWS), range(300), terms=MADE))
    assert said.help.startswith("give rows like those in use with --data, or scale")
    beside = proof_of(Blurred(ties=ROWS), range(300), terms=Terms(enough=None))
    require(beside, Loc())


def test_numbers_that_rounding_decides() -> None:
    off = np.where(np.arange(ROWS) < 5, 1.0, 0.0)
    found = proof_of(Blurred(ties=0, blurred=ROWS), off=off)
    assert (found.wrong, found.blurred, found.forgiven, found.blind) == (0, ROWS, 5, "decision")
    said = refused(found)
    assert said.message.startswith(
        "1,000 of 1,000 rows of x.npy have numbers that rounding decides, and the C answers 5"
    )
    require(proof_of(Blurred(ties=0, blurred=ROWS)), Loc())
    require(proof_of(Blurred(ties=0, blurred=ROWS // 2), off=off), Loc())


def test_numbers_beyond_floats_are_infinite_in_c() -> None:
    x = np.array([[-1.0], [1.0], [2.0]])
    with np.errstate(over="ignore"):
        assert proof_of(Model(1e60), rows=x).wrong == 0
    found = proof_of(Model(1e60), off=[-np.inf, -np.inf, 0], rows=x)  # of which the second has the wrong sign
    assert (found.wrong, found.worst[0].number) == (1, 1)


def test_a_model_that_answers_no_row() -> None:
    said = refused(proof_of(Model(), rows=np.full((7, 1), np.nan), terms=MADE))
    assert said.message == "the model itself answers none of 7 rows of x.npy: nothing could be compared"
    assert "--data" in said.help


@pytest.mark.parametrize("classes", [1, 2])
def test_a_model_of_one_answer_passes(classes: int) -> None:
    x = np.ones((20, 2))
    tree = mcugen.compile(DecisionTreeClassifier().fit(x, np.arange(20) % classes), board="host", data=x)
    for proof in tree.proofs:
        assert proof.proven
        assert (proof.near_ties > 0) == (classes == 2)


def test_both_kinds_of_rows_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """With data of an exact format the user's rows are compared, too, and the C is compiled once."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    compiled = mcugen.compile(LogisticRegression().fit(x, x[:, 0] > 0), board="host", data=x)
    assert [proof.source for proof in compiled.proofs] == ["rows", "made rows"]
    monkeypatch.setattr(host.HostLibrary, "run", lambda self, inputs: [np.full(len(inputs[0]), 7, np.int32)])
    with pytest.raises(McugenError, match=r"E0801.*60 of 60 rows differ"):
        mcugen.compile(LogisticRegression().fit(x, x[:, 0] > 0), board="host", data=x)


def test_what_auto_has_tried_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    real = host.compile_for_host

    def count(units: Any) -> Any:
        made.append(units[0].files)
        return real(units)

    monkeypatch.setattr(host, "compile_for_host", count)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Compiled = mcugen.compile(LogisticRegression().fit(x, x[:, 0] > 0), board="mega2560", data=x)
    assert found.report.numeric_why.startswith("auto: int")
    assert found.files in made
    assert len(made) == len({str(files) for files in made})


def constant_features() -> tuple[Any, Any, Any]:
    """Rows in which one feature never changes and one is always 0; numbers and classes."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 4)).astype(np.float32)
    x[:, 2:] = 0, 1e4
    return x, x[:, 0] * 3 + x[:, 1], (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)


@pytest.mark.parametrize("known", [False, True])
def test_made_rows_are_of_sizes_in_use(known: bool) -> None:
    """A feature that never changed in training has next to no weight, which says nothing of how large it is."""
    x, numbers, classes = constant_features()
    models = [
        LogisticRegression().fit(x, classes),
        NearestCentroid().fit(x, classes),
        MLPClassifier((4,), max_iter=20, random_state=0).fit(x, classes),
        VotingRegressor([("a", LinearRegression()), ("b", KNeighborsRegressor(3))]).fit(x.astype(np.float64), numbers),
    ]
    for model in models:
        compiled = mcugen.compile(model, board="host", numeric="float32", data=x if known else None)
        assert compiled.proofs[-1].rows > 0
        assert np.abs(probe(compiled.module, 500)).max() < 1e15


def test_centres_of_tiny_features_are_compared() -> None:
    x, _, classes = constant_features()
    proof = mcugen.compile(NearestCentroid().fit(x[:, :2] * 1e-30, classes), board="host").proofs[-1]
    assert proof.rows > 100


def test_every_op_that_takes_the_row_makes_some() -> None:
    x, numbers, _ = constant_features()
    vote = VotingRegressor([("a", LinearRegression()), ("b", KNeighborsRegressor(3))]).fit(x, numbers)
    made = probe(mcugen.compile(vote, board="host", check_answers=False).module, 200)
    near = np.abs(made[:, 3] - 1e4) < 100
    assert 80 < near.sum() <= 120, "half of them lie around the points of the neighbours"
    assert np.array_equal(made, probe(mcugen.compile(vote, board="host", check_answers=False).module, 200))


def test_made_rows_are_compared_at_the_size_of_the_users_numbers() -> None:
    tiny = np.linspace(-1e-9, 1e-9, ROWS)[:, None]
    assert proof_of(Model(), off=1e-7, rows=tiny).wrong == ROWS
    assert proof_of(Model(), off=1e-7, rows=tiny, terms=Terms(enough=None, least=1.0)).wrong == 0
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    compiled = mcugen.compile(LinearRegression().fit(x, x[:, 0] * 1e-3), "mega2560", data=x, check_answers=False)
    assert compiled.terms(made=False).least == 0
    assert 1e-3 < compiled.terms(made=True).least < 1e-2


def test_ops_behind_transformers_make_rows_like_those_in_use() -> None:
    x = (np.random.default_rng(0).normal(size=(200, 4)) * [1e-6, 1, 1e3, 5] + [0, 1e4, 0, 7]).astype(np.float32)
    y = x[:, 1] > 1e4
    behind = [StandardScaler(), PCA(3)], [StandardScaler(), Normalizer()], [PCA(3), MinMaxScaler()], [SelectKBest(k=2)]
    for steps in behind:
        for last in (GaussianNB(), KNeighborsClassifier(3), DecisionTreeClassifier(), SVC()):
            model = make_pipeline(*steps, last).fit(x.astype(np.float64), y)
            made = rows_behind(read(model).module.predict, 200)
            assert 0 < len(made) <= 200
            given = model[:-1].transform(made.astype(np.float64)) - model[:-1].transform(x.astype(np.float64)).mean(
                axis=0
            )
            seen = model[:-1].transform(x.astype(np.float64)).std(axis=0)
            typical = np.median(np.abs(given), axis=0) / seen
            assert (typical[seen > 0] < 100).all(), (steps, last, typical)


def test_columns_side_by_side_are_put_together() -> None:
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    parts = ColumnTransformer([("a", StandardScaler(), [2, 0]), ("b", MinMaxScaler(), [3])])
    made = rows_behind(read(make_pipeline(parts, KNeighborsRegressor(3)).fit(x, x[:, 0])).module.predict, 100)
    assert 50 <= len(made) <= 100
    assert (made[:, 1] == 0).all()
    assert (np.median(np.abs(made[:, [0, 2, 3]]), axis=0) > 0.1).all()


def test_where_no_op_knows_rows_made_rows_lie_between_the_users() -> None:
    x, y = load_wine(return_X_y=True)
    x = x[:, :5].astype(np.float32)
    network = MLPClassifier((8,), max_iter=100, random_state=0)
    model = make_pipeline(PolynomialFeatures(2), network).fit(x.astype(np.float64), y)
    compiled = mcugen.compile(model, "mega2560", output="proba", numeric="float32", data=x)
    made = compiled._made_rows(100)
    assert len(made) == 100
    assert (made >= x.min(axis=0)).all()
    assert (made <= x.max(axis=0)).all()
    assert all(proof.proven for proof in compiled.proofs)
