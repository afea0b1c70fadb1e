"""Single nodes of ai.onnx.ml: as models, as C on this computer, and as onnxruntime answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import one_library
import onnx
import pytest
from onnx import TensorProto, helper

from mcugen.boards import Target, load_board
from mcugen.diagnostics import Loc, McugenError
from mcugen.emit import emit
from mcugen.frontends.onnx import read_graph
from mcugen.ir import Array
from mcugen.memory.plan import plan
from mcugen.passes import run
from mcugen.targets.driver import Unit
from mcugen.targets.host import STRICT, HostLibrary

FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING
TARGETS = tuple(Target(load_board(board)) for board in ("nano33ble", "metro_m0"))  # with a unit for floats, and without


def node_model(
    op: str,
    shape: Sequence[int],
    outputs: Sequence[int],
    kind: int = FLOAT,
    version: int = 3,
    **attributes: Any,
) -> onnx.ModelProto:
    """One node over an input x of a shape and type, its outputs y0, y1 … of these types."""
    names = [f"y{i}" for i in range(len(outputs))]
    node = helper.make_node(op, ["x"], names, domain="ai.onnx.ml", **attributes)
    given = [helper.make_tensor_value_info(name, k, None) for name, k in zip(names, outputs, strict=True)]
    graph = helper.make_graph([node], "one", [helper.make_tensor_value_info("x", kind, shape)], given)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(graph, opset_imports=versions, ir_version=8)


def library_of(models: Sequence[onnx.ModelProto], target: Target = TARGETS[0]) -> HostLibrary:
    """The C of models as one library."""
    modules = [run(read_graph(m, f"m{i}", Loc("model.onnx")), target) for i, m in enumerate(models)]
    units = [Unit(module, emit(module, plan(module, target), target)) for module in modules]
    return one_library.library_of(units, (*STRICT, "-O0"))


def runtime_answers(model: onnx.ModelProto, x: Array) -> list[Array]:
    """onnxruntime's outputs for rows, whatever number of rows the model says."""
    onnxruntime = pytest.importorskip("onnxruntime")
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    asked.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(asked.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(one) for one in session.run(None, {asked.graph.input[0].name: x})]


def compare(models: Sequence[onnx.ModelProto], rows: Sequence[Array], target: Target = TARGETS[0]) -> None:
    """Every output of every model of one row equals onnxruntime's: integers exactly but where the best two of its scores are
    equal to float32, floats within 1e-5; NaN is NaN.
    """
    library = library_of(models, target)
    for i, (model, x) in enumerate(zip(models, rows, strict=True)):
        found = [out.reshape(len(x), *out.shape[2:]) for out in library.run([x[:, np.newaxis]], i)]
        answers = runtime_answers(model, x)
        clear = apart(answers)
        for k, (ours, theirs) in enumerate(zip(found, answers, strict=True)):
            what = f"output {k} of model {i}, {model.graph.node[0].op_type}"
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), what
            if theirs.dtype.kind != "f":
                ours, theirs = ours[clear], theirs[clear]
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, equal_nan=True, err_msg=what)


def apart(answers: Sequence[Array]) -> Any:
    """Rows whose best two scores, a classifier's second output, differ by more than float32 sums round."""
    scores = answers[-1]
    if len(answers) < 2 or scores.shape[1] < 2:
        return np.ones(len(scores), np.bool_)
    best = np.sort(scores.astype(np.float64), axis=1)[:, -2:]
    clear = ~(best[:, 1] - best[:, 0] <= 1e-6 * np.abs(best[:, 1]))
    assert clear.mean() > 0.5, "hardly a row tells classes apart"
    return clear


def refusal(model: onnx.ModelProto) -> tuple[str, str]:
    """The code and the words with which a model is refused."""
    with pytest.raises(McugenError) as caught:
        read_graph(model, "m", Loc("model.onnx"))
    return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message
