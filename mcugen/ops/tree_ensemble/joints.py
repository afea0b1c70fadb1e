"""What a compiler finds where one function walks several trees: it follows what one tree has shown into the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mcugen.ops.tree_ensemble.trees import Trees

KEPT = 6  # features that are in registers from one tree to the next, about
Shown = dict[int, tuple[float, float]]  # of a feature: it is above, and at most


class Joints:
    """Counts in functions that each walk several trees:

    sure    trees whose first split is decided on every way through the tree before: it is left out
    same    trees whose first split is that of the tree before
    joints  ways from a tree into the next on which its first split is decided, where it is not on all: code is written twice
    known   splits that are decided on these
    kept    splits whose feature is in a register by then
    """

    def __init__(self, trees: Trees, followed: npt.NDArray[np.bool_]) -> None:
        """`followed`: of every node, whether it compares integers: compilers do not follow what comparisons of floats show."""
        self.feature, self.threshold = trees.feature.tolist(), trees.threshold.tolist()
        self.left, self.right = trees.left.tolist(), trees.right.tolist()
        self.roots, self.followed = trees.roots.tolist(), followed.tolist()
        self.found = Counter[str]()

    def count(self, together: Sequence[int]) -> None:
        """A function that walks the trees with these numbers."""
        roots = [self.roots[number] for number in together]
        for before, after in pairwise(roots):
            decided = [self._decided(after, shown) for shown in self._ways(before)]
            if all(decided):
                self.found["sure"] += 1
            else:
                self.found.update({"joints": sum(known > 0 for known in decided), "known": sum(decided)})
            self.found["same"] += self._asks(before) == self._asks(after)
        loaded: list[int] = []
        for root in roots:
            self.found["kept"] += self._kept(root, loaded)
            asked = self.feature[root]
            loaded = [*(feature for feature in loaded if feature != asked), asked][-KEPT:]

    def _asks(self, node: int) -> tuple[int, float]:
        return self.feature[node], self.threshold[node]

    def _ways(self, root: int) -> Iterator[Shown]:
        """What every way through a tree shows."""
        below: list[tuple[int, Shown]] = [(root, {})]
        while below:
            node, shown = below.pop()
            feature, threshold = self._asks(node)
            if feature < 0:
                yield shown
            elif self.followed[node]:
                above, most = shown.get(feature, (-np.inf, np.inf))
                below.append((self.left[node], shown | {feature: (above, min(most, threshold))}))
                below.append((self.right[node], shown | {feature: (max(above, threshold), most)}))
            else:
                below += [(self.left[node], shown), (self.right[node], shown)]

    def _decided(self, root: int, shown: Shown) -> int:
        """How many splits from a root on are decided by what is known."""
        found, node = 0, root
        while self.followed[node] and (interval := shown.get(self.feature[node])):
            if interval[1] <= self.threshold[node]:
                node = self.left[node]
            elif interval[0] >= self.threshold[node]:
                node = self.right[node]
            else:
                break
            found += 1
        return found

    def _kept(self, root: int, loaded: list[int]) -> int:
        """How many splits ask for what the last roots have loaded, through which all rows come."""
        found, below = 0, [root]
        while below and loaded:
            node = below.pop()
            if self.feature[node] >= 0:
                found += self.feature[node] in loaded
                below += [self.left[node], self.right[node]]
        return found
