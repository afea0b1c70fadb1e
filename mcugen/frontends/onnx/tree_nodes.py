"""The trees of ai.onnx.ml's operators, of every version: read, checked, and written as trees whose splits are all `<=`.

What NaN does follows onnxruntime: a comparison with it is false, `BRANCH_NEQ` is true, and `nodes_missing_value_tracks_true`
makes any true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import McugenError
from mcugen.frontends.onnx.call import Call
from mcugen.frontends.sklearn.line_splits import TooManyError, by_thresholds, of_points
from mcugen.frontends.sklearn.tree_arrays import LEAF, TreeArrays

MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")  # TreeEnsemble says them by number
MOST_TARGETS = 1_024
MOST_NODES = 200_000  # of a model, where nodes that several others lead to are copied
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Nodes:
    """All nodes of all trees. A split is true where its feature compares with its value as its mode says.

    mode       (nodes,) of MODES; empty at a leaf
    value      (nodes,) float64
    members    by node: what MEMBER compares with
    true, false (nodes,) where a row goes on
    tracks     (nodes,) whether NaN makes a split true
    weights    (nodes, targets) what a leaf gives; NaN where it gives a target nothing
    roots      of each tree
    """

    feature: Ints
    mode: Sequence[str]
    value: Floats
    members: Mapping[int, Floats]
    true: Ints
    false: Ints
    tracks: npt.NDArray[np.bool_]
    weights: Floats
    roots: Sequence[int]

    def trees(self, call: Call, n_features: int) -> list[TreeArrays]:
        """Each tree alone, every split a `<=`; a leaf's values are its weights. E0104 for what is no tree of this row."""
        splits = np.array([bool(mode) for mode in self.mode])
        if splits.any() and not (0 <= self.feature[splits].min() <= self.feature[splits].max() < n_features):
            raise _damaged(call, f"a split asks for a feature that a row of {n_features} does not have")
        if np.isnan(self.value[splits & np.array([mode != "MEMBER" for mode in self.mode])]).any():
            raise _damaged(call, "a split compares with NaN")
        if np.isinf(self.weights).any():
            raise _damaged(call, "a leaf's weight is not finite")
        found: list[TreeArrays] = []
        room = max(MOST_NODES, 2 * len(self.mode))
        for root in self.roots:
            try:
                found.append(_Writer(self, room).written(root))
            except TooManyError:
                text = f"its trees have more than {room:,} nodes once each `=` is said with `<=`, or lead back to themselves"
                raise call.refused(text, "train fewer or shallower trees, or with fewer categories", "E0303") from None
            room -= found[-1].size
        return found


def nodes_of(call: Call) -> Nodes:
    """The nodes that a TreeEnsembleRegressor or TreeEnsembleClassifier holds in its attributes."""
    kind = "class" if call.op.endswith("Classifier") else "target"
    trees, numbers = (_ints(call, f"nodes_{name}") for name in ("treeids", "nodeids"))
    count = len(trees)
    place = {pair: i for i, pair in enumerate(zip(trees.tolist(), numbers.tolist(), strict=True))}
    if not count or len(place) != count:
        raise _damaged(call, "it has no nodes, or two of one number")
    mode = [name.removeprefix("BRANCH_").replace("LEAF", "") for name in call.attribute("nodes_modes", ())]
    if not {*mode} <= {"", *MODES[:-1]}:
        raise call.refused(f"there is no mode {next(m for m in mode if m not in MODES)}", "export the model again")

    def child(side: str) -> Ints:
        wanted = _ints(call, f"nodes_{side}nodeids", count)
        pairs = zip(trees.tolist(), wanted.tolist(), mode, strict=True)
        found = [place.get((tree, node), -1) if m else 0 for tree, node, m in pairs]
        if min(found) < 0:
            raise _damaged(call, "a split leads to a node that does not exist")
        return np.array(found, np.int64)

    targets = len(call.attribute("classlabels_strings") or call.attribute("classlabels_int64s") or ())
    targets = _targets(call, targets or 1)
    weights = np.full((count, targets), np.nan)
    given = zip(
        *(_ints(call, f"{kind}_{name}").tolist() for name in ("treeids", "nodeids", "ids")),
        floats_in(call, f"{kind}_weights").tolist(),
        strict=True,
    )
    for tree, node, target, weight in given:
        if (tree, node) not in place or not 0 <= target < targets:
            raise _damaged(call, "a weight belongs to no node, or to no target")
        at = place[tree, node], target
        weights[at] = weight if np.isnan(weights[at]) else weights[at] + weight
    firsts = {tree: i for i, tree in reversed([*enumerate(trees.tolist())])}
    return Nodes(
        _ints(call, "nodes_featureids", count),
        mode,
        floats_in(call, "nodes_values", count),
        {},
        child("true"),
        child("false"),
        _tracks(call, count),
        weights,
        [firsts[tree] for tree in sorted(firsts)],
    )


