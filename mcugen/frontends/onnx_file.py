"""ONNX files: parsed and checked by onnx, with data of other files only from the model's own folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcugen.diagnostics import Loc, McugenError, did_you_mean, error
from mcugen.frontends.pickle_file import one_line

if TYPE_CHECKING:
    import onnx

OLDEST = 7  # operator set
MOST_NODES = 20_000
MOST_EXTERNAL = 2**30  # bytes; a board's flash is a hundred times smaller
_EXPORT = "export the model again, with the newest version of the exporter"


def load(data: bytes, folder: Path | None, loc: Loc) -> onnx.ModelProto:
    """The model in the bytes of a file; `folder` is where the file lies, None where it is in memory only.

    E0104 where it is damaged or onnx's own check refuses it, E0101 for data of other files that cannot be read, E0302 for
    operator sets that are too old or too new, E0303 where it is too large.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as problem:
        raise error(
            "E0104", "the ONNX file is damaged: it is no protobuf of a model", help=_EXPORT, loc=loc
        ) from problem
    if len(model.graph.node) > MOST_NODES:
        text = f"the graph has {len(model.graph.node):,} nodes; mcugen reads {MOST_NODES:,} at most"
        raise error("E0303", text, help="export a smaller network", loc=loc)
    _check_versions(model, loc)
    for tensor in _external(model):
        _load_external(tensor, folder, loc)
    return _without_python(_inlined(_checked(model, loc), loc))


def _without_python(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph without what makes Python's objects of answers: a ZipMap gives the probabilities that it takes, and what is no
    category has no one-hot column set, where a runtime would raise an error.
    """
    from onnx import TensorProto

    zipped = set()
    for node in model.graph.node:
        if (node.domain, node.op_type) == ("ai.onnx.ml", "ZipMap"):
            node.op_type, node.domain = "Identity", ""
            del node.attribute[:]
            zipped.update(node.output)
        if (node.domain, node.op_type) == ("ai.onnx.ml", "OneHotEncoder"):
            kept = [one for one in node.attribute if one.name != "zeros"]
            del node.attribute[:]
            node.attribute.extend(kept)  # zeros is 1 where it is not said
    for value in model.graph.output:
        if value.name in zipped:
            value.type.Clear()
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    return model


def _check_versions(model: onnx.ModelProto, loc: Loc) -> None:
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    for one in model.opset_import:
        if one.domain in ("", "ai.onnx") and not OLDEST <= one.version <= newest:
            text = f"the model is of operator set {one.version}; mcugen reads {OLDEST} to {newest}"
            help = "export it with another one: `opset_version=17` suits most exporters"
            raise error("E0302", text, help=help, loc=loc)


def _external(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    from onnx import TensorProto

    graph = model.graph
    every = [*graph.initializer, *(a.t for node in graph.node for a in node.attribute if a.HasField("t"))]
    return (tensor for tensor in every if tensor.data_location == TensorProto.EXTERNAL)


def _load_external(tensor: onnx.TensorProto, folder: Path | None, loc: Loc) -> None:
    """The data of a tensor from a file in the model's own folder."""
    from onnx.external_data_helper import load_external_data_for_tensor

    here = loc.within(tensor.name)
    location = next((one.value for one in tensor.external_data if one.key == "location"), "")
    help = "keep the model and its data in one folder, or save it in one file: onnx.save(onnx.load(path), 'one.onnx')"
    if folder is None:
        raise error("E0101", "its data are in another file, and the model came without a folder", help=help, loc=here)
    root = folder.resolve()
    path = (root / location).resolve()
    if not location or root not in path.parents:
        raise error("E0101", f"its data are outside of the model's folder: {location!r}", help=help, loc=here)
    if not path.is_file():
        raise error("E0101", f"its data are in {location!r}, which is not there", help=help, loc=here)
    if path.stat().st_size > MOST_EXTERNAL:
        text = f"{location!r} has {path.stat().st_size:,} B; mcugen reads {MOST_EXTERNAL:,} at most"
        raise error("E0303", text, help="export a smaller network", loc=here)
    try:
        load_external_data_for_tensor(tensor, str(root))
    except Exception as problem:  # onnx raises what its file and numbers lead it to
        raise error("E0104", f"its data in {location!r}: {one_line(problem)}", help=_EXPORT, loc=here) from None
    tensor.ClearField("data_location")
    del tensor.external_data[:]


def _checked(model: onnx.ModelProto, loc: Loc) -> onnx.ModelProto:
    import onnx

    try:
        onnx.checker.check_model(model)
    except Exception as problem:  # of C++: several kinds
        reason = one_line(problem).partition("==> Context")[0].strip()
        raise error("E0104", f"the ONNX model is not valid: {reason}", help=_EXPORT, loc=loc) from None
    return model


def _inlined(model: onnx.ModelProto, loc: Loc) -> onnx.ModelProto:
    """Without functions of its own: their nodes are where they were called."""
    if not model.functions:
        return model
    from onnx.inliner import inline_local_functions

    try:
        found: onnx.ModelProto = inline_local_functions(model)
    except Exception as problem:
        raise error("E0104", f"its functions cannot be put in: {one_line(problem)}", help=_EXPORT, loc=loc) from None
    return found


def with_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], loc: Loc) -> onnx.ModelProto:
    """The model with the shapes that were asked for its inputs. E0112 for an input that it does not have, or another rank."""
    import onnx

    if not shapes:
        return model
    given = onnx.ModelProto()
    given.CopyFrom(model)
    inputs = {value.name: value for value in given.graph.input}
    for name, shape in shapes.items():
        if name not in inputs:
            help = did_you_mean(name, inputs) + f"its inputs are {', '.join(inputs)}"
            raise error("E0112", f"the model has no input {name!r} to give a shape to", help=help, loc=loc)
        _set_shape(inputs[name], shape, loc)
    return given


def _set_shape(value: onnx.ValueInfoProto, shape: Sequence[int], loc: Loc) -> None:
    kind = value.type.tensor_type
    fixed = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    if kind.HasField("shape") and (
        len(fixed) != len(shape) or any(a is not None and a != b for a, b in zip(fixed, shape, strict=True))
    ):
        shown = ",".join("?" if size is None else str(size) for size in fixed)
        text = f"the shape {','.join(map(str, shape))} does not go with input {value.name} of ({shown})"
        raise error("E0112", text, help="give every axis a size, and those that are known the same", loc=loc)
    del kind.shape.dim[:]
    for size in shape:
        kind.shape.dim.add().dim_value = size


def folder_of(source: object) -> Path | None:
    """Where a model's file lies; None for bytes."""
    return Path(source).parent if isinstance(source, str | os.PathLike) else None


def parsed_shapes(given: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """`name=1,3,96,96` as {name: shape}; E0112 for anything else."""
    found: dict[str, tuple[int, ...]] = {}
    for text in given:
        name, equals, sizes = text.rpartition("=")
        try:
            shape = tuple(int(size) for size in sizes.split(",") if size.strip())
        except ValueError:
            shape = ()
        if not (name and equals and shape) or min(shape) < 1:
            raise _no_shape(text)
        found[name] = shape
    return found


def _no_shape(text: str) -> McugenError:
    return error("E0112", f"--shape {text} says no shape", help="say it as input=1,3,96,96: sizes of 1 or more")
