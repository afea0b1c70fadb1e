"""Golden vectors: rows with the model's own answers, which every generated library tests its C against."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from mcugen.compared import PART, least_sizes, range_of
from mcugen.diagnostics import Loc, McugenError, error
from mcugen.frontends import Output, Reference
from mcugen.interface import Does, asked, signature
from mcugen.ir import Array, Module, Storage
from mcugen.targets import host
from mcugen.templating import c_array, c_floats, c_lit, environment
from mcugen.verify import checked_rows, probe

if TYPE_CHECKING:
    from mcugen.compile import Compiled
    from mcugen.project import Api

FEWEST, MOST = 4, 64
BYTES = 2_048  # of rows and answers in flash, unless FEWEST rows take more
CANDIDATES = 256  # rows of each origin that are asked about
SEED = 0
SOLID = 0.1  # of the tolerance: what the model's own float64 sum may be off, as part of the value, before it matters
RUN_SECONDS = 60.0

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
Agrees = Callable[[Array], npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Vectors:
    """Rows (n, features) float32 and what the model answers.

    classes   the index of each row's class, (n,), of several answers (n, answers); None where there are none
    answers   float32: values (n,), or probabilities, decisions or transformed rows (n, their numbers); None for labels alone
    tolerance how far a number may be off, as part of its size
    least     the size of smaller numbers; 0.0 where there is none, None where the tolerance is absolute
    rounding  what the model's own sum may be off; 0.0 unless every value is so near to 0 that this matters
    """

    rows: Floats
    classes: npt.NDArray[np.int64] | None
    answers: Floats | None
    tolerance: float
    least: float | None = None
    rounding: float = 0.0

    def __len__(self) -> int:
        return len(self.rows)


def choose(
    module: Module, reference: Reference, rows: Array | None = None, agrees: Agrees | None = None
) -> Vectors | None:
    """Golden vectors of a module: of the user's rows (n, features) where there are any, and of rows hard for the model.

    agrees  of a smaller number format: which rows the C answers as the model does. The others are left out, and numbers may be
            off by 1 % of their range

    Every answer comes once before one comes twice; of rows that the model takes a quarter have missing values or infinities.
    Near ties are left out, and values that the model's own rounding blurs. The same arguments give the same vectors. None
    for a graph of tensors, and where no row is left. E0110 for rows of another shape.
    """
    kind = signature(module, module.predict).does
    if kind == "run":
        return None
    x, share = _candidates(module, rows)
    accepted = reference.accepts(x)
    x, share, item = x[accepted], share[accepted], module.predict.of(Storage.INPUT)[0].type.dtype.nbytes
    if not len(x):
        return None
    if kind == "value" and agrees is None:
        return _values(reference, x, share, item)
    return _classes_and_numbers(kind, reference, x, share, item, agrees)


def _classes_and_numbers(
    kind: Does, reference: Reference, x: Floats, share: Floats64, item: int, agrees: Agrees | None
) -> Vectors | None:
    numbers = None if kind in ("label", "labels") else reference.numbers(cast("Output", asked(kind)), x)
    if numbers is not None and kind == "values":
        numbers = numbers.reshape(len(x), -1)
    labels = None if kind in ("value", "values", "transform") else reference.labels(x)
    clear = np.ones(len(x), np.bool_) if agrees is None else agrees(x)
    clear &= True if labels is None else ~reference.near_ties(x)
    single = None
    if numbers is not None:
        with np.errstate(over="ignore"):
            single = numbers.astype(np.float32)
        clear &= np.isfinite(single.reshape(len(x), -1)).all(axis=1)
    answer_bytes = (2 * labels[0].size if labels is not None else 0) + (single[0].nbytes if single is not None else 0)
    given = cast("Floats", single) if labels is None else labels
    answers = given if given.ndim == 1 else np.unique(given, axis=0, return_inverse=True)[1].ravel()
    usable = np.flatnonzero(clear)
    chosen = usable[_spread(answers[usable], share[usable], _count(x, item, answer_bytes))]
    tolerance, least = _allowed(kind, reference, numbers, agrees is not None)
    classes = None if labels is None else labels[chosen]
    numbered = None if single is None else single[chosen]
    return Vectors(x[chosen], classes, numbered, tolerance, least) if len(chosen) else None


def _allowed(kind: Does, reference: Reference, numbers: Floats64 | None, small: bool) -> tuple[float, float | None]:
    """How far numbers may be off, and the size that smaller ones are taken for; None where all are compared as they are."""
    if numbers is not None and small:
        return PART * range_of(numbers), None
    if numbers is None or kind == "proba":
        return reference.tolerance, None
    return reference.tolerance, float(least_sizes(cast("Output", asked(kind)), reference, numbers).max())


def _values(reference: Reference, x: Floats, share: Floats64, item: int) -> Vectors | None:
    with np.errstate(over="ignore"):
        values = reference.numbers("value", x)
        single = values.astype(np.float32)
    size, tiny = np.abs(values), float(np.finfo(np.float32).tiny)
    blurred = reference.rounding(x)
    solid = (blurred <= SOLID * reference.tolerance * size) & ((size >= tiny) | (size == 0))
    enough = np.count_nonzero(solid) >= FEWEST
    usable = np.flatnonzero(np.isfinite(single) & (solid | (not enough)))
    chosen = usable[_spread(values[usable], share[usable], _count(x, item, 4))]
    rounding = 0.0 if enough else float(blurred[chosen].max(initial=0.0)) + tiny
    least = 0.0 if reference.relative else float(least_sizes("value", reference, values).max())
    return Vectors(x[chosen], None, single[chosen], reference.tolerance, least, rounding) if len(chosen) else None


def _count(x: Floats, item: int, answer_bytes: int) -> int:
    return min(MOST, max(FEWEST, BYTES // (item * int(x.shape[1]) + answer_bytes)))


def _candidates(module: Module, rows: Array | None) -> tuple[Floats, Floats64]:
    """Rows in an order of no meaning, and the share of the vectors that each row's origin is to have."""
    rng = np.random.default_rng(SEED)
    with np.errstate(over="ignore"):  # above the largest float32 comes infinity, as in C
        made = probe(module, CANDIDATES).astype(np.float32)
    plain = np.isfinite(made).all(axis=1)
    given: Floats = made[:0] if rows is None else checked_rows(rows, module).astype(np.float32)
    given = given[rng.permutation(len(given))[:CANDIDATES]]
    shares = (0.5, 0.25, 0.25) if len(given) else (0.5, 0.75, 0.25)
    parts = [_different(part) for part in (given, rng.permutation(made[plain]), rng.permutation(made[~plain]))]
    return np.concatenate(parts), np.concatenate([_turns(part, one) for part, one in zip(parts, shares, strict=True)])


