"""What a graph gives: all of its outputs, or what a classical model of scikit-learn would be asked for."""

from __future__ import annotations

from collections.abc import Sequence

from mcugen.diagnostics import Loc, error
from mcugen.frontends.onnx.call import Operand, Tensors
from mcugen.ir import DType, Storage
from mcugen.ops.elementwise import Elementwise
from mcugen.ops.reshape import Reshape


def give_outputs(names: Sequence[str], tensors: Tensors, wanted: str | None, loc: Loc) -> None:
    """The graph's outputs (ONNX's names, in their order) as outputs of the module: all, or those of `wanted`:

    label      the index of the class, with the labels
    proba      beside it the numbers that the graph gives of it, whatever they are
    value      the only number
    transform  the only tensor of floats

    Labels that are text are given by their index in any case. E0304 for what the graph does not have.
    """
    label = next((name for name in names if _class_of(tensors, name)), None)
    if wanted is None and not any(tensors.is_text(tensors.known[name]) for name in names):
        _give_all(names, tensors)
        return
    others = [name for name in names if name != label]
    sizes = {name: tensors.type_of(tensors.known[name]) for name in others}
    possible = [
        *(["label"] if label else []),
        *(["proba"] if label and len(others) == 1 and sizes[others[0]].dtype is DType.F32 else []),
        *(["value"] if not label and [(t.size, t.dtype) for t in sizes.values()] == [(1, DType.F32)] else []),
        *(["transform"] if not label and [t.dtype for t in sizes.values()] == [DType.F32] else []),
    ]
    if wanted is None and possible:  # labels are text
        wanted = possible[-1]
    if wanted not in possible:
        text = f"this ONNX graph has no output '{wanted}'"
        ways = " or ".join(f"`--output {name}`" for name in possible)
        raise error("E0304", text, help=f"leave --output out{', or use ' + ways if ways else ''}", loc=loc)
    if label is not None:
        _give_class(tensors, label)
    if wanted in ("proba", "value", "transform"):
        shape = () if wanted == "value" else (sizes[others[0]].size,)
        tensors.builder.output(_reshaped(tensors, tensors.value(tensors.known[others[0]]), shape), name=wanted)


def _class_of(tensors: Tensors, name: str) -> bool:
    """Whether an output is one class."""
    found = tensors.known[name]
    return isinstance(found, str) and found in tensors.classes and tensors.type_of(found).size == 1


def _give_class(tensors: Tensors, name: str) -> None:
    classes = tensors.classes[str(tensors.known[name])]
    index = _reshaped(tensors, classes.index, ())
    if tensors.builder.type_of(index).dtype is not DType.I32:
        (index,) = tensors.builder.add(Elementwise("Cast", DType.I32), index)
    tensors.builder.output(index, labels=classes.labels, name="label")


def _reshaped(tensors: Tensors, value: str, shape: tuple[int, ...]) -> str:
    """A value of this shape that may become an output."""
    kind = tensors.builder.type_of(value)
    if kind.shape != shape:
        return tensors.builder.add(Reshape(shape), value)[0]
    if tensors.builder.storage_of(value) is not Storage.TEMP:
        return tensors.builder.add(Elementwise("Cast", kind.dtype), value)[0]
    return value


def _give_all(names: Sequence[str], tensors: Tensors) -> None:
    """Every output under its own name; what no node makes, or is given twice, is copied."""
    given: set[str] = set()
    for name in names:
        found: Operand = tensors.known[name]
        made = tensors.value(found)
        if made in given or tensors.builder.storage_of(made) is not Storage.TEMP:
            same = Elementwise("Cast", tensors.builder.type_of(made).dtype)
            (made,) = tensors.builder.add(same, made)
        called = name if tensors.builder.free(name) == name else made
        tensors.builder.output(made, name=called)
        given.add(called)
        tensors.known = {k: (called if isinstance(v, str) and v == made else v) for k, v in tensors.known.items()}
