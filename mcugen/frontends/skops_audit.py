"""What a skops schema may say: the grammar of the nodes that an estimator of ours is made of, and no other."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from mcugen.functions import UFUNCS

MAX_DEPTH = 100  # of the schema; a forest's has 16 levels
MAX_HEADER = 4096  # bytes of an array's header; scikit-learn's longest, of the nodes, has 400
MAX_OUTPUTS = 2**16

_BASIC = frozenset(f"builtins.{name}" for name in ("str", "int", "float", "bool"))
_SCALARS = frozenset(f"numpy.{t.__name__}" for t in (*np.sctypeDict.values(), np.bool_) if issubclass(t, np.generic))
_NUMBERS = frozenset(f"numpy.{name}" for name in ("bool", "bool_", "str_")) | _SCALARS - {"numpy.object_", "numpy.void"}
_TREE = "sklearn.tree._tree.Tree"
# What selectors score features with; they are looked up by name, and nothing calls them.
_SCORES = frozenset(
    f"sklearn.feature_selection.{name}"
    for name in (
        *(f"_univariate_selection.{one}" for one in ("chi2", "f_classif", "f_oneway", "f_regression", "r_regression")),
        "_mutual_info.mutual_info_classif",
        "_mutual_info.mutual_info_regression",
    )
)
# What a threshold is tuned by, and what takes a target back: looked up by name, too.
_METRICS = frozenset(
    f"sklearn.metrics._classification.{name}"
    for name in (
        "accuracy_score",
        "balanced_accuracy_score",
        "f1_score",
        "jaccard_score",
        "matthews_corrcoef",
        "precision_score",
        "recall_score",
    )
)
_NUMPY = frozenset(f"numpy.{name}" for name in UFUNCS)  # FunctionTransformers call them, too
_SPARSE = frozenset({"scipy.sparse._csr.csr_matrix", "scipy.sparse._csr.csr_array"})
_FUNCTIONS = _SCORES | _METRICS | _NUMPY

# Which types each loader of skops may make. `ObjectNode` takes the estimators that are asked for.
_TYPES: Mapping[str, frozenset[str]] = {
    "DictNode": frozenset({"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": _BASIC | {"builtins.NoneType"},
    "TypeNode": _BASIC | _NUMBERS,
    "NdArrayNode": _NUMBERS | {"numpy.ndarray"},
    "SliceNode": frozenset({"builtins.slice"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState", "numpy.random.RandomState"}),
    "TreeNode": frozenset({_TREE}),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "FunctionNode": _FUNCTIONS,
    "SparseMatrixNode": _SPARSE,
}

# What boosted and SGD models, perceptrons, clusters, splines and searches hold and no answer depends on: it is taken out, and so never made. By
# loader the beginnings of types.
_IDLE: Mapping[str, tuple[str, ...]] = {
    "FunctionNode": ("scipy._lib.array_api_compat.numpy.", "sklearn.cluster._kmeans._kmeans_single_"),
    "LossNode": ("sklearn._loss._loss.Cy", "sklearn.linear_model._sgd_fast."),
    "MaskedArrayNode": ("numpy.ma.",),
    "ObjectNode": (
        "sklearn._loss.link.",
        "sklearn.metrics._scorer._MultimetricScorer",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.model_selection._search_successive_halving._SubsampleMetaSplitter",
        "sklearn.model_selection._split.",
        "sklearn.neural_network._stochastic_optimizers.",
        "sklearn.utils._metadata_requests.MetadataRequest",
    ),
    "RandomGeneratorNode": ("numpy.random._generator.Generator",),
}
_CHECK_ARRAY = {"__class__": "check_array", "__module__": "sklearn.utils.validation", "__loader__": "FunctionNode"}
_NOTHING = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": "null", "is_json": True}

Json = Any  # from a file: every use of it checks first


class DamagedError(Exception):
    """The file contradicts itself; the text says how."""


@dataclass(frozen=True)
class TreeSizes:
    """What a Tree's constructor and `__setstate__` are given: they read the shapes of these arrays without a check."""

    outputs: int
    classes: str  # the files of its arrays
    nodes: str
    values: str

    def agree(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether the arrays have the dimensions that scikit-learn takes for granted."""
        nodes, values = shapes[self.nodes], shapes[self.values]
        return (
            shapes[self.classes] == (self.outputs,)
            and len(nodes) == 1
            and len(values) == 3
            and values[:2] == (nodes[0], self.outputs)
            and nodes[0] > 0
        )


@dataclass
class Audit:
    """One walk over a schema: the types that are not let through, the files of arrays that it names, and each Tree's sizes."""

    estimators: frozenset[str]
    untrusted: set[str] = field(default_factory=set)
    files: dict[str, None] = field(default_factory=dict)  # a set that keeps the order
    tables: dict[str, None] = field(default_factory=dict)  # files of sparse matrices
    trees: list[TreeSizes] = field(default_factory=list)

    @property
    def trusted(self) -> list[str]:
        """The types that skops does not trust by itself, as its `trusted` argument takes them."""
        return sorted(self.estimators | {_TREE, "numpy.dtype", "sklearn.utils._bunch.Bunch"} | _FUNCTIONS | _SPARSE)

    def walk(self, node: Json, depth: int = 0) -> None:
        """Take in a node and all below it, and take their ids away. Raises DamagedError where the schema is none.

        To skops a node whose id came before stands for the earlier one, whatever it says itself: a cycle, or a way to
        make a walk of years in a file of kilobytes. Files from skops repeat nodes in full, so nothing needs the ids.
        """
        if not isinstance(node, dict) or not isinstance(node.get("__loader__"), str):
            raise DamagedError("schema.json holds a node without a loader")
        if depth > MAX_DEPTH:
            raise DamagedError(f"schema.json is nested more than {MAX_DEPTH} levels deep")
        node.pop("__id__", None)
        if _is_idle(node):
            node.clear()
            node.update(_NOTHING)
        if self._allowed(node):
            for child in self._children(node):
                self.walk(child, depth + 1)

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
            case "TypeNode" | "FunctionNode":
                return
            case "SparseMatrixNode" if node.get("type") == "scipy" and isinstance(node.get("file"), str):
                self.tables[node["file"]] = None
            case "DTypeNode" if isinstance(content, dict) and content.get("__loader__") == "NdArrayNode":
                yield content
            case "SliceNode" if isinstance(content, dict) and content.keys() == {"start", "stop", "step"}:
                if any(not (value is None or type(value) is int) for value in content.values()):
                    raise DamagedError("schema.json holds a slice of something else than whole numbers")
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
        try:
            args, content = node["__reduce__"]["args"], node["content"]
            sizes = _tree_sizes(args["content"], content["content"])
        except (KeyError, TypeError, ValueError):
            raise DamagedError("schema.json holds a tree without its sizes") from None
        self.trees.append(sizes)
        yield args
        yield content


def _is_idle(node: dict[str, Json]) -> bool:
    loader, name = str(node["__loader__"]), f"{node.get('__module__')}.{node.get('__class__')}"
    if loader == "PartialNode":  # what histogram gradient boosting gives its plain columns to; no other partial
        content = node.get("content")
        function = content.get("func") if isinstance(content, dict) else None
        return isinstance(function, dict) and {k: v for k, v in function.items() if k != "__id__"} == _CHECK_ARRAY
    return name.startswith(_IDLE.get(loader, ()))


def _tree_sizes(args: Json, state: Json) -> TreeSizes:
    features, classes, outputs = args
    counts = [json.loads(count["content"]) for count in (features, outputs)]
    if any(type(n) is not int or not 0 < n < 2**31 for n in counts) or counts[1] > MAX_OUTPUTS:
        raise ValueError("impossible counts")
    arrays = [classes, state["nodes"], state["values"]]
    if any((a["__loader__"], a["__class__"], a["type"]) != ("NdArrayNode", "ndarray", "numpy") for a in arrays):
        raise ValueError("not arrays")
    return TreeSizes(counts[1], *(a["file"] for a in arrays))


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
