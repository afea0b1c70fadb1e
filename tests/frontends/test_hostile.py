"""Mutated models: a diagnostic, or a module that answers as scikit-learn does. Never a traceback, a crash or a hang.

Where the checks let a mutated model through, scikit-learn's own predict runs on it. It follows indices unchecked, so a hole
in the checks would show as a crash of the test run.
"""

import copy
import io
import json
import pickle

import numpy as np
import pytest
import skops.io
from archives import schema_of, with_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import datasets, ensemble, svm, tree

from mcugen.diagnostics import Loc, McugenError
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator
from mcugen.frontends.sklearn.tree_reference import TreeReference
from mcugen.ops.tree_ensemble import TreeEnsemble

X, Y = datasets.load_iris(return_X_y=True)
GAPS = X.copy()
GAPS[::7, 1] = np.nan
MODELS = [
    tree.DecisionTreeClassifier(max_depth=3, random_state=0).fit(GAPS, Y),
    ensemble.RandomForestClassifier(3, max_depth=2, random_state=0).fit(X, np.array(["a", "b", "c"])[Y]),
    ensemble.ExtraTreesRegressor(2, max_depth=3, random_state=np.random.RandomState(0)).fit(X, Y),
]
ROWS = np.vstack([X[::10], GAPS[:8], np.full((1, 4), np.inf)]).astype(np.float32)
FUZZ = settings(deadline=3000, max_examples=150, suppress_health_check=list(HealthCheck))
LOC = Loc("model")


def judged(estimator):
    """None where it is refused; else it answers as scikit-learn does, and its module is returned."""
    try:
        module = read_estimator(estimator, "m", None, LOC)
    except McugenError:
        return None
    op = module.predict.nodes[0].op
    if not isinstance(op, TreeEnsemble):  # the tests of its own family judge it
        return None
    rows = ROWS if op.trees.n_features == 4 else np.zeros((3, op.trees.n_features), np.float32)
    reference = TreeReference(estimator)
    if hasattr(estimator, "classes_"):
        assert np.array_equal(op.scores(rows), reference.numbers("proba", rows))
        assert np.array_equal(op.scores(rows).argmax(axis=1), reference.labels(rows))
    else:
        assert np.array_equal(op.scores(rows)[:, 0], reference.numbers("value", rows))
    op.evaluate(rows[0])
    return module


def judged_file(data):
    try:
        loaded = read_model(data)
    except McugenError:
        return None
    return judged(loaded.estimator)


def codes(estimator):
    with pytest.raises(McugenError) as caught:
        read_estimator(estimator, "m", None, LOC)
    return {d.code for d in caught.value.diagnostics}, str(caught.value)


