"""The driver: C that calls generated models under one signature, row by row, on the host and in the simulators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from mcugen import __version__
from mcugen.data import firmware_dir
from mcugen.diagnostics import error
from mcugen.emit import signature
from mcugen.ir import Array, Module, Storage, Value


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
    """Rows as the driver takes them: per row, all inputs one after the other. Each input has shape (rows, *its own)."""
    values = module.predict.of(Storage.INPUT)
    parts = [_bytes_per_row(a, v) for a, v in zip(inputs, values, strict=True)]
    return np.concatenate(parts, axis=1).tobytes()


def unpack_results(module: Module, raw: bytes) -> list[Array]:
    """The outputs of the rows, each of shape (rows, *its own)."""
    values = module.predict.of(Storage.OUTPUT)
    sizes = [v.type.nbytes for v in values]
    table = np.frombuffer(raw, np.uint8).reshape(-1, sum(sizes))
    columns = np.split(table, np.cumsum(sizes)[:-1], axis=1)
    return [
        np.ascontiguousarray(c).view(v.type.dtype.numpy).reshape(-1, *v.type.shape)
        for c, v in zip(columns, values, strict=True)
    ]


def row_sizes(module: Module) -> tuple[int, int]:
    """Bytes of one row's inputs and of one row's outputs."""
    graph = module.predict
    return sum(v.type.nbytes for v in graph.of(Storage.INPUT)), sum(v.type.nbytes for v in graph.of(Storage.OUTPUT))


def _bytes_per_row(data: Array, value: Value) -> npt.NDArray[np.uint8]:
    rows = np.ascontiguousarray(data, value.type.dtype.numpy).reshape(len(data), prod(data.shape[1:]))
    if rows.shape[1] != value.type.size:
        wanted = "x".join(map(str, value.type.shape))
        raise error(
            "E0110",
            f"a row has {rows.shape[1]} values, the model takes {wanted}",
            help="give every feature, in the model's order",
        )
    return rows.view(np.uint8).reshape(len(data), value.type.nbytes)


def _model(unit: Unit, header: str) -> SimpleNamespace:
    module = unit.module
    graph = module.predict
    interface = signature(module, graph)
    outputs = [*_tensors(graph.of(Storage.OUTPUT))]
    call = interface.prototype.split("(")[0].split()[-1]
    arguments = [v.name for v in graph.of(Storage.INPUT)]
    returned = next((t for t in outputs if t.name == interface.result), None)
    arguments += [t.name if not t.scalar else f"&{t.name}" for t in outputs if t is not returned]
    text = f"{call}({', '.join(arguments)})"
    in_bytes, out_bytes = row_sizes(module)
    return SimpleNamespace(
        header=header,
        inputs=[*_tensors(graph.of(Storage.INPUT))],
        outputs=outputs,
        call=f"{returned.name} = {text}" if returned else text,
        in_bytes=in_bytes,
        out_bytes=out_bytes,
    )


def _tensors(values: Iterable[Value]) -> Iterator[SimpleNamespace]:
    offset = 0
    for value in values:
        yield SimpleNamespace(name=value.name, c=value.type.dtype.c, offset=offset, scalar=value.type.shape == ())
        offset += value.type.nbytes
