"""The ONNX front-end: a graph read into a module, node by node; families of operators are the files beside this one.

A family file has `CONVERTERS`: for every operator (`Conv`, `ai.onnx.ml.Scaler`) a function that takes a `Call` and says what the
node's outputs are. What depends on constants alone is worked out on the way.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from mcugen.diagnostics import Diagnostic, Loc, McugenError, did_you_mean, error
from mcugen.frontends.onnx.call import Call, Tensors, require_small
from mcugen.frontends.onnx.outputs import give_outputs
from mcugen.frontends.pickle_file import one_line
from mcugen.ir import DType, Graph, GraphBuilder, Module, Storage, TensorType
from mcugen.rewrite import renamed

if TYPE_CHECKING:
    import onnx

Converter = Callable[[Call], None]


@cache
def converters() -> Mapping[str, Converter]:
    """Every operator by its name, those of other domains with theirs before it."""
    found: dict[str, Converter] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= getattr(import_module(f"{__name__}.{module.name}"), "CONVERTERS", {})
    return found


def read_graph(model: onnx.ModelProto, name: str, loc: Loc, output: str | None = None) -> Module:
    """The module of a checked model with static shapes. E0301 and E0302 list every node that cannot be compiled.

    `output` is what a model that tells classes apart, or gives one number, is asked for (see outputs.py); None for all outputs
    of the graph.
    """
    graph = model.graph
    versions = {one.domain or "": one.version for one in model.opset_import}
    outside = frozenset(one.name for one in (*graph.input, *graph.output))
    tensors = Tensors(GraphBuilder("predict"), outside=outside)
    _given(model, tensors, loc)
    problems: list[Diagnostic] = []
    for position, node in enumerate(graph.node):
        where = loc.within(node.name or (node.output[0] if node.output else f"node {position}"))
        try:
            _convert(node, versions, tensors, where)
        except _UnknownError:
            continue  # it takes what a node gives that is reported already
        except McugenError as problem:
            problems.extend(problem.diagnostics)
    if problems:
        raise McugenError(problems)
    unknown = [value.name for value in graph.output if value.name not in tensors.known]
    if unknown:
        text = f"no node gives the output {unknown[0]}"
        raise error("E0104", text, help="export the model again, without optional outputs of nodes", loc=loc)
    give_outputs([value.name for value in model.graph.output], tensors, output, loc)
    return Module(name, (_renamed(tensors),), loc)


def _renamed(tensors: Tensors) -> Graph:
    """The graph, with the names that ONNX has for tensors."""
    graph = tensors.builder.build()
    names: dict[str, str] = {}
    for name, value in tensors.known.items():
        if isinstance(value, str) and graph.values[value].storage is Storage.TEMP and name not in graph.values:
            names.setdefault(value, name)
    return renamed(graph, names)


class _UnknownError(Exception):
    """A node takes what no node gave."""


def _given(model: onnx.ModelProto, tensors: Tensors, loc: Loc) -> None:
    """The graph's inputs and initialisers."""
    from onnx import numpy_helper

    graph = model.graph
    for one in graph.initializer:
        try:
            tensors.named(one.name, np.asarray(numpy_helper.to_array(one)))
        except Exception as problem:  # of sizes and types that do not go together
            text = f"the constant {one.name} is damaged: {one_line(problem)}"
            raise error("E0104", text, help="export the model again", loc=loc) from None
    for value in graph.input:
        if value.name in tensors.known:  # an initialiser that a caller could overrule: here nobody can
            continue
        kind = _type(value, loc)
        require_small(kind, f"input {value.name}", loc)
        tensors.known[value.name] = tensors.builder.input(tensors.free(value.name), kind)


def _type(value: onnx.ValueInfoProto, loc: Loc) -> TensorType:
    from onnx import helper

    if not value.type.HasField("tensor_type"):
        help = (
            "export the model with plain tensors as inputs (for scikit-learn: options={id(model): {'zipmap': False}})"
        )
        raise error("E0302", f"input {value.name} is no tensor", help=help, loc=loc)
    tensor = value.type.tensor_type
    dims = [(d.dim_value if d.HasField("dim_value") else None, d.dim_param) for d in tensor.shape.dim]
    if any(size is None for size, _ in dims) or not tensor.HasField("shape"):
        shown = ",".join(str(size) if size is not None else name or "?" for size, name in dims)
        help = f"say them: --shape {value.name}={','.join(str(s) if s is not None else '1' for s, _ in dims)}"
        raise error(
            "E0302",
            f"input {value.name} has the shape ({shown}), which is not known before it runs",
            help=help,
            loc=loc,
        )
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    except KeyError:
        text = f"input {value.name} is of no known type"
        raise error("E0104", text, help="export the model again", loc=loc) from None
    return TensorType(tuple(int(size or 0) for size, _ in dims), DType.of(dtype))


def _convert(node: onnx.NodeProto, versions: Mapping[str, int], tensors: Tensors, loc: Loc) -> None:
    if any(name and name not in tensors.known for name in node.input):
        raise _UnknownError
    domain = "" if node.domain in ("", "ai.onnx") else node.domain
    op = f"{domain}.{node.op_type}" if domain else node.op_type
    convert = converters().get(op)
    if convert is None:
        help = did_you_mean(node.op_type, converters()) + "`mcugen ops` lists what is supported"
        raise error("E0301", f"the operator {op} is not supported", help=help, loc=loc)
    if op != "Scan" and any(one.type in _GRAPHS for one in node.attribute):
        text = f"{op} holds a graph of its own"
        raise error("E0301", text, help="export the model without control flow: trace it, or unroll its loops", loc=loc)
    attributes = {one.name: _attribute(one) for one in node.attribute}
    operands = [tensors.known[name] if name else None for name in node.input]
    if op not in KEEP and any(tensors.is_text(one) for one in operands):
        text = f"{op} takes labels that are text, which no board has"
        raise error("E0301", text, help="train the model on whole numbers as labels", loc=loc)
    call = Call(node.op_type, node.name, versions.get(domain, 1), operands, attributes, [*node.output], tensors, loc)
    try:
        convert(call)
        if op in KEEP and operands:
            tensors.same_classes(call.operand(0), tensors.known.get(node.output[0], ""))
    except MemoryError as problem:
        text = f"{op}: it does not fit this computer's memory"
        raise error("E0303", text, help="check the sizes that the exported model gives", loc=loc) from problem
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
        # onnx's check lets attributes through that contradict each other or the shapes
        text = f"{op}: its attributes do not go with its inputs: {one_line(problem)}"
        raise error("E0104", text, help="export the model again", loc=loc) from problem


KEEP = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")  # what labels stay labels through
_GRAPHS = (5, 10)  # AttributeProto.GRAPH and GRAPHS


def _attribute(one: onnx.AttributeProto) -> Any:
    from onnx import AttributeProto, helper, numpy_helper

    if one.type == AttributeProto.TENSOR:
        return np.asarray(numpy_helper.to_array(one.t))
    value = helper.get_attribute_value(one)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return (
        [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]
        if isinstance(value, list)
        else value
    )
