"""skops files: read within bounds, and nothing in them is run, whatever they say."""

import copy
import io
import json
import os
import pickle
import time
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import sklearn
import skops.io
from archives import archive, js, node, refused, schema_of, with_schema
from scipy import sparse
from sklearn import datasets, decomposition, ensemble, impute, random_projection, tree

from mcugen.diagnostics import McugenError
from mcugen.frontends import skops_file
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator

X, Y = datasets.load_iris(return_X_y=True)
MODEL = ensemble.RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, Y)
TEXT = str(read_estimator(MODEL, "m"))


@pytest.mark.parametrize("options", [{}, {"compression": 8}, {"compression": 12}, {"compression": 14}], ids=str)
def test_skops(options):
    loaded = read_model(skops.io.dumps(MODEL, **options))
    assert loaded.notes == ()
    assert str(read_estimator(loaded.estimator, "m")) == TEXT


@pytest.mark.parametrize(
    "model",
    [
        tree.DecisionTreeClassifier(class_weight={0: 1.0, 1: 2, 2: 0.5}, random_state=np.random.RandomState(3)),
        tree.ExtraTreeRegressor(max_features="sqrt"),
        ensemble.ExtraTreesClassifier(2, class_weight="balanced_subsample", bootstrap=True, max_samples=0.5, n_jobs=2),
        ensemble.RandomForestRegressor(3, monotonic_cst=[0, 1, 0, -1], warm_start=True),
        ensemble.RandomForestClassifier(4, oob_score=True, ccp_alpha=np.float64(0.01)),
    ],
    ids=lambda m: type(m).__name__,
)
@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB")
def test_every_kind_of_skops_file(model):
    model.fit(X, np.array(["x", "y", "z"])[Y] if isinstance(model, ensemble.RandomForestClassifier) else Y)
    model.feature_names_in_ = np.array(["a", "b", "c", "d"], object)  # as fitting on a DataFrame does
    loaded = read_model(skops.io.dumps(model)).estimator
    before, after = (read_estimator(m, "m").predict.nodes[0].op for m in (model, loaded))
    assert np.array_equal(before.scores(X), after.scores(X))


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_skops_file(share):
    data = skops.io.dumps(MODEL)
    diagnostic = refused(data[: int(len(data) * share)])
    assert diagnostic.code == "E0104"
    assert "cut off" in diagnostic.message


def test_other_estimators_of_scikit_learn_are_named():
    for model in (decomposition.NMF(), impute.KNNImputer()):
        diagnostic = refused(skops.io.dumps(model))
        assert diagnostic.code == "E0301"
        assert type(model).__name__ in diagnostic.message


class Custom:
    """A class of the user's."""


def test_other_types_are_named():
    assert "Custom" in refused(skops.io.dumps(Custom())).message
    model = tree.DecisionTreeClassifier().fit(X, Y)
    model.extra_ = [Custom(), impute.KNNImputer(), np.hypot]
    diagnostic = refused(skops.io.dumps(model))
    assert diagnostic.code == "E0105"
    for name in ("Custom", "KNNImputer", "hypot"):
        assert name in diagnostic.message


def test_a_plain_object_is_loaded_and_not_supported():
    loaded = read_model(skops.io.dumps({"model": MODEL}))
    with pytest.raises(McugenError) as caught:
        read_estimator(loaded.estimator, "m")
    assert caught.value.diagnostics[0].code == "E0301"