# What may stand anywhere.
NUMBERS = st.sampled_from(
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        0,
        -0.0,
        1,
        -1,
        2,
        -2,
        3,
        5,
        7,
        0.5,
        1.5,
        1e-7,
        1e30,
        1e300,
        -1e300,
        5e-324,
        2**31,
        -(2**31),
        2**62,
        -(2**63),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.one_of(
    JSON,
    NUMBERS.map(np.array),
    st.sampled_from(
        [
            b"x",
            10**5000,
            np.zeros(0),
            np.zeros((2, 0)),
            np.array(["a", "b", "c"]),
            np.array([[1], [2]]),
            np.arange(3.0),
            np.array([None, {}, []], object),
            np.array(4),
            np.float32(4),
            np.int8(4),
            np.datetime64("2020"),
            np.ma.array([1, 2, 3], mask=[0, 1, 0]),
            MODELS[0],
            MODELS[2],
            MODELS[0].tree_,
            MODELS[2].estimators_[0],
            MODELS[1].estimators_,
            tree.DecisionTreeClassifier(),
            svm.SVC().fit(X, Y),
            tree.DecisionTreeClassifier,
            print,
        ]
    ),
)


def with_tree(estimator, state=None, sizes=None):
    """A copy of a single tree's estimator with another Tree: `state` replaces entries of `__getstate__`."""
    maker, args, old = estimator.tree_.__reduce__()
    made = maker(*(sizes or args))
    made.__setstate__(old | (state or {}))
    changed = copy.copy(estimator)
    changed.tree_ = made
    return changed


def edited(estimator, field, node, value):
    """A copy whose node has `value` in a field of the nodes, or in its `values`."""
    state = copy.deepcopy(estimator.tree_.__getstate__())
    with np.errstate(all="ignore"):
        if field == "values":
            state["values"][node % len(state["values"])].flat[0] = value
        else:
            column = state["nodes"][field]
            column[node % len(column)] = np.array(value).astype(column.dtype)
    return with_tree(estimator, state)


FIELDS = ["left_child", "right_child", "feature", "threshold", "missing_go_to_left", "values"]


@FUZZ
@given(
    st.sampled_from([MODELS[0], MODELS[2].estimators_[0]]),
    st.lists(st.tuples(st.sampled_from(FIELDS), st.integers(0, 20), NUMBERS), min_size=1, max_size=4),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_mutated_node_arrays(estimator, edits):
    for field, node, value in edits:
        estimator = edited(estimator, field, node, value)
    judged(pickle.loads(pickle.dumps(estimator)))
    forest = copy.copy(MODELS[2])
    forest.estimators_ = [forest.estimators_[0], estimator]
    judged(forest)


@FUZZ
@given(st.sampled_from(MODELS), st.data())
def test_mutated_attributes(model, data):
    model = copy.deepcopy(model)
    holder = model
    if hasattr(model, "estimators_") and data.draw(st.booleans()):
        holder = model.estimators_[0]
    name = data.draw(st.sampled_from(sorted(vars(holder))))
    if data.draw(st.booleans()):
        del vars(holder)[name]
    else:
        vars(holder)[name] = data.draw(OBJECTS)
    judged(model)


@FUZZ
@given(OBJECTS)
def test_objects_of_any_kind(thing):
    judged(thing)


FILES = [skops.io.dumps(model) for model in MODELS]


@FUZZ
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5),
    st.floats(0, 1) | st.just(1.0),
)
def test_mutated_bytes(data, edits, kept):
    changed = bytearray(data)
    for place, value in edits:
        changed[int(place * len(changed))] = value
    judged_file(bytes(changed[: round(kept * len(changed))]))


MAGIC = [
    b"PK\x03\x04",
    b"\x80\x04",
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\xfd7zXZ\x00",
    b"\x5d\x00",
    b"\x78\x9c",
    b"\x08\x08\x12",
    b"(c",
    b"",
]


@FUZZ
@given(st.sampled_from(MAGIC), st.binary(max_size=60), st.sampled_from([b"", b"."]))
def test_any_bytes(begin, middle, end):
    judged_file(begin + middle + end)


UNPACKED = [schema_of(data) for data in FILES]


def places(schema):
    """Every container of a schema with a key of it."""
    items = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    for key, value in items:
        yield schema, key
        yield from places(value)


AT = st.floats(0, 1, exclude_max=True)  # where in a list, as a share of its length


@FUZZ
@given(
    st.sampled_from(UNPACKED),
    st.lists(st.tuples(st.sampled_from(["delete", "value", "copy", "content"]), AT, AT, JSON), min_size=1, max_size=3),
)
def test_mutated_schemas(file, changes):
    schema, members = copy.deepcopy(file)
    for action, share, other, value in changes:
        found = list(places(schema))
        if action == "content":  # of a JsonNode: JSON inside a string; this reaches the estimator's attributes
            found = [(holder, key) for holder, key in found if key == "content" and isinstance(holder[key], str)]
        if not found:
            break
        holder, key = found[int(share * len(found))]
        source, at = found[int(other * len(found))]
        if action == "delete":
            del holder[key]
        else:
            holder[key] = {"value": value, "copy": copy.deepcopy(source[at]), "content": json.dumps(value)}[action]
    judged_file(with_schema(schema, members))


