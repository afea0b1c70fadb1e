"""Teaches live_sensor from a computer: readings of 150 irises, each measured twice, and one in five of unknown kind.

    python feed.py --board uno                  the board at the only serial port
    python feed.py --board uno --project .      the sketch, in a simulator

All options are those of `mcugen teach`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_iris

KINDS = ("setosa", "versicolor", "virginica")


def rows() -> tuple[np.ndarray, list[str]]:
    """Readings (300, 4) in hundredths of a centimetre, as a sensor gives them: never twice the same. ? is an unknown kind."""
    lengths, kinds = load_iris(return_X_y=True)
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(len(kinds)) for _ in range(2)])
    readings = np.rint(100 * lengths[order] + random.normal(0, 3, (len(order), 4))).astype(int)
    named = [KINDS[kind] for kind in kinds[order]]
    named[4::5] = ["?"] * len(named[4::5])
    return readings, named


def main() -> None:
    """Write the readings down and teach them."""
    from mcugen.cli import cli

    with TemporaryDirectory() as folder:
        file = Path(folder) / "iris.csv"
        file.write_text("".join(",".join(map(str, [*row, kind])) + "\n" for row, kind in zip(*rows(), strict=True)))
        cli.main(["teach", str(file), "--classes", ",".join(KINDS), *sys.argv[1:]])


if __name__ == "__main__":
    main()
