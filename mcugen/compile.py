"""The whole compiler: read, passes, plan, emit, report, prove. Every command stops earlier or goes further on this line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np

from mcugen.arguments import (
    Calibration,
    Input,
    calibration_of,
    element_of,
    folder_of,
    form_of,
    given_rows,
    inputs_of,
    name_of,
    part_of,
    rows_of,
    sample_of,
)
from mcugen.boards import ByRows, Numeric, Optimize, Requant, Target, load_board
from mcugen.compared import least_sizes
from mcugen.diagnostics import McugenError, error
from mcugen.emit import Files, check_header, emit
from mcugen.frontends import Reference, Source, read
from mcugen.frontends.onnx_quantise import is_network, quantised
from mcugen.ir import Array, DType, Module, Storage
from mcugen.made_rows import next_to_changes, rows_behind, takers_know
from mcugen.memory.plan import MemoryPlan, plan
from mcugen.numeric import between, formats_to_try, why
from mcugen.ops.average import Average
from mcugen.passes import Dump
from mcugen.passes import run as run_passes
from mcugen.ram import rams_of
from mcugen.report import Report, has_ram, report, require_fit
from mcugen.targets import host
from mcugen.targets.driver import Unit
from mcugen.verify import (
    ENOUGH,
    Proof,
    Terms,
    accepted_rows,
    agreeing,
    held,
    made_text,
    probe,
    prove,
    require,
)

if TYPE_CHECKING:
    from mcugen.folder import Written
    from mcugen.frontends import Output
    from mcugen.frontends.onnx_layers import Beside
    from mcugen.project import As, Content
    from mcugen.vectors import Vectors

USUAL_ROWS = 500  # of the user's, that say how large the model's numbers are
BEHIND = 500  # rows from the ops behind transformers
CANCELLING = 100  # of rows on which members of a mean cancel
QUICK_ROWS = 20_000  # of the proof that every compile runs; `mcugen verify` runs them all


def compile(
    model: object,
    board: str | os.PathLike[str] = "uno",
    *,
    name: str | None = None,
    optimize: Optimize = "auto",
    numeric: Numeric = "auto",
    requant: Requant = "integer",
    by_rows: ByRows = "auto",
    stream_input: bool = False,
    arena_input: bool = False,
    ram: str | None = None,
    output: str | None = None,
    input: Input = "float32",
    data: object = None,
    calibration: Calibration = "minmax",
    max_disagreement: float = 0.0,
    check_fit: bool = True,
    check_answers: bool = True,
    allow_pickle: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
    dump: Dump | None = None,
) -> Compiled:
    """Compile a fitted estimator, a path or bytes for a board.

    board          the name of one that comes with mcugen, or the path of your own .toml
    name           prefix of every C symbol; by default made from the file's name
    optimize       "size" (least flash), "speed" (fewest cycles) or "auto" (the board's cost model decides)
    numeric        number format of weights: float32 (nothing is lost), int16, int8, or "auto": float32 where the board has
                   an FPU, else the smallest that changes no label of `data` and of rows between them. Trees are exact in
                   every one, so it changes nothing for them
    requant        how quantised layers bring sums to their output's scale: "integer", or "float", which gives the bits of
                   onnxruntime's integer kernels and takes a board with an FPU (E0403)
    by_rows        whether layers of a network make their rows in turn, in a fraction of the RAM: "auto", where whole tensors do
                   not fit the board, "always" or "never"
    stream_input   of a network: the caller gives its input row by row to `<name>_push_row`, channels innermost, as cameras do
    arena_input    of a network: the caller writes its input to `<name>_input`, into memory that layers use again
    ram            memories that a network's temporaries may lie in, the fastest first, with the bytes they may take of each:
                   "fast:64k,psram:4M". By default they are one array in the board's RAM
    output         "label", "proba" or "decision" for a classifier, "value" for a regressor, "transform" for a transformer
    input          "float32", "uint8" or "int16": what the caller's rows are made of
    data           rows (n, features) or the path of a .npy, .npz or .csv, for choosing and judging a number format
    calibration    where --numeric int8 quantises an ONNX network: ranges by "minmax", "entropy" or "percentile"
    max_disagreement  the part of the rows that a smaller number format may answer otherwise before E0802 is raised
    shapes         of an ONNX graph's inputs that it leaves open: {"image": (1, 3, 96, 96)}
    check_fit      raise E0501 or E0502 where the board is too small
    check_answers  run the C on this computer and raise E0801 where it differs from the model; skipped without a compiler
    Raises McugenError only.
    """
    arrives = (bool(stream_input), bool(arena_input))
    target = Target(load_board(board), optimize, numeric, requant, by_rows, *arrives, rams_of(ram))
    source = read(model, name=name, output=output, input=element_of(input), allow_pickle=allow_pickle, shapes=shapes)
    rows, allowed = None if data is None else given_rows(data, source), part_of(max_disagreement)
    if target.numeric == "int8" and is_network(source):
        source = quantised(source, rows, allowed, calibration_of(calibration))
    compiled = settle(source, target, rows, dump, name_of(data), allowed)
    if check_fit:
        compiled.require_fit()
    for proof in compiled.proofs if check_answers else ():
        require(proof, source.loc)
    return compiled


def settle(
    source: Source,
    target: Target,
    rows: Array | None = None,
    dump: Dump | None = None,
    data: str = "rows",
    max_disagreement: float = 0.0,
) -> Compiled:
    """`lower` with the number format decided: of the formats to try, from the smallest, the first that changes no label.

    data  what the rows are called where it says why
    """
    changed: dict[Numeric, int] = {}
    formats = formats_to_try(source.module, target, rows)
    for numeric in formats:
        compiled = replace(
            lower(source, replace(target, numeric=numeric, rows=rows), dump), max_disagreement=max_disagreement
        )
        trials = compiled.trials if len(formats) > 1 and numeric != "float32" else ()
        changed |= {numeric: sum(proof.wrong for proof in trials)} if len(formats) > 1 else {}
        if all(proof.proven for proof in trials):
            break
    return compiled.because(why(source.module, target, rows, changed, data))


def lower(source: Source, target: Target, dump: Dump | None = None) -> Compiled:
    """The part between reading and judging: passes, plan, report. `dump` takes every pass's name and the graph after it."""
    _refuse_doubles(source, target)
    if target.ram and source.module.arena == "stack":
        help = "leave --ram out: temporaries of a classical model lie on the stack, those of a network do not"
        raise error("E0112", "--ram: the model has no temporaries in static memory", help=help, loc=source.loc)
    if target.stream_input:
        return _lowered(source, replace(target, by_rows="always"), dump)
    whole = _lowered(source, replace(target, by_rows="never"), dump)
    enough = target.by_rows == "never" or (target.by_rows == "auto" and has_ram(whole.report))
    return whole if enough else _by_rows(whole, dump)


def _by_rows(whole: Compiled, dump: Dump | None) -> Compiled:
    """The same row by row, or as it is where that takes no more RAM: where memories are too small, less of what they miss."""
    rows = _lowered(whole.source, replace(whole.target, by_rows="always"), dump)
    return min(whole, rows, key=lambda compiled: (compiled.memory.missing, compiled.memory.arena))


def _lowered(source: Source, target: Target, dump: Dump | None) -> Compiled:
    module = run_passes(source.module, target, dump)
    memory = plan(module, target)
    return Compiled(source, module, memory, target, report(module, memory, target, source.exported_live))


def _refuse_doubles(source: Source, target: Target) -> None:
    """E0302 for numbers of 64 bits where the compiler has none: avr-gcc's double is a float."""
    every = (value for graph in source.module.functions for value in graph.values.values())
    wide = next((value for value in every if value.type.dtype is DType.F64), None)
    if wide is not None and target.board.arch == "avr":
        text = f"%{wide.name} is of float64, which {target.board.title} does not have"
        raise error(
            "E0302", text, help="export the model in float32, or use a board with a 32-bit processor", loc=source.loc
        )


@dataclass(frozen=True, eq=False)
class Compiled:
    """A compiled model: its C, its report, and the same C running on this computer."""

    source: Source
    module: Module
    memory: MemoryPlan
    target: Target
    report: Report
    max_disagreement: float = 0.0

    def because(self, why: str) -> Compiled:
        """The same C, with the reason for its number format in the report: what was made of it already is kept."""
        other = replace(self, report=replace(self.report, numeric_why=why))
        vars(other).update({name: made for name, made in vars(self).items() if name in ("files", "library")})
        return other

    @property
    def rows(self) -> Array | None:
        """The user's rows, where there are any."""
        return self.target.rows

    @cached_property
    def files(self) -> Files:
        """The C as {path: text}: `src/<name>.h` and `src/<name>.c`."""
        return emit(self.module, self.memory, self.target, facts=self.report.facts())

    @property
    def hash(self) -> bytes:
        """The 8 bytes by which a board says whose C it runs: of the SHA-256 over `files`."""
        from mcugen.targets.link import fingerprint

        return fingerprint(self.files)

    def require_fit(self) -> None:
        """E0501 and E0502 where the board is too small, with what would help."""
        if has_ram(self.report):
            require_fit(self.report, self.source.loc)
            return
        rows = _by_rows(self, None).report if self.target.by_rows == "never" else None
        require_fit(self.report, self.source.loc, rows, self._streamed())

    def _streamed(self) -> Report | None:
        """The report of the same network with its input streamed; None where that is so already, or it has no rows."""
        if self.target.stream_input or not is_network(self.source):
            return None
        try:
            target = replace(self.target, stream_input=True, arena_input=False, by_rows="always")
            return lower(self.source, target).report
        except McugenError:
            return None

    @property
    def fits(self) -> bool | None:
        """Whether the board has the flash and the RAM for it; None where its framework's share is unknown."""
        return self.report.fits

    @cached_property
    def library(self) -> host.HostLibrary:
        """The C compiled for this computer. E0601 where it has no compiler."""
        return host.compile_for_host([self.unit])

    @cached_property
    def reference(self) -> Reference:
        """What the C is compared with: the model itself, or where a graph became integers, these, found to be its layers."""
        from mcugen.frontends.onnx_layers import reference_for
        from mcugen.frontends.onnx_reference import OnnxReference

        model = self.source.reference
        return reference_for(model, self.source.module, self.target) if isinstance(model, OnnxReference) else model

    def layers(self, rows: Array | None = None) -> list[Beside]:
        """Every layer of an ONNX graph on onnxruntime's own input, on rows (n, features), by default the user's, or some that
        are made. E0112 for a model that is none.
        """
        from mcugen.frontends.onnx_layers import ROWS, compare_layers
        from mcugen.frontends.onnx_reference import OnnxReference

        model = self.source.reference
        if not isinstance(model, OnnxReference):
            raise error("E0112", "the model has no layers to compare", help="give an ONNX graph", loc=self.source.loc)
        given = rows if rows is not None else self.rows if self.rows is not None else probe(self.module, ROWS)
        return compare_layers(model, self.source.module, self.target, np.asarray(given))

    @property
    def row(self) -> DType:
        """What the caller's rows are made of."""
        return self.module.predict.of(Storage.INPUT)[0].type.dtype

    @property
    def unit(self) -> Unit:
        """The module with its C, as a driver takes it."""
        return Unit(self.module, self.files)

    @cached_property
    def proofs(self) -> tuple[Proof, ...]:
        """The C against the model on the rows given, where there are any, and on rows made from its own constants; none where
        this computer has no compiler."""
        if host.find_compiler() is None:
            return ()
        given = () if self.rows is None else (self.verify(self.rows),)
        return (*given, self.verify(limit=QUICK_ROWS))

    @property
    def proof(self) -> Proof | None:
        """The first of `proofs`."""
        return self.proofs[0] if self.proofs else None

    @property
    def quantised(self) -> bool:
        """Whether its answers are those of a smaller number format, and may differ from the model's."""
        return any(node.op.quantised for node in self.module.nodes)

    @property
    def trials(self) -> tuple[Proof, ...]:
        """The C against the model on the rows given, and on rows between them; none where none were given."""
        if self.rows is None:
            return ()
        return tuple(self.verify(rows) for rows in (self.rows, between(self.rows, self.row)))

    def terms(self, made: bool) -> Terms:
        """What a comparison is judged by, on rows that were made or on the user's."""
        beside = made and self.rows is not None  # the user's, which are judged
        enough = None if beside else 0.0 if made else ENOUGH
        if not self.quantised:
            return Terms(enough=enough, least=self._usual if beside else 0.0)
        return Terms(self.target.numeric, self.max_disagreement, not beside, enough)

    @cached_property
    def _usual(self) -> float:
        """The size from which on numbers are compared relative to themselves on the user's rows; 0 of classes alone."""
        x = np.ascontiguousarray(np.asarray(self.rows)[:USUAL_ROWS], np.float32)
        what = [cast("Output", v.name) for v in self.module.predict.of(Storage.OUTPUT) if not v.tables]
        asked = ((one, self.reference, self.reference.numbers(one, x)) for one in what)
        return min((float(least_sizes(*one).min()) for one in asked), default=0.0)

    def verify(self, rows: Array | None = None, *, limit: int = 10_000_000, source: str = "") -> Proof:
        """Compare the C on this computer with the model on rows (n, features), or without rows on rows hard for the model.

        E0110 for rows that are none of the model's, or that the model itself refuses.
        """
        made, reference = rows is None, self.reference
        data = self._made_rows(limit) if rows is None else accepted_rows(rows_of(rows, self.module), reference)
        text = source or (made_text(self.module) if made else "rows")
        terms = self.terms(made)
        return prove(self.module, reference, data, self.library.run, on="host", source=text, terms=terms)

    def _made_rows(self, limit: int) -> Array:
        """Rows that are hard for the ops that take them, or where these know none such as lie between the user's; and such as
        the ops behind transformers were fitted on."""
        graph, classical = self.source.module.predict, self.module.arena == "stack"
        behind = held(rows_behind(graph, min(limit, BEHIND)), self.row)
        unknown = classical and self.rows is not None and not takers_know(self.module.predict)
        hard = between(self.rows, self.row)[: min(limit, BEHIND)] if unknown and self.rows is not None else None
        made = np.concatenate([probe(self.module, limit) if hard is None else hard, behind])
        return np.concatenate([made, self._cancelling(made)])

    def _cancelling(self, rows: Array) -> Array:
        """Rows between these on which the members of a mean nearly cancel; none of other models, whose sums lose nothing."""
        means = any(isinstance(node.op, Average) and node.op.output == "value" for node in self.module.nodes)
        if not means or self.row is not DType.F32:
            return rows[:0]

        def signs(x: Array) -> Array:
            above = self.reference.numbers("value", x).reshape(len(x), -1) > 0
            return np.array([row.tobytes() for row in above])

        return next_to_changes(rows, signs, CANCELLING)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs of the C for rows; each input and output has shape (rows, *its own), in the graph's order. E0110."""
        return self.library.run(inputs_of(inputs, self.module))

    def predict(self, rows: Array) -> Array:
        """What scikit-learn's `predict` gives, from the C: the user's labels, or numbers as float32. Shape (rows,), of several
        answers (rows, answers). E0304 for a model that transforms."""
        if self._transforms:
            raise error("E0304", "this C predicts nothing", help="it transforms rows: call `transform`")
        found = self.run([rows_of(rows, self.module)])[0]
        tables = self.module.predict.of(Storage.OUTPUT)[0].tables
        if not tables:
            return found
        columns = zip(tables, found.reshape(len(found), len(tables)).T, strict=True)
        return np.stack([np.array(table)[index] for table, index in columns], axis=1).reshape(found.shape)

    def predict_proba(self, rows: Array) -> Array:
        """Class probabilities from the C, (rows, classes) float32. E0304 unless compiled with output="proba"."""
        return self._second(rows, "proba", "probabilities")

    def decision_function(self, rows: Array) -> Array:
        """The decision function from the C: (rows,) float32 for two classes, else (rows, classes) as scikit-learn has it. E0304
        unless compiled with output="decision"."""
        found = self._second(rows, "decision", "decision function")
        return found[:, 0] if found.shape[1:] == (1,) else found

    def transform(self, rows: Array) -> Array:
        """The transformed rows from the C, (rows, outputs) float32. E0304 for a model that predicts."""
        if not self._transforms:
            raise error(
                "E0304", "this C transforms nothing", help="compile a transformer, or a pipeline that ends with one"
            )
        return self.run([rows_of(rows, self.module)])[0]

    @property
    def _transforms(self) -> bool:
        return [v.name for v in self.module.predict.of(Storage.OUTPUT)] == ["transform"]

    def _second(self, rows: Array, what: str, text: str) -> Array:
        if what not in [v.name for v in self.module.predict.of(Storage.OUTPUT)]:
            raise error("E0304", f"this C gives no {text}", help=f'compile with output="{what}" (`--output {what}`)')
        return self.run([rows_of(rows, self.module)])[1]

    def layout(self, as_: As = "arduino", sample: Sequence[float] | None = None, rows: Array | None = None) -> Content:
        """The complete output folder as {path: content}.

        sample  a row that the sketch tries when it starts
        rows    rows (n, features) to choose the unit tests' golden vectors from, beside rows at the model's thresholds
        """
        from mcugen.project import layout

        as_, sample, facts = form_of(as_), sample_of(sample), self.report.facts()
        files = emit(self.module, self.memory, self.target, header=True, facts=facts) if as_ == "header" else self.files
        vectors = None if as_ == "header" else self._vectors(rows)
        nothing = np.full((1, self.module.features), np.nan)
        missing = bool(self.source.reference.accepts(nothing)[0])
        said = facts | ({"number format": self.report.numeric_why} if self.report.numeric_why else {})
        check = check_header(self.module, self.memory, self.target)
        return layout(self.module, files, self.target.board, as_, sample, said, vectors, missing, check)

    def _vectors(self, rows: Array | None) -> Vectors | None:
        """Golden vectors; of a smaller number format only with a compiler, which says where the C answers as the model does."""
        from mcugen.vectors import choose

        if not self.quantised:
            return choose(self.module, self.reference, rows)
        if host.find_compiler() is None:
            return None
        model, terms = (self.module, self.reference), self.terms(made=False)
        return choose(*model, rows, lambda x: agreeing(*model, x, self.library.run, terms))

    def write(
        self,
        folder: str | os.PathLike[str],
        as_: As = "arduino",
        sample: Sequence[float] | None = None,
        rows: Array | None = None,
    ) -> Written:
        """Write the output folder: only files that changed, all or none, and never over a file of the user's (E0603)."""
        from mcugen.folder import write

        return write(folder_of(folder), self.layout(as_, sample, rows))