def _different(rows: Floats) -> Floats:
    """Each row once; every NaN is the same, as in the text of the vectors."""
    same = np.where(np.isnan(rows), np.float32(np.nan), rows)
    numbers = np.ascontiguousarray(same).view(np.uint32)  # so that 0 and -0 are two
    return same[np.sort(np.unique(numbers, axis=0, return_index=True)[1])]


def _turns(part: Floats, share: float) -> Floats64:
    """When each row's turn comes, if rows of this part are to be `share` of all that had theirs."""
    return np.asarray((np.arange(len(part)) + 0.5) / share)


def _spread(answers: npt.NDArray[Any], turns: Floats64, count: int) -> npt.NDArray[np.intp]:
    """The positions of `count` rows in the order of their turns, but every answer once before one comes twice."""
    order = np.argsort(turns, kind="stable")
    seen: dict[Any, int] = {}
    rounds = []
    for answer in answers[order].tolist():
        seen[answer] = seen.get(answer, -1) + 1
        rounds.append(seen[answer])
    return order[np.argsort(np.array(rounds, np.intp), kind="stable")][:count]


# ---- the files of test/ ---------------------------------------------------------------------------------------------


def unit_tests(vectors: Vectors, values: Mapping[str, Any], sources: str, files: Mapping[str, str]) -> dict[str, str]:
    """The folder `test/` of a library, as {path: text}.

    values   what the project's templates know: `api`, `board`, `architecture`, `flags`, `baud`, `version`
    sources  the folder of the library's C, seen from `test/`
    files    the library's C by path
    """
    name = values["api"].name
    known = {
        **values,
        "sources": sources,
        "library": sorted(path.rpartition("/")[2] for path in files if path.endswith(".c")),
        "vectors": vectors,
        "class_bits": next(bits for bits in (8, 16, 32) if values["api"].classes <= 1 << bits),
        "rows": [_braced(_literals(row, values["api"])) for row in vectors.rows],
        "answers": _answers(vectors),
        "tolerance": c_lit(np.float32(vectors.tolerance)),
        "least": c_lit(np.float32(vectors.least)) if vectors.least else "",
        "rounding": c_lit(np.nextafter(np.float32(vectors.rounding), np.float32(1))) if vectors.rounding else "",
        "strict": [flag for flag in host.STRICT if not flag.startswith("-std=")],
    }
    return {
        f"test/{path.format(name=name)}": environment().get_template(f"project/test/{template}.j2").render(known)
        for path, template in _FILES.items()
    }


