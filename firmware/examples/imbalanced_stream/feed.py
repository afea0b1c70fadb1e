"""Teaches imbalanced_stream from a computer: handwritten digits class by class, 27 times as many of one as of the rarest.

    python feed.py --board mega2560                  the board at the only serial port
    python feed.py --board mega2560 --project .      the sketch, in a simulator

Then it tests the board on 100 others, ten of each digit. All options are those of `mcugen teach`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits

MOST, RATIO = 81, 27
TESTED = 100


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 64) of pixels from 0 to 16, and the digit that each shows; the last 100 are to be tested by."""
    pictures, digits = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    stream, tested = [], []
    for place, digit in enumerate(random.permutation(10)):
        found = random.permutation(np.flatnonzero(digits == digit))
        tested.append(found[: TESTED // 10])
        stream.append(found[TESTED // 10 :][: round(MOST * RATIO ** (-place / 9))])
    order = np.concatenate([*(stream[at] for at in random.permutation(10)), *tested])
    return pictures[order].astype(int), digits[order]


def main() -> None:
    """Write the pictures down and teach them."""
    from mcugen.cli import cli

    table = np.column_stack(rows())
    with TemporaryDirectory() as folder:
        learnt, tested = Path(folder) / "learnt.csv", Path(folder) / "tested.csv"
        np.savetxt(learnt, table[:-TESTED], "%d", ",")
        np.savetxt(tested, table[-TESTED:], "%d", ",")
        cli.main(["teach", str(learnt), "--test", str(tested), *sys.argv[1:]])


if __name__ == "__main__":
    main()
