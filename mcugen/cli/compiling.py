"""The commands on this computer: fit, compile, report, verify."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from mcugen.cli import options
from mcugen.cli.frame import Session
from mcugen.cli.steps import compiled_model, options_of, prove, show_proofs, show_written
from mcugen.diagnostics import EXIT_FIT, McugenError

if TYPE_CHECKING:
    from mcugen.arguments import Input
    from mcugen.boards import Numeric, Optimize
    from mcugen.compile import Compiled
    from mcugen.ir import Array
    from mcugen.measure import LayerCount, Measured
    from mcugen.project import As
    from mcugen.targets.toolchain import Build
    from mcugen.verify import Proof


@click.command(epilog="Example: mcugen fit digits.skops")
@options.debug
@options.json
@options.allow_pickle
@options.shapes
@options.input
@options.output
@options.ram
@options.numeric
@options.optimize
@options.model
@click.pass_obj
def fit(
    session: Session,
    model: str,
    optimize: Optimize,
    numeric: Numeric,
    ram: str | None,
    output: str | None,
    input: Input,
    allow_pickle: bool,
    shapes: dict[str, tuple[int, ...]],
) -> None:
    """Say which boards MODEL fits, before anything is built.

    Flash, RAM and time of every board that comes with mcugen, estimated. What the model takes (flash: code and
    tables; RAM: its data, the caller's row and answers, the deepest stack) is compared with what the framework of
    PlatformIO's registry leaves of the board; where that is not known, with what mcugen's own leaves, and the verdict
    is "unknown". --json also has the whole firmware, framework and sketch included, as `mcugen build` links it with mcugen's
    own platform: flash, and static RAM without the stack. Cycles are AVR's; on Cortex-M and RISC-V they are instructions,
    and the time is at one a cycle. Ends with 3 where it fits none.
    """
    from mcugen.arguments import element_of
    from mcugen.fit import fit as judge
    from mcugen.frontends import read
    from mcugen.ram import rams_of
    from mcugen.report.json import of_verdict
    from mcugen.report.show import verdicts

    memories = rams_of(ram)
    with session.working(f"reading {model}"):
        source = read(model, output=output, input=element_of(input), allow_pickle=allow_pickle, shapes=shapes)
    found = judge(source, optimize, numeric, ram=memories)
    session.show(verdicts(found))
    session.put(model=source.module.name, boards=[of_verdict(one) for one in found])
    if not any(one.fits for one in found):
        raise click.exceptions.Exit(EXIT_FIT)


@click.command(epilog="Example: mcugen compile digits.skops --board uno -o digits --data test.npy")
@options.reading
@options.board
@click.option("-o", "folder", type=click.Path(path_type=Path), metavar="DIR", help="The folder to write. Default: ./NAME.")  # fmt: skip
@click.option(
    "--as",
    "as_",
    type=click.Choice(["arduino", "platformio", "header", "c", "zip"]),
    default="arduino",
    show_default=True,
    help="An Arduino library, a PlatformIO project, one header, plain C, or the library as a zip.",
)
@click.option("--dump-ir", is_flag=True, help="Print the graph after every pass.")
@click.option("--no-check", is_flag=True, help="Do not compare the C with the model.")
@click.pass_obj
def compile(
    session: Session,
    /,
    folder: Path | None,
    as_: As,
    data: Path | None,
    dump_ir: bool,
    no_check: bool,
    **asked: Any,
) -> None:
    """Compile MODEL to C for a board, and prove it.

    Writes a folder that the board's tools take. MODEL is a .skops file (or a pickle, with --allow-pickle) that holds a fitted decision tree, random forest or extra
    trees. Before anything is written, the C is compiled on this computer and compared with the model at every
    threshold; with --data on your rows too. Only files that changed are written, and never over a file of yours.
    """

    compiled = compiled_model(session, dump=_dump(session) if dump_ir else None, data=data, **asked)
    rows = compiled.rows
    _show_compiled(session, compiled)
    compiled.require_fit()
    prove(session, compiled, rows, str(data), no_check)
    target = folder or Path(compiled.module.name)
    _write(session, compiled, target, as_, rows)


@click.command(epilog="Example: mcugen report digits.skops --board uno --html digits.html")
@options.reading
@options.board
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as a page, too.")
@click.option("--built", is_flag=True, help="Build it, and show the estimate beside what the ELF takes.")
@click.option(
    "--explain-memory", is_flag=True, help="Show what each technique saves of the RAM that the graph takes as exported."
)
@click.option(
    "--plan-as",
    type=click.Choice(["int8", "int16", "float32"]),
    help="Plan the RAM of an ONNX graph as if all its numbers had this type, and nothing else: inputs that are weights may have no values.",
)
@click.pass_obj
def report(
    session: Session, /, html: Path | None, built: bool, explain_memory: bool, plan_as: str | None, **asked: Any
) -> None:
    """Show what MODEL takes of a board: flash, RAM, cycles.

    Per layer and in all, beside the board's limits, and what other forms would cost. Without --built everything is estimated and nothing is written. Ends with 3 where the board is too small.
    """
    from mcugen.report.json import as_dict
    from mcugen.report.show import report_tables

    if plan_as:
        _planned(session, plan_as, html, **asked)
        return
    compiled = compiled_model(session, **asked)
    board = compiled.target.board
    build, measured = _reality(session, compiled) if built else (None, None)
    counts = _layer_counts(session, compiled) if measured and len(compiled.report.layers) > 1 else {}
    session.show(*report_tables(compiled.report, board, build, measured, counts))
    session.put(report=as_dict(compiled.report, board, build, counts))
    if explain_memory:
        _explain(session, compiled)
    if html:
        from mcugen.report.html import write_page
        from mcugen.report.memory_map import memory_map

        map = memory_map(compiled.module.predict, compiled.memory)
        write_page(html, compiled.report, board, build, map, counts)
        session.say(f"wrote {html}")
    compiled.require_fit()


def _planned(session: Session, plan_as: str, html: Path | None, model: str, board: str, **asked: Any) -> None:
    """The RAM that a graph would take."""
    from mcugen.report import memory

    with session.working(f"planning {model}"):
        how = (asked["by_rows"], asked.get("shapes", {}), asked["stream_input"], asked["ram"])
        found = memory.planned(model, board, plan_as, *how)
    session.show(memory.memory_table(found))
    session.put(plan_as=plan_as, memory=memory.as_dict(found))
    if html:
        from mcugen.report.html import write_plan

        write_plan(html, f"{Path(model).stem}, planned as {plan_as}", found)
        session.say(f"wrote {html}")


def _explain(session: Session, compiled: Compiled) -> None:
    """What each technique saves of RAM."""
    from mcugen.report import memory

    found = memory.explained(compiled)
    session.show(memory.memory_table(found))
    session.put(memory=memory.as_dict(found))


@click.command(epilog="Example: mcugen verify digits.skops --board uno --data test.csv --on simulator")
@options.reading
@options.board
@click.option(
    "--on",
    type=click.Choice(["host", "simulator", "board"]),
    default="host",
    show_default=True,
    help="Run the C on this computer, on a simulated board that counts its cycles, or on the flashed board.",
)
@options.port
@click.option(
    "--layers", is_flag=True, help="Show every layer of an ONNX graph beside onnxruntime's, on its own input."
)
@click.pass_obj
def verify(session: Session, /, data: Path | None, on: str, port: str | None, layers: bool, **asked: Any) -> None:
    """Compare the C with MODEL, row by row.

    On the rows of --data; without, on rows made at every threshold of the model: just below, at and just above it, with
    missing values and infinities. On the host the unit tests that the library carries are built and run as well. A
    board is one that `mcugen flash` has flashed with the same options; without --data it gets the rows of a minute. Ends
    with 4 where a single row differs.
    """
    chosen = _port_of(port, on)
    compiled = compiled_model(session, data=data, **asked)
    rows = compiled.rows
    source = f"rows of {data}" if data else ""
    if layers:
        _layers(session, compiled)
    with session.working(f"comparing on the {on}"):
        if on == "simulator":
            proof = _simulated(session, compiled, rows, source)
        elif on == "board":
            proof = _on_board(session, compiled, chosen, rows, source, {**asked, "data": data})
        else:
            proof = compiled.verify(rows, source=source)
    show_proofs(session, compiled, [proof])
    if on == "host":
        _unit_tests(session, compiled, rows)


COMMANDS = (fit, compile, report, verify)


def _layers(session: Session, compiled: Compiled) -> None:
    """Every layer beside onnxruntime's. E0112 for what has no layers."""
    from dataclasses import asdict

    from mcugen.report.show import layers_table

    with session.working("comparing layer by layer"):
        found = compiled.layers()
    session.show(layers_table(found))
    session.put(layers=[asdict(one) for one in found])


def _dump(session: Session) -> Callable[[str, str], None]:
    return lambda name, text: session.say(f"; after {name}\n{text}")


def _show_compiled(session: Session, compiled: Compiled) -> None:
    from mcugen.report.json import as_dict
    from mcugen.report.show import budget, forms, read_line

    board = compiled.target.board
    session.say(read_line(compiled.module, compiled.source.loc))
    session.show(*(forms(layer, board) for layer in compiled.report.layers if layer.others))
    session.show(budget(compiled.report, board))
    session.put(report=as_dict(compiled.report, board))


def _reality(session: Session, compiled: Compiled) -> tuple[Build, Measured | None]:
    """What the sketch's ELF says and, where the board has a simulator, what a call takes in it."""
    from mcugen.deploy import build, project_folder
    from mcugen.measure import measure
    from mcugen.report.json import of_measured
    from mcugen.report.show import measured_line

    board = compiled.target.board
    with session.working(f"building for {board.title}"), project_folder(None) as folder:
        built = build(compiled, folder)
    if not board.simulator:
        return built, None
    with session.working("counting in the simulator"):
        measured = measure(compiled)
    session.say(measured_line(measured, board))
    session.put(measured=of_measured(measured))
    return built, measured


def _layer_counts(session: Session, compiled: Compiled) -> dict[str, LayerCount]:
    """What every layer takes in the simulator; nothing where one alone, with whole tensors, is more than the board holds."""
    from mcugen.measure import measure_layers

    try:
        with session.working("counting layer by layer"):
            return measure_layers(compiled)
    except McugenError as problem:
        if not {one.code for one in problem.diagnostics} <= {"E0501", "E0502"}:
            raise
        session.say("not counted layer by layer: one layer alone, with whole tensors, does not fit the board")
        return {}


def _simulated(session: Session, compiled: Compiled, rows: Array | None, source: str) -> Proof:
    from mcugen.measure import measure
    from mcugen.report.json import of_measured
    from mcugen.report.show import measured_line

    measured = measure(compiled, rows, source=source)
    session.say(measured_line(measured, compiled.target.board))
    session.put(measured=of_measured(measured))
    return measured.proof


def _unit_tests(session: Session, compiled: Compiled, rows: Array | None) -> None:
    """Build and run what `compile` would write into `test/`; E0801 where a golden vector is wrong."""
    from dataclasses import asdict

    from mcugen.vectors import require, run_on_host

    with session.working("running the unit tests"):
        done = run_on_host(compiled, rows)
    if done is None:
        return
    session.say(f"unit tests: {done}")
    session.put(unit_tests=asdict(done))
    require(done, compiled.source.loc)


def _port_of(port: str | None, on: str) -> str:
    """The board's port, looked for before anything that takes long; empty where no board is asked."""
    if on == "board":
        from mcugen.targets.serial import choose_port

        return choose_port(port)
    if port is not None:
        raise click.UsageError("--port is the board's: add `--on board`")
    return ""


def _on_board(
    session: Session, compiled: Compiled, port: str, rows: Array | None, source: str, asked: dict[str, Any]
) -> Proof:
    from mcugen.measure import measure_on_board
    from mcugen.report.json import of_timed
    from mcugen.report.show import timed_line

    flash_it = f"flash it, with the same options as here: `mcugen flash {options_of(asked)} --port {port}`"
    timed = measure_on_board(compiled, port, rows, source=source, flash_it=flash_it)
    session.say(timed_line(timed))
    session.put(measured=of_timed(timed), port=port)
    return timed.proof


def _write(session: Session, compiled: Compiled, folder: Path, as_: As, rows: Array | None) -> None:
    sample = None if rows is None else cast("list[float]", rows[0].tolist())
    written = compiled.write(folder, as_, sample, rows)
    show_written(session, written, folder)