def nodes_of_5(call: Call) -> Nodes:
    """The nodes that a TreeEnsemble of operator set 5 holds: splits first, then leaves."""
    feature = _ints(call, "nodes_featureids")
    splits, targets = len(feature), _targets(call, 1)
    target, weight = _ints(call, "leaf_targetids"), floats_in(call, "leaf_weights")
    if not splits or len(target) != len(weight) or not ((target >= 0) & (target < targets)).all():
        raise _damaged(call, "its nodes or leaves do not go together")
    modes = _ints(call, "nodes_modes", splits)
    if not ((modes >= 0) & (modes < len(MODES))).all():
        raise _damaged(call, "a node has a mode that does not exist")

    def child(side: str) -> Ints:
        at, is_leaf = (_ints(call, f"nodes_{side}{name}", splits) for name in ("nodeids", "leafs"))
        if (at < 0).any() or (at >= np.where(is_leaf, len(target), splits)).any():
            raise _damaged(call, "a split leads to a node that does not exist")
        return np.asarray(at + np.where(is_leaf, splits, 0))

    weights = np.full((splits + len(target), targets), np.nan)
    weights[splits + np.arange(len(target)), target] = weight
    roots = _ints(call, "tree_roots").tolist()
    if not roots or min(roots) < 0 or max(roots) >= splits:
        raise _damaged(call, "a tree begins at a node that does not exist")
    leaves = np.zeros(len(target), np.int64)
    mode = [*(MODES[m] for m in modes.tolist()), *("" for _ in target)]
    return Nodes(
        np.concatenate([feature, leaves]),
        mode,
        np.concatenate([floats_in(call, "nodes_splits", splits), leaves]),
        _members(call, mode),
        np.concatenate([child("true"), leaves]),
        np.concatenate([child("false"), leaves]),
        np.concatenate([_tracks(call, splits), leaves > 0]),
        weights,
        roots,
    )


def floats_in(call: Call, name: str, count: int | None = None) -> Floats:
    """An attribute of numbers, given as a list or, `name` with _as_tensor, as a tensor; E0104 where it has another length."""
    given: Any = call.attribute(name, call.attribute(f"{name}_as_tensor", ()))
    found = np.asarray(given, np.float64).ravel()
    if count is not None and len(found) != count:
        raise _damaged(call, f"{name} has {len(found):,} entries for {count:,} nodes")
    return found


def _ints(call: Call, name: str, count: int | None = None) -> Ints:
    found = np.asarray(call.attribute(name, ()), np.int64).ravel()
    if count is not None and len(found) != count:
        raise _damaged(call, f"{name} has {len(found):,} entries for {count:,} nodes")
    return found


def _targets(call: Call, default: int) -> int:
    """How many numbers the trees give; E0303 for more than the C has room for."""
    found = int(call.attribute("n_targets", default))
    if not 0 < found <= MOST_TARGETS:
        raise call.refused(f"it gives {found:,} numbers", f"mcugen takes 1 to {MOST_TARGETS:,}", "E0303")
    return found


def _tracks(call: Call, count: int) -> npt.NDArray[np.bool_]:
    name = "nodes_missing_value_tracks_true"
    return _ints(call, name, count) > 0 if len(call.attribute(name, ())) else np.zeros(count, np.bool_)


