"""The driver: C that calls generated models under one signature, row by row, on the host and in the simulators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from mcugen import __version__
from mcugen.data import firmware_dir
from mcugen.diagnostics import error
from mcugen.interface import as_given, feed_of, signature
from mcugen.ir import Array, DType, Module, Storage, TensorType, Value

PIECE, PIECES = (
    32,
    -100,
)  # bytes of a trainer's state that are read at once, and the class that asks for the first of them
DROP = -2  # the class that drops what a trainer does not need


@dataclass(frozen=True, eq=False)
class Unit:
    """A module and the C that was generated for it."""

    module: Module
    files: Mapping[str, str]


def write_driver(folder: Path, units: Sequence[Unit]) -> list[Path]:
    """Write the units' C and the driver into `folder`; returns the C files to compile, the platform's end not among them."""
    from mcugen.templating import environment

    for i, unit in enumerate(units):
        for path, text in unit.files.items():
            file = folder / str(i) / Path(path).name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
    models = [_model(unit, f"{i}/{unit.module.name}.h") for i, unit in enumerate(units)]
    driver = folder / "driver.c"
    driver.write_text(environment().get_template("driver.c.j2").render(models=models, version=__version__))
    return [driver, *sorted(folder.glob("*/*.c"))]


def driver_sources() -> Path:
    """The folder of the drivers' hand-written C."""
    return firmware_dir() / "driver"


def pack_rows(module: Module, inputs: Sequence[Array]) -> bytes:
    """Rows as the driver takes them: all inputs one after the other, each aligned. Each input has shape (rows, *its own)."""
    values = given_to(module)
    given = as_given(module, [_of_shape(a, v) for a, v in zip(inputs, values, strict=True)])
    parts = [_bytes_per_row(a, v) for a, v in zip(given, values, strict=True)]
    offsets, size = _row(values)
    rows = np.zeros((len(parts[0]) if parts else 1, size), np.uint8)
    for part, offset in zip(parts, offsets, strict=True):
        rows[:, offset : offset + part.shape[1]] = part
    return rows.tobytes()


def unpack_results(module: Module, raw: bytes) -> list[Array]:
    """The outputs of the rows, each of shape (rows, *its own)."""
    values = got_from(module)
    offsets, size = _row(values)
    table = np.frombuffer(raw, np.uint8).reshape(-1, size)
    return [_column(table[:, at : at + v.type.nbytes], v) for at, v in zip(offsets, values, strict=True)]


def given_to(module: Module) -> tuple[Value, ...]:
    """What a row is made of: the inputs; of a trainer a row and its class, which is -1 to predict, DROP, and PIECES - i to read the state
    from byte 32 i on.
    """
    return module.functions[module.learns].of(Storage.INPUT)


def got_from(module: Module) -> tuple[Value, ...]:
    """What comes of a row: the outputs; of a trainer the class, or its code, and then a piece of the state, where it was asked for."""
    outputs = module.predict.of(Storage.OUTPUT)
    return (*outputs, Value("piece", TensorType((PIECE,), DType.U8), Storage.OUTPUT)) if module.learns else outputs


def row_sizes(module: Module) -> tuple[int, int]:
    """Bytes of one row's inputs and of one row's outputs."""
    return _row(given_to(module))[1], _row(got_from(module))[1]


def piece_size(module: Module) -> int:
    """Bytes of input that the driver is served at once where memory is small: a row of one that is streamed, else all inputs."""
    feed = feed_of(module, module.predict)
    inputs = row_sizes(module)[0]
    return inputs // feed.rows if feed else inputs


def _row(values: Sequence[Value]) -> tuple[list[int], int]:
    """Where each value of a row begins, and the row's bytes: all are aligned, in the rows that follow too."""
    offsets, at = [], 0
    for value in values:
        offsets.append(_aligned(at, value))
        at = offsets[-1] + value.type.nbytes
    return offsets, max((_aligned(at, v) for v in values), default=0)


def _aligned(at: int, value: Value) -> int:
    return -(-at // value.type.dtype.nbytes) * value.type.dtype.nbytes


def _of_shape(data: Array, value: Value) -> Array:
    rows = np.ascontiguousarray(data, value.type.dtype.numpy).reshape(len(data), prod(data.shape[1:]))
    if rows.shape[1] != value.type.size:
        wanted = "x".join(map(str, value.type.shape))
        raise error(
            "E0110",
            f"a row has {rows.shape[1]} values, the model takes {wanted}",
            help="give every feature, in the model's order",
        )
    return rows


def _bytes_per_row(rows: Array, value: Value) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), value.type.nbytes)


def _column(data: npt.NDArray[np.uint8], value: Value) -> Array:
    return np.ascontiguousarray(data).view(value.type.dtype.numpy).reshape(-1, *value.type.shape)


def _model(unit: Unit, header: str) -> SimpleNamespace:
    """A model as the driver's template has it; its parameters and its result by their places in a row."""
    graph = unit.module.predict
    interface = signature(unit.module, graph)
    ins, outs = _places(given_to(unit.module)), _places(got_from(unit.module))
    in_bytes, out_bytes = row_sizes(unit.module)
    feed = feed_of(unit.module, graph)
    return SimpleNamespace(
        feed=feed,
        piece_bytes=piece_size(unit.module),
        header=header,
        learner=unit.module.name if unit.module.learns else "",
        pieces=(PIECES, PIECE),
        drop=DROP if "drop" in {graph.name for graph in unit.module.functions} else 0,
        function=interface.symbol,
        inputs=[*ins.values()],
        outputs=[*outs.values()],
        arguments=[(outs if p.out else ins)[p.value] for p in interface.parameters],
        result=None if interface.result is None else outs[interface.result],
        in_bytes=in_bytes,
        out_bytes=out_bytes,
    )


def _places(values: Sequence[Value]) -> dict[str, SimpleNamespace]:
    return {
        v.name: SimpleNamespace(
            name=f"{v.storage.value}{i}",
            c=v.type.dtype.c,
            offset=offset,
            scalar=v.type.shape == (),
            out=v.storage is Storage.OUTPUT,
        )
        for i, (v, offset) in enumerate(zip(values, _row(values)[0], strict=True))
    }
