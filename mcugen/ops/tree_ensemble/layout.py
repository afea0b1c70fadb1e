"""Both forms of the trees as data for their templates: branches as lines in preorder, tables as bytes in preorder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mcugen.ir import DType
from mcugen.ops.tree_ensemble.leaves import Leaves
from mcugen.ops.tree_ensemble.ranks import key, only_halves, ways
from mcugen.ops.tree_ensemble.trees import Trees, preorder

LARGEST_TREE = 32_767  # bytes: avr-gcc refuses larger objects
GROUP = 800  # splits of trees that are walked by one function: more than that, and compilers inline no longer
ESCAPE = 0  # a skip byte of 0 says that two more bytes hold the skip


@dataclass(frozen=True)
class Line:
    """One line of a tree written as branches: a split (it has a feature), a leaf (a code), or a jump to another part.

    `label` where something jumps here, `target` where a split jumps to; both number the lines of one part.
    """

    label: int | None
    code: int = -1
    part: int = -1
    feature: int = -1
    bits: int = 0
    threshold: float = 0.0
    missing: str = ""  # where NaN goes: "L" or "R", or "X" where none comes
    negative: bool = False
    likely: bool = True  # whether as many rows go on as jump
    target: int = 0


def parts(trees: Trees, leaves: Leaves, root: int, most: int) -> list[list[Line]]:
    """One tree as functions of at most `most` splits, the first holding the root; a split falls through to its left side.

    avr-gcc 5 miscounts the length of long functions and then emits jumps out of range; short ones are safe. A part ends in
    a tail call, which is a jump.
    """
    heads = _cut(trees, root, most)
    number = {head: i for i, head in enumerate(heads)}
    return [_lines(trees, leaves, head, number) for head in heads]


def joined(trees: list[list[list[Line]]]) -> list[list[int]]:
    """Trees one after the other that one function walks: as many as have GROUP splits together, at least one."""
    found: list[list[int]] = []
    room = 0
    for number, tree in enumerate(trees):
        splits = sum(line.feature >= 0 for part in tree for line in part)
        if splits > room or not found:
            found.append([])
            room = GROUP
        found[-1].append(number)
        room -= splits
    return found


def distinct(trees: list[list[list[Line]]]) -> Iterator[list[Line]]:
    """The functions that compilers leave of all trees where a split's copies lead to the same: for -Os they make one of
    functions that are equal, and within a function of ends that are, to which the others jump.
    """
    number: dict[object, int] = {}
    functions: set[int] = set()
    for tree in trees:
        of_part: dict[int, int] = {}
        for place in reversed(range(len(tree))):
            part, ends = tree[place], [0] * len(tree[place])
            for i in reversed(range(len(part))):
                line = part[i]
                kind = (line.feature, line.bits, line.missing, line.likely, line.code, of_part.get(line.part))
                below = (ends[i + 1], ends[line.target]) if line.feature >= 0 else ()
                ends[i] = number.setdefault((kind, below), len(number))
            of_part[place] = ends[0]
            if ends[0] not in functions:
                functions.add(ends[0])
                yield _without_copies(part, ends)


def _without_copies(part: list[Line], ends: list[int]) -> list[Line]:
    """The lines of a function with a jump for each split whose end stands above it."""
    splits = [end for end, line in zip(ends, part, strict=True) if line.feature >= 0]
    if len(splits) == len({*splits}):
        return part
    written: set[int] = set()
    kept: list[Line] = []
    targets: list[tuple[int, int]] = []  # a place in `kept`, and the line in `part` that it jumps to
    place: dict[int, int] = {}
    todo = [0]
    while todo:
        i = todo.pop()
        line = part[i]
        place[i] = len(kept)
        if line.feature >= 0 and ends[i] in written:
            kept.append(Line(line.label, part=0))
            continue
        if line.feature >= 0:
            written.add(ends[i])
            targets.append((len(kept), line.target))
            todo += [line.target, i + 1]
        kept.append(line)
    for here, target in targets:
        kept[here] = replace(kept[here], target=place[target])
    return kept


def _cut(trees: Trees, root: int, most: int) -> list[int]:
    """The nodes at which parts begin, the root first: from below, the heavier side is cut off where both are too much."""
    weight: dict[int, int] = {}
    heads = []
    for node in reversed(list(preorder(trees, root))):
        if trees.feature[node] < 0:
            weight[node] = 0
            continue
        sides = sorted((int(trees.left[node]), int(trees.right[node])), key=lambda side: weight[side])
        while sum(weight[side] for side in sides) >= most:
            heads.append(sides[-1])
            weight[sides.pop()] = 0
        weight[node] = 1 + sum(weight[side] for side in sides)
    return [root, *reversed(heads)]


def _lines(trees: Trees, leaves: Leaves, head: int, number: dict[int, int]) -> list[Line]:
    order = list(_part_preorder(trees, head, number))
    line = {node: i for i, node in enumerate(order)}
    splits = [n for n in order if trees.feature[n] >= 0 and (n == head or n not in number)]
    labels = {int(trees.right[n]): line[int(trees.right[n])] for n in splits}
    return [_line(trees, leaves, n, labels, number if n != head else {}) for n in order]


def _part_preorder(trees: Trees, head: int, number: dict[int, int]) -> Iterator[int]:
    stack = [head]
    while stack:
        node = stack.pop()
        yield node
        if trees.feature[node] >= 0 and (node == head or node not in number):
            stack += [int(trees.right[node]), int(trees.left[node])]


def _line(trees: Trees, leaves: Leaves, node: int, labels: dict[int, int], number: dict[int, int]) -> Line:
    label = labels.get(node)
    if node in number:
        return Line(label, part=number[node])
    if trees.feature[node] < 0:
        return Line(label, code=int(leaves.code[node]))
    bits = int(trees.threshold[node : node + 1].view(np.uint32)[0])
    return Line(
        label,
        feature=int(trees.feature[node]),
        bits=bits,
        threshold=float(trees.threshold[node]),
        missing="X" if trees.numbers[node] else "L" if trees.missing_left[node] else "R",
        negative=bool(bits >> 31),
        likely=bool(trees.visits[trees.left[node]] >= trees.visits[trees.right[node]]),
        target=labels[int(trees.right[node])],
    )


@dataclass(frozen=True, eq=False)
class Table:
    """The trees as bytes in flash, preorder: a split is head, threshold, skip; a leaf is one head, and a number where it has one.

    head       1 or 2 bytes: 2·slot + missing_left at a split; at a leaf 2·slots + code, or 2·slots + direct and the code behind it;
               where no NaN comes it is the slot itself, and `slots` wherever 2·slots is meant
    threshold  of floats the key (4 bytes), its upper half (2 bytes, where all lower halves follow from the sign), or a rank (1
               or 2 bytes) in `keys`, the model's own thresholds, sorted; an integer is what it is (1 or 2 bytes)
    skip       bytes from behind the skip to the right side; ESCAPE and two bytes where it is over 255
    """

    head: int
    threshold: int
    ranked: bool
    leaf: int  # bytes of a code behind the head; 0 where all codes are in heads
    direct: int  # codes that are in heads
    slots: int
    features: tuple[int, ...]  # of each slot; empty where slot and feature are the same
    keys: npt.NDArray[np.int32]
    trees: tuple[bytes, ...]
    halves: bool
    ways: int  # heads of a slot
    numbers: bool = False  # whether what is behind the head of a leaf is its number, no code

    @property
    def heads(self) -> int:
        """How many heads are those of splits."""
        return self.ways * self.slots

    @property
    def together(self) -> bool:
        """Whether head and threshold are read at once: a byte each, and as many in a leaf."""
        return self.numbers and self.slots > 0 and self.head == self.threshold == 1

    @property
    def escapes(self) -> bool:
        """Whether a skip may need more than a byte: it is shorter than its tree."""
        return max(map(len, self.trees)) > 255

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all tables in flash: trees, ranks, slots, and two per tree for where it begins."""
        ranks = len(self.keys) * (2 if self.halves else 4) if self.ranked else 0
        slots = len(self.features) * (1 if max(self.features, default=0) < 256 else 2)
        return sum(map(len, self.trees)) + ranks + slots + (2 * len(self.trees) if len(self.trees) > 1 else 0)