def _members(call: Call, mode: Sequence[str]) -> dict[int, Floats]:
    """The sets, each ended by a NaN, in the order of the nodes that ask for them."""
    asking = [i for i, name in enumerate(mode) if name == "MEMBER"]
    values = floats_in(call, "membership_values")
    ends = np.flatnonzero(np.isnan(values))
    if len(ends) != len(asking):
        raise _damaged(call, f"{len(asking)} nodes ask for members of {len(ends)} sets")
    parts = np.split(values, ends + 1)
    return {node: part[:-1] for node, part in zip(asking, parts, strict=False)}


def _damaged(call: Call, problem: str) -> McugenError:
    return call.refused(problem, "export the model again", "E0104")


@dataclass
class _Writer:
    """One tree as it is written; a node to which several others lead is written for each."""

    nodes: Nodes
    room: int
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    points: dict[int, Any] = field(default_factory=dict)

    def written(self, root: int) -> TreeArrays:
        """The tree below a node."""
        todo = [(root, -1, self.left)]
        while todo:
            if len(self.left) > self.room:
                raise TooManyError
            node, parent, side = todo.pop()
            if parent >= 0:
                side[parent] = len(self.left)
            todo += self._leaf(node) if not self.nodes.mode[node] else self._split(node)
        tree = TreeArrays(
            np.array(self.left, np.int64),
            np.array(self.right, np.int64),
            np.array(self.feature, np.int64),
            np.array(self.threshold, np.float64),
            np.array(self.missing_left, np.bool_),
            self.nodes.weights[self.source],
            self._shares(),
        )
        lines = {node: of_points(points, elsewhere=False, whole=False) for node, points in self.points.items()}
        return by_thresholds(tree, lines, self.room)

    def _shares(self) -> Floats:
        """The share of rows that passes each node, for the cost model: half of a split's go each way, as nothing says more."""
        found = np.ones(len(self.left))
        for node, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            if left != LEAF:
                found[[left, right]] = found[node] / 2
        return found

    def _leaf(self, node: int) -> Iterator[tuple[int, int, list[int]]]:
        self._add(node, LEAF, 0.0, False)
        yield from ()

    def _split(self, node: int) -> Iterator[tuple[int, int, list[int]]]:
        """What stands for one split, and where its sides are to be written."""
        mode, tracks = self.nodes.mode[node], bool(self.nodes.tracks[node])
        feature, value = int(self.nodes.feature[node]), float(self.nodes.value[node])
        true, false = int(self.nodes.true[node]), int(self.nodes.false[node])
        if mode in ("EQ", "NEQ", "MEMBER"):
            points = self.nodes.members[node] if mode == "MEMBER" else np.array([value])
            inside, outside = (false, true) if mode == "NEQ" else (true, false)
            yield from self._set(node, feature, np.unique(points + 0.0), inside, outside, tracks and mode != "NEQ")
            return
        below = mode in ("LEQ", "LT")
        if mode in ("LT", "GTE"):
            if value == -np.inf:  # no number is below
                at = self._add(node, feature, np.inf, False)
                yield false if below else true, at, self.left
                yield true if tracks else false, at, self.right
                return
            value = float(np.nextafter(value, -np.inf))
        at = self._add(node, feature, value, tracks if below else not tracks)
        yield true if below else false, at, self.left
        yield false if below else true, at, self.right

    def _set(
        self, node: int, feature: int, points: Floats, inside: int, outside: int, tracks: bool
    ) -> Iterator[tuple[int, int, list[int]]]:
        """A split on numbers of a set; where NaN is to be among them, it is asked for first."""
        if not len(points) or points[0] == -np.inf:
            raise ValueError("a set is empty, or holds -inf")
        at = len(self.left)
        if tracks:
            at = self._add(node, feature, np.inf, False) + 1
            self.left[at - 1] = at
            yield inside, at - 1, self.right
        self.points[self._add(node, feature, 0.0, True)] = points
        yield outside, at, self.left
        yield inside, at, self.right

    def _add(self, node: int, feature: int, threshold: float, missing_left: bool) -> int:
        self.left.append(LEAF)
        self.right.append(LEAF)
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.missing_left.append(missing_left)
        self.source.append(node)
        return len(self.left) - 1
