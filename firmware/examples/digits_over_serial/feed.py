"""Teaches digits_over_serial from a computer: scikit-learn's handwritten digits, 300 to learn and 100 others to be tested by.

    python feed.py --board mega2560                  the board at the only serial port
    python feed.py --board mega2560 --project .      the sketch, in a simulator

All options are those of `mcugen teach`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits

LEARNT, TESTED = 300, 100


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Pictures (400, 64) of pixels from 0 to 16, and the digit that each shows; the last 100 are to be tested by."""
    pictures, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(digits))[: LEARNT + TESTED]
    return pictures[order].astype(int), digits[order]


def main() -> None:
    """Write the pictures down and teach them."""
    from mcugen.cli import cli

    table = np.column_stack(rows())
    with TemporaryDirectory() as folder:
        learnt, tested = Path(folder) / "learnt.csv", Path(folder) / "tested.csv"
        np.savetxt(learnt, table[:LEARNT], "%d", ",")
        np.savetxt(tested, table[LEARNT:], "%d", ",")
        cli.main(["teach", str(learnt), "--test", str(tested), *sys.argv[1:]])


if __name__ == "__main__":
    main()