def with_element(content, place, value):
    """A .npy file with one number in it replaced, whatever its dtype."""
    array = np.load(io.BytesIO(content))
    flat = array.reshape(-1)
    if not flat.size:
        return content
    at = place % flat.size
    with np.errstate(all="ignore"):
        if array.dtype.names:
            name = array.dtype.names[place % len(array.dtype.names)]
            flat[name][at] = np.array(value).astype(array.dtype[name])
        else:
            flat[at] = np.array(value).astype(array.dtype)
    return saved(flat.reshape(array.shape))


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def reshaped(content, action):
    array = np.load(io.BytesIO(content))
    changes = {
        "empty": lambda: array[:0],
        "shorter": lambda: array[:-1] if array.ndim else array,
        "longer": lambda: np.concatenate([array, array]) if array.ndim else array.reshape(1),
        "deeper": lambda: array[np.newaxis],
        "scalar": lambda: array.reshape(-1)[0],
        "fortran": lambda: np.asfortranarray(array),
        "float32": lambda: array if array.dtype.names else array.astype(np.float32),
        "big endian": lambda: array.astype(array.dtype.newbyteorder(">")),
        "text": lambda: array.astype(str),
        "bool": lambda: np.ones(array.shape, bool),
        "negative": lambda: -np.ones(array.shape, np.int64),
    }
    try:
        return saved(changes[action]())
    except (ValueError, IndexError, TypeError):
        return content


SHAPES = [
    "empty",
    "shorter",
    "longer",
    "deeper",
    "scalar",
    "fortran",
    "float32",
    "big endian",
    "text",
    "bool",
    "negative",
]


@FUZZ
@given(st.sampled_from(UNPACKED), st.data())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_mutated_arrays(file, data):
    schema, members = file[0], dict(file[1])
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(sorted(members.keys() - {"schema.json"})))
        element = st.tuples(st.integers(0, 10_000), NUMBERS)
        change = data.draw(st.one_of(element, element, element, st.sampled_from(SHAPES)))
        if isinstance(change, tuple):
            members[name] = with_element(members[name], *change)
        else:
            members[name] = reshaped(members[name], change)
    judged_file(with_schema(schema, members))


def test_what_is_not_mutated_passes():
    for model, data, file in zip(MODELS, FILES, UNPACKED, strict=True):
        expected = str(read_estimator(model, "m"))
        assert str(judged(model)) == str(judged_file(data)) == str(judged_file(with_schema(*file))) == expected


# Each rule by itself, with what it says.
SINGLE = MODELS[0]
NODES = SINGLE.tree_.node_count
LEAF = int(np.flatnonzero(SINGLE.tree_.children_left == -1)[0])


@pytest.mark.parametrize(
    ("field", "node", "value", "says"),
    [
        ("left_child", 0, NODES, f"node 0 has a left child outside the tree's {NODES} nodes: {NODES}"),
        ("right_child", 0, -2, "node 0 has a right child outside"),
        ("right_child", 0, 0, "node 0 has a right child outside"),
        ("left_child", 0, -1, "node 0 has one child only"),
        ("right_child", LEAF, 1, f"node {LEAF} has one child only"),
        ("right_child", 0, 1, "node 1 has more than one parent"),
        ("feature", 0, 4, "node 0 splits on a feature outside the model's 4: 4"),
        ("feature", 0, -2, "node 0 splits on a feature outside"),
        ("threshold", 0, np.nan, "node 0 has a threshold that is not a number: nan"),
        ("values", LEAF, np.nan, f"node {LEAF} has a value that is not finite"),
        ("values", LEAF, np.inf, f"node {LEAF} has a value that is not finite"),
        ("values", LEAF, -0.5, f"node {LEAF} has a negative class proportion"),
        ("values", LEAF, 50, f"node {LEAF} has class proportions that do not sum to 1"),
    ],
)
def test_every_rule_for_nodes(field, node, value, says):
    found, text = codes(edited(SINGLE, field, node, value))
    assert found == {"E0107"}
    assert says in text
    assert "--> model: DecisionTreeClassifier.tree_" in text


