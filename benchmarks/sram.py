"""The RAM of networks, planned: as exported, in the cheapest order, with overlapping buffers; the bound, and whether it is proven.

    python benchmarks/sram.py FOLDER [--graph densenet121] [--csv FILE] [--keep]

FOLDER holds ONNX graphs; weights may be inputs without values. Numbers in RAM are planned as int8, the network's own input and output
among them, pixel by pixel. "exported" is what is live at the largest node of the file: its order, whole tensors, none in another's place, views free.
"greedy" is the arena of our nodes in that order, packed biggest first, as TFLite Micro does. "layers" is ours with whole tensors, in the
cheapest order, with results that reach into their inputs, joined as a layer takes them; "rows" the same with layers that run row by row.
Behind both how far they are above what is live at once; then the least that any order of whole tensors needs.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mcugen.report.memory import planned

RESULTS = Path(__file__).parent / "results" / "sram.csv"


@dataclass(frozen=True)
class Row:
    """Bytes of one graph, and seconds of one core."""

    graph: str
    exported: int
    greedy: int
    fused: int
    ordered: int
    overlapped: int
    layers: int
    layers_live: int
    rows: int
    rows_live: int
    bound: int
    proven: bool
    seconds: float

    def saved(self, arena: int) -> float:
        """The part of the exported bytes that an arena does not take, in per cent."""
        return 100 * (1 - arena / self.exported)


def measured(path: Path) -> Row:
    """One graph."""
    begin = time.process_time()
    found = planned(path, "host", "int8")
    seconds = time.process_time() - begin
    fused, ordered, overlapped, *_ = (one.live for one in found.steps)
    order, name = found.order, path.name.removesuffix(".onnx")
    layers = min((found.whole, found.layers), key=lambda plan: plan.arena)
    rows = min((layers, found.rows), key=lambda plan: plan.arena)
    plans = (layers.arena, layers.lower_bound, rows.arena, rows.lower_bound)
    return Row(
        name, found.exported, found.greedy, fused, ordered, overlapped, *plans, order.bound, order.proven, seconds
    )


def show(rows: list[Row]) -> None:
    """The table, in KiB."""
    heads = [
        "exported",
        "greedy",
        "fused",
        "ordered",
        "overlap",
        "layers",
        "less",
        "gap",
        "rows",
        "less",
        "gap",
        "bound",
        "s",
    ]
    print(f"{'KiB':<20}" + "".join(f"{head:>9}" for head in heads))
    for row in rows:
        text = f"{row.graph:<20}"
        text += "".join(
            f"{size / 1024:>9,.1f}" for size in (row.exported, row.greedy, row.fused, row.ordered, row.overlapped)
        )
        for arena, live in ((row.layers, row.layers_live), (row.rows, row.rows_live)):
            text += f"{arena / 1024:>9,.1f}{row.saved(arena):>7.1f} %{100 * (arena / live - 1):>7.2f} %"
        print(f"{text}{row.bound / 1024:>9,.1f}{row.seconds:>9.1f}", end="")
        print("" if row.proven else "  (bound not reached)")


def kept(file: Path = RESULTS) -> list[Row]:
    """What `--keep` wrote."""
    with file.open() as opened:
        rows = [*csv.DictReader(opened)]
    numbers = [one.name for one in fields(Row) if one.type == "int"]
    return [
        Row(
            **{
                **row,
                **{name: int(row[name]) for name in numbers},
                "proven": row["proven"] == "True",
                "seconds": float(row["seconds"]),
            }
        )  # type: ignore[arg-type]
        for row in rows
    ]


def main() -> None:
    """Plan the graphs of a folder and print what they take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="ONNX graphs; those called *.raw.onnx are left out")
    parser.add_argument("--graph", action="append", help="only this one; may be repeated")
    parser.add_argument("--csv", type=Path, help="write the figures, too")
    parser.add_argument("--keep", dest="csv", action="store_const", const=RESULTS, help=f"write them to {RESULTS.name}")
    asked = parser.parse_args()
    paths = sorted(p for p in asked.folder.glob("*.onnx") if not p.name.endswith(".raw.onnx"))
    wanted = [p for p in paths if not asked.graph or p.stem in asked.graph]
    if not wanted:
        sys.exit(f"no graph of that name in {asked.folder}")
    rows = [measured(path) for path in wanted]
    show(rows)
    if asked.csv:
        with asked.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, [one.name for one in fields(Row)], lineterminator="\n")
            writer.writeheader()
            writer.writerows({**asdict(row), "seconds": f"{row.seconds:.1f}"} for row in rows)


if __name__ == "__main__":
    main()
