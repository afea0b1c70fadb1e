"""What was measured, a row for each cell, tool and form; and the CSV that keeps it."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

RESULTS = Path(__file__).resolve().parent.parent / "results" / "classical.csv"
OURS = "mcugen"


@dataclass(frozen=True)
class Result:
    """A model on data by a tool on a core; `reason` says why there are no figures.

    cycles (or instructions, see unit) are the mean over the rows run, worst the worst row; flash, ram and stack in bytes.
    of is how many test rows there are, close how many of those run have two best scores that are as good as equal; wrong
    counts the others' disagreements, wrong_close those of the close ones.
    """

    input: str
    core: str
    unit: str
    flags: str
    model: str
    family: str
    data: str
    tool: str
    form: str
    cycles: float = 0.0
    worst: int = 0
    flash: int = 0
    ram: int = 0
    stack: int = 0
    rows: int = 0
    of: int = 0
    close: int = 0
    wrong: int = 0
    wrong_close: int = 0
    reason: str = ""
    compiler: str = ""
    version: str = ""
    sklearn: str = ""

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """What is compared with each other."""
        return self.input, self.core, self.model, self.data

    @property
    def ours(self) -> bool:
        """Whether mcugen made it."""
        return self.tool.startswith(OURS)

    @property
    def exact(self) -> bool:
        """Whether there are figures, and every answer that counts is scikit-learn's."""
        return not self.reason and self.wrong == 0

    def to_json(self) -> str:
        """For the cache."""
        return json.dumps(asdict(self))


def from_json(text: str) -> Result:
    """What `to_json` gave."""
    return Result(**json.loads(text))


def read(path: Path) -> list[Result]:
    """The rows of a CSV; none where there is no such file."""
    if not path.is_file():
        return []
    kinds = {"int": int, "float": float, "str": str}
    types = {f.name: kinds[str(f.type)] for f in fields(Result)}
    with path.open(newline="") as file:
        return [Result(**{key: types[key](value) for key, value in row.items()}) for row in csv.DictReader(file)]


def keep(path: Path, results: Sequence[Result]) -> None:
    """Write the CSV; what was not measured this time stays as it was."""
    measured = {(*r.cell, r.tool) for r in results}
    kept = [r for r in read(path) if (*r.cell, r.tool) not in measured]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Result)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(one) for one in sorted([*kept, *results], key=order))


def order(one: Result) -> tuple[object, ...]:
    """As the tables have them."""
    from benchmarks.classical.cases import BOOSTERS, DATA, MODELS

    cores = ("avr", "cortex-m4f", "cortex-m0plus")
    place = (cores.index(one.core), (*MODELS, *BOOSTERS).index(one.model), DATA.index(one.data))
    return one.input, *place, not one.ours, one.tool, one.form