TREE = "sklearn.tree._tree.Tree"
RUNS = {
    "partial": node("PartialNode", "functools.partial", {"func": node("TypeNode", "os.system"), "args": js(1)}),
    "caller": node("OperatorFuncNode", "operator.methodcaller", attrs=node("TupleNode", "builtins.tuple", [js("x")])),
    "method": node("MethodNode", "os.system", {"obj": js("x"), "func": "upper"}),
    "function": node("FunctionNode", "os.system"),
    "type": node("TypeNode", "os.system"),
    "list": node("ListNode", "os.system", [js("x")]),
    "set": node("SetNode", "builtins.set", []),
    "constructor": node("ConstructorFromReduceNode", TREE, node("TupleNode", "builtins.tuple", [js(1)])),
    "tree as dict": node("DictNode", TREE, {}, key_types=node("ListNode", "builtins.list", [])),
    "tree as type": node("TypeNode", TREE),
    "tree as object": node("ObjectNode", TREE, js({})),
    "loss": node("LossNode", "os.system", js({}), __reduce__={"args": js("x")}),
    "scalar": node("NdArrayNode", "os.system", [], type="json", shape=js([0])),
    "sparse": node("SparseMatrixNode", "os.system", type="scipy", file="x.npz"),
    "unknown loader": node("EvilNode", "builtins.str", "1"),
}


@pytest.mark.parametrize("evil", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("place", ["root", "attribute", "key", "element"])
def test_nothing_in_a_skops_file_is_run(evil, place, monkeypatch):
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("it ran"))
    schema, members = schema_of(skops.io.dumps(MODEL))
    attributes = schema["content"]["content"]
    if place == "root":
        schema = evil | {"protocol": 2}
    elif place == "attribute":
        attributes["classes_"] = evil
    elif place == "key":
        schema["content"]["key_types"]["content"][0] = evil
    else:
        attributes["estimators_"]["content"].append(evil)
    assert refused(with_schema(schema, members)).code in ("E0105", "E0301")


PROJECTION = random_projection.SparseRandomProjection(2, random_state=0).fit(X)
PARTS = dict(np.load(io.BytesIO(next(v for k, v in schema_of(skops.io.dumps(PROJECTION))[1].items() if "npz" in k))))


def with_sparse(content):
    """A projection's file whose sparse matrix is what is given."""
    schema, members = schema_of(skops.io.dumps(PROJECTION))
    return with_schema(schema, {name: content if name.endswith("npz") else held for name, held in members.items()})


def npz(parts):
    file = io.BytesIO()
    np.savez_compressed(file, **parts)
    return file.getvalue()


def test_a_sparse_matrix(monkeypatch):
    """Read as it was, and looked at before SciPy is given it."""
    loaded = read_model(with_sparse(npz(PARTS))).estimator
    assert str(read_estimator(loaded, "m")) == str(read_estimator(PROJECTION, "m"))
    odd = [
        {name: part for name, part in PARTS.items() if name != "indptr"},
        *(PARTS | changed for changed in ({"format": b"csc"}, {"format": 3}, {"shape": np.array([2, 2**40])})),
        *(PARTS | {name: PARTS[name][:1]} for name in ("indptr", "indices", "shape")),
        *(PARTS | {"indices": PARTS["indices"] * factor} for factor in (99, -1)),
        PARTS | {"data": PARTS["data"].astype(object)},
        PARTS | {"data": PARTS["data"].astype(str)},
    ]
    for content in (b"", b"PK\x03\x04", *map(npz, odd)):
        with pytest.raises(McugenError) as caught:
            read_estimator(read_model(with_sparse(content)).estimator, "m")
        assert caught.value.diagnostics[0].code in ("E0104", "E0107"), content
    other = sparse.csc_matrix(np.eye(4))
    model = copy.copy(PROJECTION)
    model.components_ = other
    assert refused(skops.io.dumps(model)).code == "E0105"
    monkeypatch.setattr(skops_file, "MAX_UNPACKED", 2**20)
    assert refused(with_sparse(npz(PARTS | {"data": np.zeros(2**18)}))).code == "E0303"


@contextmanager
def bounded():
    """What is done inside must take neither long nor much memory."""
    tracemalloc.start()
    begin = time.monotonic()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - begin < 10
    assert peak < 300e6


