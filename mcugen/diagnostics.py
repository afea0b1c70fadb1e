"""What mcugen says when something is wrong: located diagnostics with a way out, and the table of their codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

EXIT_OK, EXIT_USER, EXIT_USAGE, EXIT_FIT, EXIT_VERIFY, EXIT_TOOL, EXIT_BUG = 0, 1, 2, 3, 4, 5, 70


@dataclass(frozen=True)
class Code:
    """One row of the code table: its title, what it means, and the exit code of a command that ends with it."""

    title: str
    meaning: str
    exit_code: int = EXIT_USER


CODES: dict[str, Code] = {
    "E0101": Code(
        "file cannot be read", "The model, data or board file does not exist, is a folder, or may not be read."
    ),
    "E0102": Code(
        "not a model file",
        "The content is neither skops, pickle, joblib nor ONNX. Files are told apart by their content; the ending plays no part.",
    ),
    "E0103": Code(
        "pickle needs --allow-pickle",
        "A pickle or joblib file can run any code while it is loaded. mcugen opens one only with `--allow-pickle`. "
        "Prefer skops: `skops.io.dump(model, 'model.skops')`.",
    ),
    "E0104": Code("model file is damaged", "The file begins like a model but is cut off or inconsistent inside."),
    "E0105": Code(
        "model file holds untrusted types",
        "A skops file names types beyond those of the supported estimators. mcugen loads exactly the types it needs and nothing else.",
    ),
    "E0106": Code(
        "estimator is not fitted", "The estimator has no learned state yet: call `fit` before you compile or save it."
    ),
    "E0107": Code(
        "model's arrays are not valid",
        "Child indices, features, thresholds, leaf values or counts inside the model are out of range, form a cycle, contradict "
        "each other or are no numbers. "
        "scikit-learn would read outside its arrays with such a model, so it is refused before use.",
    ),
    "E0108": Code(
        "pickle cannot be loaded",
        "Loading the pickle raised an error, most often a missing package or another version.",
    ),
    "E0109": Code(
        "data file cannot be read",
        "Data comes as .npy, .npz (array `X`, or the only array) or .csv (numbers, comma, optional header).",
    ),
    "E0110": Code(
        "data does not fit the model",
        "The data must have one row per sample and exactly the model's features as columns.",
    ),
    "E0111": Code(
        "not a usable name",
        "The model's name becomes the prefix of every C symbol: ASCII letters, digits and underscores, not starting with a "
        "digit, no C or C++ keyword and no name the Arduino core takes.",
    ),
    "E0112": Code(
        "not a value of the option",
        "The option takes one of a few words, or a text of its own form; the message says which.",
    ),
    "E0201": Code("types do not match", "An op was given tensors of a shape or type that it does not take."),
    "E0202": Code(
        "graph is not well formed",
        "The verifier found a value used before it is made, made twice, or of the wrong storage.",
    ),
    "E0301": Code(
        "estimator or op is not supported",
        "mcugen does not compile this estimator or op. The message names what is near.",
    ),
    "E0302": Code(
        "this kind of the estimator is not supported",
        "The estimator is supported, but not with this option or shape of output.",
    ),
    "E0303": Code(
        "model is too large for the format",
        "A count in the model (features, classes, nodes) is beyond what the generated C can index.",
    ),
    "E0304": Code("output is not available", "The model cannot give the output that was asked for with `--output`."),
    "E0401": Code("unknown board", "`mcugen boards` lists the boards; a path to your own TOML file works too."),
    "E0402": Code(
        "board file is not valid", "A key of the board file is unknown, missing, or has a value that cannot be."
    ),
    "E0403": Code(
        "board lacks what the option needs",
        "The option asks for a part of a processor, or bytes of a memory, that this board has not.",
    ),
    "E0501": Code(
        "not enough RAM",
        "The model with its stack needs more RAM than the board has free for a sketch, or its temporaries more than `--ram` gives them.",
        EXIT_FIT,
    ),
    "E0502": Code("not enough flash", "The model and the framework need more flash than the board has.", EXIT_FIT),
    "E0601": Code(
        "compiler is missing",
        "A C compiler that this step needs is not installed: `mcugen doctor` says how to get it.",
        EXIT_TOOL,
    ),
    "E0602": Code(
        "build failed",
        "The compiler, linker or PlatformIO refused the project. With mcugen's own output this is a bug: please report it.",
        EXIT_TOOL,
    ),
    "E0603": Code("output folder holds other files", "mcugen never overwrites a file that it did not write."),
    "E0604": Code(
        "cannot write the output", "The disk is full, or the folder may not be written. Nothing was left half-written."
    ),
    "E0605": Code(
        "PlatformIO is missing",
        "Building, flashing and monitoring go through PlatformIO: `pip install 'mcugen[build]'`.",
        EXIT_TOOL,
    ),
    "E0606": Code(
        "package is missing", "An optional package is needed for this step; the help line installs it.", EXIT_TOOL
    ),
    "E0701": Code(
        "simulator is missing", "The board's simulator is not installed: `mcugen doctor` says how to get it.", EXIT_TOOL
    ),
    "E0702": Code("run failed", "The firmware crashed or ran past its time limit in the simulator.", EXIT_TOOL),
    "E0703": Code("no serial port", "No board was found, or the port is busy or gone.", EXIT_TOOL),
    "E0704": Code("upload failed", "The board did not take the firmware.", EXIT_TOOL),
    "E0705": Code(
        "board does not answer",
        "Nothing at the serial port speaks mcugen's protocol, or for `mcugen teach` answers rows that are to be learnt, or it stopped: "
        "a sketch that mcugen wrote does, once it is flashed.",
        EXIT_TOOL,
    ),
    "E0706": Code(
        "board has other firmware",
        "The sketch on the board is of another model, of other options or of another version of mcugen. Its answers would "
        "prove nothing, so it is refused.",
        EXIT_TOOL,
    ),
    "E0801": Code(
        "the C and the model disagree",
        "At least one row gives another answer in C than in Python. Do not ship this build.",
        EXIT_VERIFY,
    ),
    "E0802": Code(
        "a smaller number format changes too much",
        "With `--numeric int16` or `int8` more rows are answered otherwise than `--max-disagreement` allows, which is none by "
        "default. A row counts where its label differs, or where a number (of `--output proba`, `decision`, `value` or "
        "`transform`) is off by more than 1 % of that output's range over the rows. With `--data` those rows are judged, "
        "else rows made from the model's own constants, which are harder than most.",
        EXIT_VERIFY,
    ),
    "E0803": Code(
        "too little could be compared",
        "Some answers are decided by how the model's own sums round, and are counted but not compared: the label of a near tie, "
        "whose two best scores hardly differ, and a number that rounding may move by more than 1 % of its output's range. Where "
        "nearly all rows of `--data` (nine in ten), or without `--data` all rows made from the model's own constants, are such "
        "rows and the C answers one of them otherwise, nothing is proven and the build is refused. A model whose rows really "
        "tie, one with a single answer say, passes: there the C gives the same answers.",
        EXIT_VERIFY,
    ),
    "E0901": Code(
        "not implemented for this board", "The step is not there for this board's architecture yet.", EXIT_TOOL
    ),
    "E7001": Code(
        "bug in mcugen",
        "Something went wrong that is mcugen's fault. `--debug` shows the traceback to report.",
        EXIT_BUG,
    ),
}


@dataclass(frozen=True)
class Loc:
    """A place in the user's terms: a file, and a path inside it (ONNX node, `pipeline.svc`, TOML key)."""

    file: str = ""
    where: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.where) if part)

    def within(self, where: str) -> Loc:
        """The place `where` below this one."""
        return Loc(self.file, f"{self.where}.{where}" if self.where else where)


