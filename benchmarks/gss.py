"""GSS-greedy, a memory of samples whose gradients differ: Aljundi et al., NeurIPS 2019, algorithm 2. For comparison only, as a gradient
and its likeness to stored ones is more than small boards have time and RAM for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]
COMPARED = 10  # stored gradients that a new one is compared with


class GssGreedy:
    """`margins` gives a linear classifier's margins (K,) of a row; the gradients are those of the logistic loss at that time.

    Rows are compared by numbers that are not negative, as behind the ReLUs of the paper's networks: between standardised rows angles of
    more than 90° are the rule, every sample then has one at less, and a full memory would hardly ever change (digits class by class: 31 % right, 76 % so).
    """

    def __init__(self, size: int, margins: Callable[[Rows], Rows], random: np.random.RandomState) -> None:
        self.size, self.margins, self.random = size, margins, random
        self.rows: list[Rows] = []
        self.labels: list[int] = []
        self._raw: list[Rows] = []
        self._sides: list[Rows] = []  # a gradient is the outer product of its side and its row
        self._likeness: list[float] = []

    def take(self, x: Rows, raw: Rows, y: int) -> None:
        """A full memory gives up a sample much like others for one that is unlike all it is compared with."""
        side = self._side(x, y)
        likeness = self._nearest(raw, side)
        if len(self.rows) < self.size:
            self.rows.append(x)
            self._raw.append(raw)
            self.labels.append(y)
            self._sides.append(side)
            self._likeness.append(likeness)
            return
        if likeness >= 1:  # 1 + cosine
            return
        known = np.array(self._likeness)
        at = int(self.random.choice(self.size, p=known / known.sum()))
        if self.random.rand() < known[at] / (known[at] + likeness):
            self.rows[at], self._raw[at], self.labels[at] = x, raw, y
            self._sides[at], self._likeness[at] = side, likeness

    def draw(self, weighted: bool) -> tuple[Rows, int]:
        """A sample; with `weighted` one of each class as often."""
        labels = np.array(self.labels)
        chance = 1 / np.bincount(labels)[labels] if weighted else np.ones(len(labels))
        at = int(self.random.choice(len(labels), p=chance / chance.sum()))
        return self.rows[at], self.labels[at]

    def _side(self, x: Rows, y: int) -> Rows:
        margins = self.margins(x)
        part = np.exp(margins - margins.max())
        part /= part.sum()
        part[y] -= 1
        return np.asarray(part)

    def _nearest(self, raw: Rows, side: Rows) -> float:
        """1 + the largest cosine to a few stored gradients; small where there are none."""
        if not self.rows:
            return 0.1
        some = self.random.permutation(len(self.rows))[:COMPARED]
        cosines = [cosine(raw, self._raw[i]) * cosine(side, self._sides[i]) for i in some]
        return 1 + max(cosines)


def cosine(a: Rows, b: Rows) -> float:
    """Of the angle between two vectors; 0 where one is 0."""
    return float(a @ b / max(1e-12, float(np.linalg.norm(a) * np.linalg.norm(b))))