def pack(trees: Trees, leaves: Leaves, x: DType = DType.F32) -> Table | None:
    """The smallest table of all the variants; None where a tree has more than 32,767 bytes in it."""
    sizes = _Sizes(trees, leaves, x)
    writer = min(_variants(sizes), key=sizes.estimate, default=None)
    if writer is None:
        return None
    packed = [writer.tree(int(root)) for root in trees.roots]
    if any(len(tree) > LARGEST_TREE for tree in packed):
        return None
    ranked = writer.ranks is not None
    return Table(
        writer.head,
        writer.threshold,
        ranked,
        writer.leaf,
        writer.direct,
        writer.slots,
        writer.features,
        sizes.keys,
        tuple(packed),
        sizes.halves,
        ways(trees, x),
    )


@dataclass(frozen=True, eq=False)
class _Sizes:
    """How large a variant is, but for the few skips over 255 bytes."""

    trees: Trees
    leaves: Leaves
    x: DType

    @cached_property
    def keys(self) -> npt.NDArray[np.int32]:
        return np.unique(key(self.trees.threshold, self.x)[self.trees.feature >= 0])

    @cached_property
    def halves(self) -> bool:
        return self.x == DType.F32 and only_halves(self.keys)

    @property
    def plain(self) -> int:
        """Bytes of a threshold that is no rank."""
        return 2 if self.halves else self.x.nbytes

    def estimate(self, writer: _Writer) -> int:
        splits = int((self.trees.feature >= 0).sum())
        leaves = splits + self.trees.n_trees
        behind = min(leaves, int((self.leaves.code >= writer.direct).sum()))
        ranks = len(self.keys) * (2 if self.halves else 4) if writer.ranks is not None else 0
        slots = len(writer.features) * (1 if max(writer.features, default=0) < 256 else 2)
        return (
            splits * (writer.head + writer.threshold + 1) + leaves * writer.head + behind * writer.leaf + ranks + slots
        )