_FILES = {
    "vectors.h": "vectors.h",
    "test_{name}.h": "test.h",
    "test_{name}.c": "test.c",
    "main_host.c": "main_host.c",
    "main_board.cpp": "main_board.cpp",
    "Makefile": "Makefile",
    "test_custom_runner.py": "test_custom_runner.py",
}


def _answers(vectors: Vectors) -> list[str]:
    if vectors.classes is not None and vectors.classes.ndim == 2:
        return [_braced([str(index) for index in row]) for row in vectors.classes.tolist()]
    if vectors.answers is None:
        return []
    if vectors.answers.ndim == 1:
        return [*c_floats(vectors.answers)]
    return [_braced([*c_floats(row)]) for row in vectors.answers]


def _literals(row: Floats, api: Api) -> list[str]:
    """A row in the type of the model's input."""
    return [*c_floats(row)] if api.limits is None else [str(int(number)) for number in row]


def _braced(literals: list[str]) -> str:
    """A row of an array's initialiser, with its braces and its margin."""
    text = c_array(literals, indent=8)
    return f"    {{\n{text}\n    }}" if "\n" in text or len(text) > 90 else f"    {{{text.strip()}}}"


# ---- run on this computer -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VectorRun:
    """What the generated test program said: how many vectors it compared, how many are wrong, and its lines on those."""

    vectors: int
    wrong: int
    said: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.vectors} golden vector{'' if self.vectors == 1 else 's'} on the host, {self.wrong} wrong"


def run_on_host(compiled: Compiled, rows: Array | None = None) -> VectorRun | None:
    """Compile the generated tests as the library carries them, and run them. None where there are none.

    E0601 without a compiler, E0602 where it refuses the C, E0604 where there is no room, E0702 where the program crashes.
    """
    content = compiled.layout("c", rows=rows)
    if "test/main_host.c" not in content:  # what checks the arena is no test
        return None
    with host.writing():
        made = tempfile.TemporaryDirectory(prefix="mcugen-test-")
    with made as temporary:
        return _run(_built(compiled, content, Path(temporary)))


def _built(compiled: Compiled, content: Mapping[str, str | bytes], folder: Path) -> Path:
    """The test program of plain C, written into `folder` and compiled there."""
    from mcugen.project import FLAGS

    with host.writing():
        for path, text in content.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(text if isinstance(text, bytes) else text.encode())
    library = (folder / Path(path).name for path in compiled.files if path.endswith(".c"))
    sources = map(str, (*library, *sorted((folder / "test").glob("*.c"))))
    program = folder / "test" / "program"
    speed = "-O1" if sum(map(len, compiled.files.values())) < host.OPTIMIZED_BELOW else "-O0"
    host.compile_c([*host.compiler(), *host.STRICT, speed, *FLAGS, f"-I{folder}", *sources, "-o", str(program), "-lm"])
    return program


def _run(program: Path) -> VectorRun:
    try:
        done = subprocess.run([str(program)], capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise _crashed(str(problem)) from problem
    lines = done.stdout.splitlines()
    summary = re.fullmatch(r"(\d+) vectors?, (\d+) wrong", lines[-1] if lines else "")
    if summary is None:
        raise _crashed(f"exit code {done.returncode}")
    wrong = tuple(line for line in lines[:-1] if not line.endswith(": ok"))
    return VectorRun(int(summary[1]), int(summary[2]), wrong)


def _crashed(reason: str) -> McugenError:
    help = "with mcugen's own output this is a bug: please report it"
    return error("E0702", f"the generated tests crashed on the host: {reason}", help=help)


def require(run: VectorRun, loc: Loc) -> None:
    """E0801 where a vector is wrong."""
    if run.wrong:
        help = "do not use this C; please report the model that led to it"
        message = f"{run.wrong} of {run.vectors} golden vectors differ on the host"
        raise error("E0801", message, loc=loc, notes=run.said[:5], help=help)