@dataclass(frozen=True)
class Diagnostic:
    """One problem: what, where, and how to fix it. `help` is never empty."""

    code: str
    message: str
    help: str
    loc: Loc = Loc()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.code not in CODES or not self.help:
            raise ValueError(f"diagnostic {self.code!r} needs a code of the table and a help text")

    def __str__(self) -> str:
        lines = [f"error[{self.code}]: {self.message}"]
        lines += [f"  --> {self.loc}"] if str(self.loc) else []
        lines += [f"   = note: {note}" for note in self.notes]
        return "\n".join([*lines, f"   = help: {self.help}"])


class McugenError(Exception):
    """The only exception that a user's mistake raises: `.diagnostics` (at least one) and `.exit_code`."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(d) for d in self.diagnostics))

    @property
    def exit_code(self) -> int:
        """The process's exit code: the first diagnostic's."""
        return CODES[self.diagnostics[0].code].exit_code


def error(code: str, message: str, *, help: str, loc: Loc | None = None, notes: Iterable[str] = ()) -> McugenError:
    """A `McugenError` of one diagnostic, to be raised."""
    return McugenError([Diagnostic(code, message, help, loc or Loc(), tuple(notes))])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'uno'? ` for the nearest known word, or an empty string."""
    near = get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'? " if near else ""


def nearest_file(path: Path) -> str:
    """The way out where there is no such file: the one beside it with the nearest name, or what to check."""
    try:
        names = [p.name for p in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {path.parent}; check the path"
    near = get_close_matches(path.name, names, n=1)
    return f"did you mean '{path.parent / near[0]}'?" if near else "check the path"