def _variants(sizes: _Sizes) -> Iterator[_Writer]:
    trees, leaves = sizes.trees, sizes.leaves
    used = tuple(np.unique(trees.feature[trees.feature >= 0]).tolist())
    plain = max(used, default=-1) + 1
    for features in ((), used) if len(used) < plain else ((),):
        slots = len(features) or plain
        for leaf in (0, 1, 2, 4):
            direct = leaves.codes if leaf == 0 else leaves.direct
            heads = ways(trees, sizes.x) * slots + direct + (leaf > 0)
            if heads > 65536 or (leaf and leaves.codes - direct > 256**leaf):
                continue
            head = 1 if heads <= 256 else 2
            yield _Writer(sizes, head, sizes.plain, leaf, direct, slots, features, None)
            if sizes.x == DType.F32 and len(sizes.keys) <= 65536:
                width = 1 if len(sizes.keys) <= 256 else 2
                yield _Writer(sizes, head, width, leaf, direct, slots, features, sizes.keys)


@dataclass(frozen=True, eq=False)
class _Writer:
    sizes: _Sizes
    head: int
    threshold: int
    leaf: int
    direct: int
    slots: int
    features: tuple[int, ...]
    ranks: npt.NDArray[np.int32] | None

    @property
    def trees(self) -> Trees:
        return self.sizes.trees

    @property
    def leaves(self) -> Leaves:
        return self.sizes.leaves

    @property
    def heads(self) -> int:
        return ways(self.trees, self.sizes.x) * self.slots

    @cached_property
    def slot(self) -> npt.NDArray[np.int64]:
        if not self.features:
            return self.trees.feature.astype(np.int64)
        return np.searchsorted(np.array(self.features), self.trees.feature)

    @cached_property
    def cells(self) -> list[bytes]:
        """The threshold bytes of every node."""
        keys = key(self.trees.threshold, self.sizes.x)
        if self.ranks is not None:
            keys = np.searchsorted(self.ranks, keys).astype(np.int32)
        elif self.sizes.halves:
            keys = keys >> np.int32(16)
        mask = (1 << (8 * self.threshold)) - 1
        return [(int(k) & mask).to_bytes(self.threshold, "little") for k in keys]

    def tree(self, root: int) -> bytes:
        """One tree's bytes, written from its last node to its first so that every skip is known; too long where it is over
        LARGEST_TREE, and then cut off.
        """
        done: dict[int, bytes] = {}
        for node in reversed(list(preorder(self.trees, root))):
            done[node] = self._leaf(node) if self.trees.feature[node] < 0 else self._split(node, done)
            if len(done[node]) > LARGEST_TREE:
                return done[node]
        return done[root]

    def _leaf(self, node: int) -> bytes:
        code = int(self.leaves.code[node])
        if code < self.direct:
            return (self.heads + code).to_bytes(self.head, "little")
        escape = (self.heads + self.direct).to_bytes(self.head, "little")
        return escape + (code - self.direct).to_bytes(self.leaf, "little")

    def _split(self, node: int, done: dict[int, bytes]) -> bytes:
        left, right = done.pop(int(self.trees.left[node])), done.pop(int(self.trees.right[node]))
        each = ways(self.trees, self.sizes.x)
        place = each * int(self.slot[node]) + int(self.trees.missing_left[node] and each > 1)
        head = place.to_bytes(self.head, "little")
        size = len(left)
        skip = bytes([size]) if 0 < size < 256 else bytes([ESCAPE]) + size.to_bytes(2, "little")
        return head + self.cells[node] + skip + left + right
