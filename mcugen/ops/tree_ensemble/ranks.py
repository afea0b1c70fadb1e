"""Ranks: how many of a feature's own thresholds lie below x. One byte a feature, found once a call; splits compare bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mcugen.ir import DType
from mcugen.ops.tree_ensemble.trees import Trees

MOST = 254  # thresholds of a feature: 255 is NaN's rank where it goes right
LONGEST_ROW = 255  # bytes: it lies on the stack


@dataclass(frozen=True, eq=False)
class Ranks:
    """The thresholds of every used feature, and the trees as they are with ranks for features.

    keys      the thresholds as sorted integers (see layout.key): one list for all features where that is smaller, else the
              list of each, one after the other
    counts    thresholds of each feature's list; empty where there is one for all
    features  the used ones; empty where that is all of them
    ways      bytes of a feature in a row of ranks: one where NaN goes right (a rank of 255) and, where NaN may come, another
              one behind it where NaN goes left (a rank of 0)
    used      features that have a rank
    trees     the trees over such rows
    x         the type of the features
    """

    keys: npt.NDArray[np.int32]
    counts: tuple[int, ...]
    features: tuple[int, ...]
    ways: int
    used: int
    trees: Trees
    x: DType

    @property
    def row(self) -> int:
        """Bytes of a row of ranks."""
        return self.ways * self.used

    @property
    def lists(self) -> tuple[npt.NDArray[np.int32], ...]:
        """The sorted keys of each used feature; of all features where one list serves them."""
        return tuple(np.split(self.keys, np.cumsum(self.counts)[:-1])) if self.counts else (self.keys,)

    @cached_property
    def searches(self) -> Trees:
        """Each list as a tree that finds a rank with as few splits as can be: its leaf number n has the rank n."""
        return searching([value(keys, self.x) for keys in self.lists])

    @cached_property
    def halves(self) -> bool:
        """Whether the lower halves of all keys follow from the sign, so that the upper ones are enough."""
        return self.x == DType.F32 and only_halves(self.keys)

    @property
    def key_bytes(self) -> int:
        """Bytes of a key in flash."""
        return 2 if self.halves or self.x != DType.F32 else 4

    @property
    def nbytes(self) -> int:
        """Bytes of the lists in flash."""
        wide = 2 if max(self.features, default=0) > 255 else 1
        return len(self.keys) * self.key_bytes + len(self.counts) + wide * len(self.features)


def ways(trees: Trees, x: DType) -> int:
    """How many sides NaN may go to: both, as a split says; any where none comes, and integers have none."""
    return 2 if x == DType.F32 and trees.takes_nan else 1


def only_halves(keys: npt.NDArray[np.int32]) -> bool:
    """Whether the lower half of every key is 0, or turned over where it is negative."""
    return bool(((keys & 0xFFFF) == np.where(keys < 0, 0xFFFF, 0)).all())


def key(threshold: npt.NDArray[np.float32], x: DType) -> npt.NDArray[np.int32]:
    """Numbers as int32 in the same order: of a float the bits, in a negative one the lower 31 turned over."""
    if x != DType.F32:
        return threshold.astype(np.int32)
    bits = threshold.view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)


def value(keys: npt.NDArray[np.int32], x: DType) -> npt.NDArray[np.float32]:
    """The numbers of keys."""
    if x != DType.F32:
        return keys.astype(np.float32)
    return np.where(keys < 0, keys ^ np.int32(0x7FFFFFFF), keys).astype(np.int32).view(np.float32)


def searching(lists: Sequence[npt.NDArray[np.float32]]) -> Trees:
    """For each sorted list a tree over one feature, whose leaves are numbered by how many of the list lie below it."""
    nodes: list[tuple[int, float, int, int, int, float]] = []  # feature, threshold, left, right, leaf, visits

    def add(some: npt.NDArray[np.float32], first: int, visits: float) -> int:
        at, middle = len(nodes), len(some) // 2
        if not len(some):
            nodes.append((-1, 0.0, at, at, first, visits))
            return at
        nodes.append((0, 0.0, at, at, -1, visits))
        left = add(some[:middle], first, visits / 2)
        right = add(some[middle + 1 :], first + middle + 1, visits / 2)
        nodes[at] = (0, float(some[middle]), left, right, -1, visits)
        return at

    roots = [add(some, 0, 1.0) for some in lists]
    feature, threshold, left, right, leaf, visits = (np.array(column) for column in zip(*nodes, strict=True))
    return Trees(
        n_features=1,
        feature=feature.astype(np.int32),
        threshold=threshold.astype(np.float32),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        missing_left=np.zeros(len(nodes), np.bool_),
        leaf=leaf.astype(np.int32),
        values=np.zeros((MOST + 2, 1)),
        roots=np.array(roots, np.int32),
        visits=visits.astype(np.float64),
        takes_nan=False,
    )


def ranked(trees: Trees, x: DType) -> Ranks | None:
    """The ranks of an ensemble; None where there is nothing to rank, or a feature has too many thresholds for a byte."""
    split = trees.feature >= 0
    used, slot = np.unique(trees.feature[split], return_inverse=True)
    keys = key(trees.threshold[split], x)
    pairs, of_pair = np.unique(np.stack([slot.astype(np.int32), keys]), axis=1, return_inverse=True)
    counts = np.bincount(pairs[0], minlength=len(used)) if len(used) else np.zeros(0, np.int64)
    each = ways(trees, x)
    if not len(used) or counts.max() > MOST or each * len(used) > LONGEST_ROW:
        return None
    begins = np.concatenate([[0], np.cumsum(counts)[:-1]])
    every = np.unique(keys)
    own = _Found(pairs[1], tuple(counts.tolist()), of_pair.ravel() - begins[slot])
    one = _Found(every, (), np.searchsorted(every, keys))
    # A search in a longer list takes longer: one for all must be worth it.
    chosen = one if len(every) <= MOST and 2 * len(every) <= len(own.keys) else own
    bytewise, rank = np.full(len(split), -1, np.int32), np.zeros(len(split), np.float32)
    bytewise[split] = each * slot + (trees.missing_left[split] & (each > 1))
    rank[split] = chosen.rank
    over = replace(
        trees,
        n_features=each * len(used),
        feature=bytewise,
        threshold=rank,
        missing_left=np.zeros_like(split),
        takes_nan=False,
    )
    features = () if len(used) == used[-1] + 1 else tuple(used.tolist())
    return Ranks(chosen.keys.astype(np.int32), chosen.counts, features, each, len(used), over, x)


@dataclass(frozen=True, eq=False)
class _Found:
    """Lists of thresholds, how long each is, and the rank of every split's own."""

    keys: npt.NDArray[np.int32]
    counts: tuple[int, ...]
    rank: npt.NDArray[np.integer]
