"""`python -m benchmarks.classical` or `python benchmarks/classical`: eleven classical models on four data sets, mcugen beside its peers.

Prints a table for each core, the ratios to the best exact peer and their geometric means, and keeps everything in
results/classical.csv. ../README.md says what is counted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # so that a checkout needs no installation

from benchmarks.classical.cases import BOOSTERS, DATA, MODELS
from benchmarks.classical.measure import BUDGET, CORES, Bench
from benchmarks.classical.peers import PEERS
from benchmarks.classical.results import RESULTS, Result, keep, read
from benchmarks.classical.tables import BOOSTED, METRICS, QUANTISED, compared, missed, table
from mcugen.targets.cache import cache_dir

QUICK = {
    "model": ["tree", "forest10"],
    "data": ["iris"],
    "core": ["avr"],
    "peer": ["micromlgen", "m2cgen", "emlearn"],
}


def main() -> None:
    """Measure, print, keep; with --check an exit code of 1 where a target is missed."""
    asked = arguments()
    if asked.quick:
        for name, values in QUICK.items():
            setattr(asked, name, getattr(asked, name) or values)
    bench = Bench(
        models=tuple(asked.model or (*MODELS, *BOOSTERS)),
        data=tuple(asked.data or DATA),
        cores=tuple(core for core in CORES if core.name in (asked.core or [c.name for c in CORES])),
        peers=tuple(asked.peer or [peer.name for peer in PEERS]) if asked.peer != ["none"] else (),
        python=asked.python,
        cache=asked.cache,
        budget=asked.budget,
    )
    measured = [*bench.run(), *([] if asked.quick else bench.run_quantised())]
    keep(asked.csv, measured)
    cells = {one.cell for one in measured}
    kept = [one for one in read(asked.csv) if one.cell in cells]  # what was left out this time is there from before
    boosters = [r for r in kept if r.model in BOOSTERS]
    results, quantised = ([r for r in kept if (r.input == "float") is f and r not in boosters] for f in (True, False))
    show(results, quantised, boosters)
    problems = [*missed(results, METRICS), *missed(quantised, QUANTISED), *missed(boosters, BOOSTED)]
    print("\n".join(["Not as promised:", "", *problems] if problems else ["Everything is as promised."]))
    sys.exit(bool(problems and asked.check))


def show(results: Sequence[Result], quantised: Sequence[Result], boosters: Sequence[Result]) -> None:
    """All tables."""
    for some, metrics in ((results, METRICS), (quantised, QUANTISED), (boosters, BOOSTED)):
        if some and metrics is QUANTISED:
            print("Features that the caller holds as uint8_t, 0..255, beside emlearn\n")
        for lines in (*(table(some, core.name) for core in CORES), *(compared(some, metric) for metric in metrics)):
            if text := "\n".join(lines):
                print(text, "\n", sep="")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classical", description=__doc__.splitlines()[0])
    some: dict[str, Any] = {"action": "append", "metavar": "NAME"}
    parser.add_argument("--quick", action="store_true", help="two small cells on one core, for CI")
    parser.add_argument(
        "--model", choices=(*MODELS, *BOOSTERS), help="only this one; may be repeated, as the next three", **some
    )
    parser.add_argument("--data", choices=DATA, help="only this data set", **some)
    parser.add_argument("--core", choices=[core.name for core in CORES], help="only this core", **some)
    parser.add_argument("--peer", choices=[*(p.name for p in PEERS), "none"], help="only this peer, or none", **some)
    parser.add_argument("--python", default=sys.executable, help="the Python that has the peers; by default this one")
    parser.add_argument("--budget", type=int, default=BUDGET, help="cycles for the rows of a cell (%(default)s)")
    cache = cache_dir() / "benchmarks"
    parser.add_argument("--cache", type=Path, default=cache, help="where the peers' results are kept (%(default)s)")
    parser.add_argument("--csv", type=Path, default=RESULTS, help="where all results are kept (%(default)s)")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a target is missed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
