"""Model files: told apart by content, refused with a way out, and never run unless the user said so."""

import bz2
import gzip
import io
import json
import os
import pickle

import joblib
import numpy as np
import pytest
import skops.io
from archives import archive, refused
from sklearn import datasets, ensemble

from mcugen.diagnostics import Loc
from mcugen.frontends import files
from mcugen.frontends.files import read_model
from mcugen.frontends.sklearn import read_estimator

X, Y = datasets.load_iris(return_X_y=True)
MODEL = ensemble.RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, Y)
TEXT = str(read_estimator(MODEL, "m"))


def joblib_bytes(**options):
    file = io.BytesIO()
    joblib.dump(MODEL, file, **options)
    return file.getvalue()


PICKLES = {
    **{f"pickle{p}": pickle.dumps(MODEL, protocol=p) for p in range(6)},
    **{f"joblib-{c}": joblib_bytes(compress=c) for c in ("zlib", "gzip", "bz2", "lzma", "xz")},
    "joblib": joblib_bytes(),
    "joblib0": joblib_bytes(protocol=0),
    "joblib-level9": joblib_bytes(compress=9),
    "pickle.gz": gzip.compress(pickle.dumps(MODEL)),
    "cut": pickle.dumps(MODEL)[:-50],
}


@pytest.mark.parametrize("data", PICKLES.values(), ids=PICKLES)
def test_a_pickle_needs_the_flag(data):
    diagnostic = refused(data)
    assert diagnostic.code == "E0103"
    assert "run any code" in diagnostic.message
    assert "--allow-pickle" in diagnostic.help
    assert "skops.io.dump" in diagnostic.help


@pytest.mark.parametrize("name", sorted(PICKLES.keys() - {"cut"}))
def test_a_pickle_with_the_flag(name):
    loaded = read_model(PICKLES[name], allow_pickle=True)
    assert str(read_estimator(loaded.estimator, "m")) == TEXT


def test_the_ending_plays_no_part(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(skops.io.dumps(MODEL))
    for source in (
        path,
        str(path),
        os.fsencode(path).decode(),
        memoryview(path.read_bytes()),
        bytearray(path.read_bytes()),
    ):
        assert str(read_estimator(read_model(source).estimator, "m")) == TEXT
    assert read_model(path).loc == Loc(str(path))
    path = tmp_path / "model.skops"
    path.write_bytes(PICKLES["pickle4"])
    assert refused(path).code == "E0103"


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "forest.skops").write_bytes(b"")
    near = refused(tmp_path / "forrest.skops")
    assert near.code == "E0101"
    assert "forest.skops" in near.help
    assert str(tmp_path / "no") in refused(tmp_path / "no" / "model.skops").help
    assert "folder" in refused(tmp_path).message
    assert refused("a\0b").code == "E0101"
    assert refused("").code == "E0101"
    os.mkfifo(tmp_path / "pipe")
    for special in (tmp_path / "pipe", "/dev/zero"):
        assert refused(special).code == "E0101"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    (tmp_path / "model.skops").touch(0o000)
    assert refused(tmp_path / "model.skops").code == "E0101"


def test_a_name_that_no_terminal_takes(tmp_path):
    path = os.fsencode(tmp_path) + b"/a\xff\n\x1b[31m"
    with open(path, "wb"):
        pass
    str(refused(os.fsdecode(path))).encode()
    assert refused(os.fsdecode(path)).loc.file.isprintable()


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "model.skops").open("wb") as file:
        file.truncate(files.MAX_FILE + 1)
    assert refused(tmp_path / "model.skops").code == "E0303"


def npz():
    file = io.BytesIO()
    np.savez(file, X=X, y=Y)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"hello.",
        b"ccount,name\n1,2\n.",
        b"PK",
        b"\x80",
        b"\x1f\x8b",
        b"BZh9",
        b"\x5d\x00\x00",
        b"\x78\x9c",
        b"\x08",
        b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08",
        gzip.compress(b"a,b\n1,2\n"),
        bz2.compress(bytes(10**7)),
        npz(),
        archive(readme="no model"),
        b"PK\x05\x06" + bytes(18),
        pickle.dumps({"a": 1}, protocol=0),
        json.dumps({"learner": {}}).encode(),
        np.random.default_rng(0).bytes(1000),
        b"\x7fELF\x02\x01\x01" + bytes(50),
    ],
    ids=range(21),
)
def test_what_is_no_model(data):
    diagnostic = refused(data, allow_pickle=True)
    assert diagnostic.code == "E0102"
    assert "skops.io.dump" in diagnostic.help


def test_npz_is_called_by_its_name():
    assert ".npz" in refused(npz()).message


def test_onnx_is_recognised():
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], "g", [value], [out])
    for model in (helper.make_model(graph), helper.make_model(graph, producer_name="skl2onnx", ir_version=8)):
        loaded = read_model(model.SerializeToString())
        assert type(loaded.estimator).__name__ == "ModelProto"


class Breaks:
    """Raises while it is loaded."""

    def __init__(self, problem):
        self.problem = problem

    def __reduce__(self):
        return raises, (self.problem,)


def raises(problem):
    raise problem


@pytest.mark.parametrize(
    "data",
    [
        PICKLES["cut"],
        pickle.dumps(Breaks(ValueError("bad\nnews " * 500))),
        pickle.dumps(Breaks(SystemExit(0))),
        pickle.dumps(Breaks(MemoryError())),
        pickle.dumps(Breaks(RecursionError())),
        b"\x80\x04\x95",
        b"\x80\x02.",
        b"\x80\x02cno_such_package\nThing\n.",
        b"\x04\x22\x4d\x18 and no LZ4",
        joblib_bytes(compress="gzip")[:-40],
    ],
    ids=range(10),
)
def test_a_pickle_that_does_not_load(data):
    assert refused(data, allow_pickle=True).code == "E0108"


def test_a_missing_package_is_named():
    assert "pip install no_such_package" in refused(b"\x80\x02cno_such_package\nThing\n.", allow_pickle=True).help