def test_orphans_and_cycles():
    state = copy.deepcopy(SINGLE.tree_.__getstate__())
    nodes = state["nodes"]
    inner = [i for i in range(1, NODES) if nodes["left_child"][i] != -1]
    a, b = inner[0], next(i for i in inner if i not in (nodes["left_child"][inner[0]], nodes["right_child"][inner[0]]))
    nodes["left_child"][a], nodes["left_child"][b] = nodes["left_child"][b], nodes["left_child"][a]
    assert judged(with_tree(SINGLE, state)) is not None  # subtrees swapped: another tree, but one
    parent = next(i for i in range(NODES) if a in (nodes["left_child"][i], nodes["right_child"][i]))
    side = "left_child" if nodes["left_child"][parent] == a else "right_child"
    nodes[side][parent], nodes["right_child"][a] = nodes["right_child"][a], a
    assert "is part of a cycle" in codes(with_tree(SINGLE, state))[1]


def test_a_longer_table_has_orphans():
    state = copy.deepcopy(SINGLE.tree_.__getstate__())
    for name in ("nodes", "values"):
        state[name] = np.concatenate([state[name], state[name]])
    state["node_count"] = 2 * NODES
    assert "is not reached from the root" in codes(with_tree(SINGLE, state))[1]


def test_a_node_count_beyond_the_table_is_not_believed():
    changed = with_tree(SINGLE)
    changed.tree_.__setstate__(changed.tree_.__getstate__() | {"node_count": 10**9})
    assert "nodes in a table of" in codes(changed)[1]


def test_an_empty_tree():
    _, args, _ = SINGLE.tree_.__reduce__()
    changed = copy.copy(SINGLE)
    changed.tree_ = type(SINGLE.tree_)(*args)
    assert "has 0 nodes" in codes(changed)[1]


def test_all_problems_come_at_once():
    forest = copy.deepcopy(MODELS[2])
    forest.estimators_ = [edited(t, "feature", 0, 99) for t in forest.estimators_]
    forest.estimators_[1] = edited(forest.estimators_[1], "threshold", 0, np.nan)
    _, text = codes(forest)
    assert text.count("error[E0107]") == 3
    assert "estimators_[0].tree_" in text
    assert "estimators_[1].tree_" in text
    forest.estimators_ = [None] * 50
    assert "30 more problems" in codes(forest)[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_features_in_", "4"),
        ("n_features_in_", True),
        ("n_features_in_", 4.0),
        ("n_features_in_", 0),
        ("n_features_in_", 5),
        ("n_features_in_", 10**5000),
        ("n_outputs_", 0),
        ("n_outputs_", None),
        ("n_classes_", 2),
        ("n_classes_", [3]),
        ("classes_", np.array(["a", "b"])),
        ("estimators_", []),
        ("estimators_", {}),
        ("estimators_", "abc"),
        ("estimators_", [svm.SVC()]),
        ("estimators_", [tree.DecisionTreeRegressor().fit(X, Y)]),
        ("estimators_", [tree.DecisionTreeClassifier()]),
        ("estimators_", [tree.DecisionTreeClassifier().fit(X[:, :3], Y)]),
        ("estimators_", [tree.DecisionTreeClassifier().fit(X, Y > 0)]),
        ("estimators_", [MODELS[1]]),
        ("estimators_", [None]),
    ],
    ids=range(21),
)
def test_every_rule_for_attributes(name, value):
    model = copy.copy(MODELS[1])
    setattr(model, name, value)
    assert codes(model)[0] == {"E0107"}


def test_a_chain_of_a_hundred_thousand_nodes_takes_no_time():
    size = 200_001
    nodes = np.zeros(size, SINGLE.tree_.__getstate__()["nodes"].dtype)
    splits = np.arange(size // 2)
    nodes["left_child"], nodes["right_child"] = -1, -1
    nodes["left_child"][splits * 2], nodes["right_child"][splits * 2] = splits * 2 + 1, splits * 2 + 2
    values = np.zeros((size, 1, 3))
    values[:, :, 0] = 1
    chain = with_tree(SINGLE, {"nodes": nodes, "values": values, "node_count": size, "max_depth": size // 2})
    assert read_estimator(chain, "m").predict.nodes[0].op.trees.n_trees == 1
    nodes["right_child"][size - 3] = 2  # back up the chain
    chain = with_tree(SINGLE, {"nodes": nodes, "values": values, "node_count": size, "max_depth": 1})
    assert codes(chain)[0] == {"E0107"}
