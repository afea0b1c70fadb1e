"""Networks in a simulator: `python benchmarks/networks.py FOLDER [--core NAME ...] [--by-rows always] [--input rows] [--csv FILE]`.

FOLDER has ONNX models, in folders of their own or not; `--graph` names graphs among
them whose weights are inputs without values: they get random ones, in int8. For each: instructions of an inference on the first golden row, or on a random one
(`<stem>_golden.npz` beside it, with an array `x`), the cycles that they take by the core's timing table, flash of the whole program (start-up code and driver among it, about 2 kB), RAM (the
model's own, its deepest stack, input and output), multiply-accumulates, and what others were measured to take of the same nets on a
Cortex-M4F at -O2. An inference is one call, counted exactly by a plugin of QEMU. Cycles are modelled, without wait states
(docs/boards/README.md says what the model has). The README's table is made of benchmarks/results/networks.csv, which `--keep`
writes.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import mcugen  # noqa: E402
from benchmarks.classical.program import Core  # noqa: E402
from mcugen.boards import ByRows  # noqa: E402
from mcugen.compile import Compiled  # noqa: E402
from mcugen.ir import Array, Storage  # noqa: E402
from mcugen.targets import elf  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "networks.csv"
INPUT_RESULTS = RESULTS.with_name("inputs.csv")  # of where an input is

CORES = {"cortex-m4f": "feather_nrf52840", "cortex-m0plus": "metro_m0", "riscv32": "esp32c3"}
WAYS: tuple[ByRows, ...] = ("never", "always")
INPUTS: dict[str, dict[str, bool]] = {
    "caller": {},
    "arena": {"arena_input": True},
    "rows": {"stream_input": True},
}  # where the input is, and how that is asked for
ROOM = 1 << 24  # bytes of flash and RAM: what is counted does not depend on a board's
# Millions of instructions, kB of flash, kB of RAM (stack and input and output among it), on a Cortex-M4F at -O2.
PEERS: dict[str, dict[str, tuple[float, float | None, float | None]]] = {
    "kws_int8": {"TFLite Micro with CMSIS-NN": (7.70, 107, 24.3), "onnx2c": (28.5, 38, 98.7)},
    "ic_int8": {"TFLite Micro with CMSIS-NN": (29.9, 147, 56.4), "onnx2c": (243, 89, 413)},
    "ad_int8": {"TFLite Micro with CMSIS-NN": (0.584, 304, 3.6)},
    "kws_float": {"onnx2c, -O3": (19.9, None, None), "TFLite Micro": (38, None, None)},
    "ic_float": {"onnx2c": (116, None, None), "TFLite Micro": (100, None, None)},
    "ad_float": {"onnx2c": (1.34, None, None), "TFLite Micro": (1.36, None, None)},
}


@dataclass(frozen=True)
class Result:
    """One network on one core. Sizes in bytes; modelled_cycles are 0 where the core has no timing table."""

    network: str
    core: str
    by_rows: str
    input: str
    macc: int
    instructions: int
    modelled_cycles: int
    flash: int
    static: int
    stack: int
    buffers: int

    @property
    def ram(self) -> int:
        """All RAM that an inference takes."""
        return self.static + self.stack + self.buffers


def compiled_for(path: Path, core: str, by_rows: ByRows, input: str = "caller") -> Compiled:
    """The network for a core, on a board with room for anything."""
    ways = {"by_rows": by_rows, **INPUTS[input]}
    return mcugen.compile(path, board=CORES[core], check_fit=False, check_answers=False, **ways)


def row_of(path: Path, compiled: Compiled) -> list[Array]:
    """The first golden row, or numbers at random."""
    types = [value.type for value in compiled.module.predict.of(Storage.INPUT)]
    golden = path.with_name(f"{path.stem.removesuffix('_qdq')}_golden.npz")
    if len(types) == 1 and golden.is_file():
        return [np.load(golden)["x"][:1].reshape(1, *types[0].shape)]
    rng = np.random.default_rng(0)
    return [rng.integers(-100, 100, (1, *kind.shape)).astype(kind.dtype.numpy) for kind in types]


def measured(path: Path, core: str, optimise: str, by_rows: ByRows = "never", input: str = "caller") -> Result:
    """One network on one core, built and run."""
    compiled = compiled_for(path, core, by_rows, input)
    on = Core(core, CORES[core], optimise)
    board = replace(on.board, flash=ROOM, ram=ROOM >> 2, framework_flash=None, framework_ram=None, measured="")
    rows = row_of(path, compiled)
    with tempfile.TemporaryDirectory(prefix="mcugen-networks-") as folder:
        program = on.tools.link([compiled.unit], board, Path(folder))
        flash = elf.usage(program).flash
        (run,) = on.tools.run_program(program, [compiled.unit], [rows], board)
    for found, wanted in zip(run.outputs, compiled.run(rows), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    graph = compiled.module.predict
    macc = sum(node.op.macc(*graph.types(node.inputs)) for node in graph.nodes)
    report = compiled.report
    return Result(
        path.stem, core, by_rows, input, macc, int(run.cycles[0]), int(sum(run.modelled[:1])), flash,
        report.static, int(run.stacks[0]), report.buffers,
    )  # fmt: skip


def keep(file: Path, found: Sequence[Result]) -> None:
    """Write results as a table."""
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, [one.name for one in fields(Result)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(one) for one in found)


def kept(file: Path = RESULTS) -> list[Result]:
    """What `keep` wrote."""
    with file.open() as opened:
        rows = [*csv.DictReader(opened)]
    numbers = [one.name for one in fields(Result) if one.type == "int"]
    return [Result(**{**row, **{name: int(row[name]) for name in numbers}}) for row in rows]  # type: ignore[arg-type]


def peers(network: str) -> Iterator[str]:
    """What others take, a line each."""
    for name, (millions, flash, ram) in PEERS.get(network.removesuffix("_qdq"), {}).items():
        sizes = "".join(f"{one:>11,.1f}" if one is not None else f"{'-':>11}" for one in (flash, ram))
        yield f"    {name:<40}{millions:>10.3f}{sizes}"


def table(found: Sequence[Result]) -> str:
    """Networks, one after the other, with their peers."""
    lines = [f"{'':<44}{'M instr.':>10}{'flash kB':>11}{'RAM kB':>11}{'per MACC':>10}{'M modelled cycles':>19}"]
    for one in found:
        where = {"arena": ", input in the arena", "rows": ", streamed"}.get(one.input, "")
        head = f"{one.network} on {one.core}{', by rows' if one.by_rows == 'always' and one.input != 'rows' else ''}{where}"
        per = one.instructions / max(one.macc, 1)
        about = f"{one.modelled_cycles / 1e6:.3f}" if one.modelled_cycles else "-"
        lines.append(
            f"{head:<44}{one.instructions / 1e6:>10.3f}{one.flash / 1e3:>11,.1f}{one.ram / 1e3:>11,.1f}{per:>10.2f}{about:>19}"
        )
        if one.core == "cortex-m4f" and (one.by_rows, one.input) == ("never", "caller"):
            lines += peers(one.network)
    return "\n".join(lines)


def files(folder: Path, graphs: Sequence[str], made: Path) -> list[Path]:
    """The models of a folder; where graphs are named, these with random weights, written to `made`."""
    from benchmarks.random_weights import quantised

    if not graphs:
        return sorted(folder.rglob("*.onnx"))
    found = {name: next(folder.rglob(f"{name.removesuffix('.onnx')}.onnx"), None) for name in graphs}
    if missing := [name for name, path in found.items() if path is None]:
        raise SystemExit(f"{folder} has no {' and no '.join(missing)}.onnx")
    return [quantised(path, made) for path in found.values() if path]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="a folder of ONNX models")
    parser.add_argument("--core", action="append", choices=CORES, help="default: cortex-m4f")
    parser.add_argument("--optimise", default="-O2", help="gcc's option, default -O2")
    parser.add_argument(
        "--by-rows", action="append", choices=WAYS, help="whether layers run row by row; default: never"
    )
    parser.add_argument(
        "--input", action="append", choices=INPUTS, help="the caller's buffer (default), in the arena, or row by row"
    )
    parser.add_argument("--graph", action="append", default=[], help="one without values for its weights: random ones")
    parser.add_argument("--csv", type=Path, help="write the results to this file")
    parser.add_argument("--keep", dest="csv", action="store_const", const=RESULTS, help=f"write them to {RESULTS.name}")
    asked = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory(prefix="mcugen-networks-") as folder:
        for path in files(asked.folder, asked.graph, Path(folder)):
            for core, by_rows, input in product(
                asked.core or ["cortex-m4f"], asked.by_rows or ["never"], asked.input or ["caller"]
            ):
                print(f"{path.stem} on {core}, row by row: {by_rows}, input: {input}", file=sys.stderr)
                found.append(measured(path, core, asked.optimise, "always" if input == "rows" else by_rows, input))
    print(table(found))
    if asked.csv:
        keep(asked.csv, found)


if __name__ == "__main__":
    main()