def measured(data):
    """The code that reading gives, within bounds."""
    with bounded():
        return refused(data).code


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("place", ["schema", "array"])
def test_a_zip_bomb(method, place, monkeypatch):
    monkeypatch.setattr(skops_file, "MAX_UNPACKED", 10**7)
    _, members = schema_of(skops.io.dumps(MODEL))
    array = next(name for name in members if name.endswith(".npy"))
    if place == "schema":
        members["schema.json"] = b" " * 10**8
    else:
        members[array] = bytes(10**8)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for name, content in members.items():
            out.writestr(name, content)
    del members
    assert len(file.getvalue()) < 10**6
    assert measured(file.getvalue()) == "E0303"


def test_a_zip_of_very_many_members():
    data = archive(schema_json="{}") + b"PK\x01\x02" * (skops_file.MAX_MEMBERS + 1)
    assert measured(data) == "E0104"


def npy(descr, shape, content=b""):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    "content",
    [
        npy("<f8", (10**15,)),
        npy("<f8", (10**30,), bytes(8)),
        npy("<U0", (10**15,)),
        npy("|V0", (10**9, 10**9)),
        npy("<f8", (-1,), bytes(8)),
        npy("<f8", (1,), bytes(9)),
        npy("|O", (1,), pickle.dumps(1)),
        npy("<f8", "(1,)", bytes(8)),
        npy([("a", "<f8", (10**9,)), ("b", "<f8", (10**9,))], (2,)),
        npy("<f8" + " " * 5000, (1,), bytes(8)),
        b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000,
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{",
        b"\x93NUMPY\x03\x00\x00\x00\x00\x00",
        b"\x93NUMPY\x09\x00",
        b"\x93NUM",
        archive(x="1"),
        b"",
    ],
    ids=range(17),
)
def test_arrays_that_declare_more_than_they_hold(content):
    schema, members = schema_of(skops.io.dumps(MODEL))
    for name in members:
        if name.endswith(".npy"):
            members[name] = content
    assert measured(with_schema(schema, members)) == "E0104"


def bomb(levels, width=2):
    """Nested lists that name each other by id: 2**levels visits in a file of a few kilobytes."""
    inner = node("ListNode", "builtins.list", [], __id__=1)
    for level in range(2, levels):
        again = node("ListNode", "builtins.list", [], __id__=level - 1)
        inner = node("ListNode", "builtins.list", [inner] + [again] * (width - 1), __id__=level)
    return inner


@pytest.mark.parametrize(
    "schema",
    [bomb(60), node("ListNode", "builtins.list", [node("ListNode", "builtins.list", [], __id__=7)], __id__=7)],
    ids=["bomb", "cycle"],
)
def test_nodes_that_refer_to_each_other_without_end(schema):
    with bounded():
        loaded = read_model(archive(schema_json=json.dumps(schema | {"protocol": 2})))
        with pytest.raises(McugenError):
            read_estimator(loaded.estimator, "m")


def test_a_reference_alone_is_no_node():
    schema, members = schema_of(skops.io.dumps(MODEL))
    schema["content"]["content"]["classes_"] = {"__id__": schema["__id__"]}
    assert refused(with_schema(schema, members)).code == "E0104"


def test_the_dimensions_that_scikit_learn_takes_for_granted():
    """Its Tree reads the first dimension of the nodes without a check: with none, Python crashes."""
    schema, members = schema_of(skops.io.dumps(tree.DecisionTreeClassifier().fit(X, Y)))
    state = schema["content"]["content"]["tree_"]["content"]["content"]
    for name in ("nodes", "values"):
        kept = members[state[name]["file"]]
        array = np.load(io.BytesIO(kept))
        for changed in (array.reshape(-1)[0], array[np.newaxis], array[:0], array[:-1]):
            file = io.BytesIO()
            np.save(file, changed)
            members[state[name]["file"]] = file.getvalue()
            assert refused(with_schema(schema, members)).code == "E0104"
        members[state[name]["file"]] = kept


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "[]",
        "1",
        "null",
        "{}",
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
        json.dumps({"__loader__": "ListNode"}),
        json.dumps(js(1)),
        json.dumps(js(1) | {"protocol": 99}),
        json.dumps(js(1) | {"protocol": "2"}),
        json.dumps(js(1) | {"protocol": 2, "content": "[" * 100_000}),
        json.dumps(js(1) | {"protocol": 2, "content": 5}),
        json.dumps(js(1) | {"protocol": 2, "__loader__": ["x"]}),
        json.dumps(node("ListNode", "builtins.list", [1], protocol=2)),
        json.dumps(node("DictNode", "builtins.dict", {"a": js(1)}, protocol=2)),
        json.dumps(node("DictNode", "builtins.dict", {"a": js(1)}, key_types=js([1]), protocol=2)),
        json.dumps(node("NdArrayNode", "numpy.ndarray", type="numpy", file="missing.npy", protocol=2)),
        json.dumps(node("NdArrayNode", "numpy.ndarray", type="json", protocol=2)),
        json.dumps(node("ObjectNode", "sklearn.tree._classes.DecisionTreeClassifier", js([1]), protocol=2)),
    ],
    ids=range(22),
)
def test_schemas_that_are_none(schema):
    assert measured(archive(schema_json=schema)) in ("E0104", "E0105")


