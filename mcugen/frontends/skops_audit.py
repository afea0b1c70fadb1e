"""What a skops schema may say: the grammar of the nodes that an estimator of ours is made of, and no other."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

MAX_DEPTH = 100  # of the schema; a forest's has 16 levels
MAX_HEADER = 4096  # bytes of an array's header; scikit-learn's longest, of the nodes, has 400
MAX_OUTPUTS = 2**16
MAX_VISITS = 10_000_000  # nodes that skops walks; a forest of 300 trees has 20,000

_BASIC = frozenset(f"builtins.{name}" for name in ("str", "int", "float", "bool"))
_SCALARS = frozenset(f"numpy.{t.__name__}" for t in (*np.sctypeDict.values(), np.bool_) if issubclass(t, np.generic))
_NUMBERS = frozenset(f"numpy.{name}" for name in ("bool", "bool_", "str_")) | _SCALARS - {"numpy.object_", "numpy.void"}
_TREE = "sklearn.tree._tree.Tree"

# Which types each loader of skops may make. `ObjectNode` takes the estimators that are asked for.
_TYPES: Mapping[str, frozenset[str]] = {
    "DictNode": frozenset({"builtins.dict", "collections.OrderedDict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": _BASIC | {"builtins.NoneType"},
    "TypeNode": _BASIC | _NUMBERS,
    "NdArrayNode": _NUMBERS | {"numpy.ndarray"},
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState", "numpy.random.RandomState"}),
    "TreeNode": frozenset({_TREE}),
}

Json = object


class DamagedError(Exception):
    """The file contradicts itself; the text says how."""


@dataclass
class Audit:
    """One walk over a schema: the types that are not let through, the array files it names, and each Tree's sizes."""

    estimators: frozenset[str]
    untrusted: set[str] = field(default_factory=set)
    files: dict[str, None] = field(default_factory=dict)  # a set that keeps the order
    tree_sizes: list[tuple[str, int]] = field(default_factory=list)  # (file of n_classes, n_outputs)
    _visits: dict[int, int] = field(default_factory=dict)  # by id

    @property
    def trusted(self) -> list[str]:
        """The types that skops does not trust by itself, as its `trusted` argument takes them."""
        return sorted(self.estimators | {_TREE})

    def walk(self, node: Json, depth: int = 0) -> int:
        """Take in a node and all below it; how many nodes skops visits there. Raises DamagedError where the schema is none.

        A node whose id came before stands for that earlier node: skops does not look at what it says, but visits the
        earlier one again. Visits can so be far more than nodes, which is why they are counted before skops begins.
        """
        if not isinstance(node, dict) or not isinstance(node.get("__loader__"), str):
            raise DamagedError("schema.json holds a node without a loader")
        if depth > MAX_DEPTH:
            raise DamagedError(f"schema.json is nested more than {MAX_DEPTH} levels deep")
        mark = node.get("__id__") or None
        if mark is None:
            return self._counted(node, depth)
        if type(mark) is not int:
            raise DamagedError("schema.json holds an id that is not a number")
        if mark not in self._visits:
            self._visits[mark] = MAX_VISITS + 1  # until it is known; met again before that, it contains itself
            self._visits[mark] = self._counted(node, depth)
        return _bounded(self._visits[mark])

    def _counted(self, node: dict[str, Json], depth: int) -> int:
        if not self._allowed(node):
            return 1
        return _bounded(1 + sum(self.walk(child, depth + 1) for child in self._children(node)))

    def _allowed(self, node: dict[str, Json]) -> bool:
        loader, name = str(node["__loader__"]), f"{node.get('__module__')}.{node.get('__class__')}"
        types = self.estimators if loader == "ObjectNode" else _TYPES.get(loader, frozenset())
        if name not in types:
            familiar = name in self.estimators or any(name in some for some in _TYPES.values())
            self.untrusted.add(f"{name} (through {loader})" if familiar else name)
        return name in types

    def _children(self, node: dict[str, Json]) -> Iterator[Json]:
        content = node.get("content")
        match node["__loader__"]:
            case "DictNode" if isinstance(content, dict):
                yield node.get("key_types")
                yield from content.values()
            case "ListNode" | "TupleNode" if isinstance(content, list):
                yield from content
            case "ObjectNode" | "RandomStateNode":
                yield content
            case "NdArrayNode":
                yield from self._array(node)
            case "TreeNode":
                yield from self._tree(node)
            case "JsonNode" if isinstance(content, str):
                return
            case "TypeNode":
                return
            case loader:
                raise DamagedError(f"schema.json holds a {loader} without content")

    def _array(self, node: dict[str, Json]) -> Iterator[Json]:
        content, file = node.get("content"), node.get("file")
        if node.get("type") == "numpy" and isinstance(file, str):
            self.files[file] = None
        elif node.get("type") == "json" and isinstance(content, list):
            yield from content
            yield node.get("shape")
        else:
            raise DamagedError("schema.json holds an array without content")

    def _tree(self, node: dict[str, Json]) -> Iterator[Json]:
        # Tree's constructor allocates what its arguments say before anything else is looked at.
        try:
            args = node["__reduce__"]["args"]  # type: ignore[index]  # anything else is an exception, and caught
            features, classes, outputs = args["content"]
            counts = [json.loads(count["content"]) for count in (features, outputs)]
            file = classes["file"]
        except (KeyError, TypeError, ValueError):
            raise DamagedError("schema.json holds a tree without its sizes") from None
        if any(type(n) is not int or not 0 < n < MAX_OUTPUTS * 2**15 for n in counts) or counts[1] > MAX_OUTPUTS:
            raise DamagedError("schema.json holds a tree of impossible sizes")
        self.tree_sizes.append((file, counts[1]))
        yield node.get("content")  # first, as skops does: which of two nodes with one id comes first decides
        yield args


def _bounded(visits: int) -> int:
    if visits > MAX_VISITS:
        raise DamagedError("schema.json holds an object that contains itself, or others without end")
    return visits


def check_array(name: str, content: bytes) -> tuple[int, ...]:
    """The shape in a .npy file's header, where header and content agree; DamagedError otherwise. Allocates nothing."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file, max_header_size=MAX_HEADER)
    except Exception:  # the header is a Python literal: a hostile one raises anything
        raise DamagedError(f"{name} is not an array") from None
    held = len(content) - file.tell()
    count = prod(shape)
    if dtype.hasobject or min(shape, default=0) < 0 or count * dtype.itemsize != held or count > len(content):
        raise DamagedError(f"{name} declares {shape} {dtype.name}, and holds {held:,} bytes")
    return tuple(shape)
