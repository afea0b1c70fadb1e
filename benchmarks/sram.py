"""The RAM of networks, planned: as exported, in the cheapest order, with overlapping buffers; the bound, and whether it is proven.

    python benchmarks/sram.py FOLDER [--graph densenet121] [--csv FILE]

FOLDER holds ONNX graphs; weights may be inputs without values. Numbers in RAM are planned as int8, the network's own input and output
among them. "exported" is what is live at the largest node of the file: its order, whole tensors, none in another's place, views free.
"greedy" is the arena of our nodes in that order, packed biggest first, as TFLite Micro does.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from mcugen.report.memory import planned


@dataclass(frozen=True)
class Row:
    """Bytes of one graph, and seconds of one core."""

    graph: str
    exported: int
    greedy: int
    fused: int
    ordered: int
    overlapped: int
    arena: int
    bound: int
    proven: bool
    seconds: float

    @property
    def saved(self) -> float:
        """The part of the exported bytes that the arena does not take, in per cent."""
        return 100 * (1 - self.arena / self.exported)

    @property
    def above(self) -> float:
        """How far the arena is above what is live in its order, in per cent."""
        return 100 * (self.arena / self.overlapped - 1)


def measured(path: Path) -> Row:
    """One graph."""
    begin = time.process_time()
    found = planned(path, "host", "int8")
    seconds = time.process_time() - begin
    fused, ordered, overlapped = (one.live for one in found.steps)
    order, name = found.order, path.name.removesuffix(".onnx")
    return Row(
        name, found.exported, found.greedy, fused, ordered, overlapped, found.arena, order.bound, order.proven, seconds
    )


def show(rows: list[Row]) -> None:
    """The table, in KiB."""
    heads = ("exported", "greedy", "fused", "ordered", "overlap", "arena", "saved", "above live", "bound", "s")
    print(f"{'KiB':<22}" + "".join(f"{head:>11}" for head in heads))
    for row in rows:
        sizes = (row.exported, row.greedy, row.fused, row.ordered, row.overlapped, row.arena)
        text = f"{row.graph:<22}" + "".join(f"{size / 1024:>11,.1f}" for size in sizes)
        print(f"{text}{row.saved:>9.1f} %{row.above:>9.2f} %{row.bound / 1024:>11,.1f}{row.seconds:>11.1f}", end="")
        print("" if row.proven else "  (bound not reached)")


def main() -> None:
    """Plan the graphs of a folder and print what they take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="ONNX graphs; those called *.raw.onnx are left out")
    parser.add_argument("--graph", action="append", help="only this one; may be repeated")
    parser.add_argument("--csv", type=Path, help="write the figures, too")
    asked = parser.parse_args()
    paths = sorted(p for p in asked.folder.glob("*.onnx") if not p.name.endswith(".raw.onnx"))
    wanted = [p for p in paths if not asked.graph or p.stem in asked.graph]
    if not wanted:
        sys.exit(f"no graph of that name in {asked.folder}")
    rows = [measured(path) for path in wanted]
    show(rows)
    if asked.csv:
        with asked.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*asdict(rows[0])])
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    main()