@pytest.mark.parametrize(
    ("outputs", "features"), [("2", "4"), ("-1", "4"), ("1" * 30, "4"), ("1", "1" * 30), ("true", "4"), ("[1]", "4")]
)
def test_a_tree_of_impossible_sizes(outputs, features):
    schema, members = schema_of(skops.io.dumps(tree.DecisionTreeClassifier().fit(X, Y)))
    sizes = schema["content"]["content"]["tree_"]["__reduce__"]["args"]["content"]
    for place, value in ((0, features), (2, outputs)):
        sizes[place] = js(None) | {"content": value}
    assert measured(with_schema(schema, members)) == "E0104"


def test_a_version_older_than_this_is_a_note():
    schema, members = schema_of(skops.io.dumps(MODEL))
    text = json.dumps(schema)
    assert json.dumps(json.dumps(sklearn.__version__)) in text
    old = text.replace(json.dumps(json.dumps(sklearn.__version__)), json.dumps('"1.4.2"'))
    (note,) = read_model(with_schema(json.loads(old), members)).notes
    assert "1.4.2" in note


BOOSTED = ensemble.HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=3, random_state=0).fit(X, Y)


def nodes_of(value, loader):
    if isinstance(value, dict):
        if value.get("__loader__") == loader:
            yield value
        for child in value.values():
            yield from nodes_of(child, loader)
    elif isinstance(value, list):
        for child in value:
            yield from nodes_of(child, loader)


def test_what_no_answer_depends_on_is_never_made(monkeypatch):
    """A generator is made by a name in its state; here it is taken out before skops sees it, whatever it says."""
    schema, members = schema_of(skops.io.dumps(BOOSTED))
    for generator in nodes_of(schema, "RandomGeneratorNode"):
        generator["content"] = {"bit_generator": js("seed"), "anything": [node("ObjectNode", "os.system")]}
    for loss in nodes_of(schema, "LossNode"):
        loss["__reduce__"] = {"args": node("FunctionNode", "os.system")}
    loaded = read_model(with_schema(schema, members)).estimator
    assert loaded._feature_subsample_rng is None
    assert loaded._loss.closs is None
    assert str(read_estimator(loaded, "m")) == str(read_estimator(BOOSTED, "m"))


@pytest.mark.parametrize("function", ["os.system", "builtins.eval", "sklearn.utils.validation.check_X_y"])
def test_no_other_partial_passes(function):
    schema, members = schema_of(skops.io.dumps(BOOSTED))
    partial = node("PartialNode", "functools.partial", {"func": node("FunctionNode", function)})
    schema["content"]["content"]["scoring"] = partial
    assert refused(with_schema(schema, members)).code == "E0105"


def test_a_slice_holds_whole_numbers():
    schema, members = schema_of(skops.io.dumps(BOOSTED))
    schema["content"]["content"]["scoring"] = node(
        "SliceNode", "builtins.slice", {"start": "a", "stop": 1, "step": None}
    )
    assert refused(with_schema(schema, members)).code == "E0104"
