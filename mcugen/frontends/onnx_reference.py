"""An ONNX model asked itself: by onnxruntime where it is installed, else by onnx's own reference evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mcugen.diagnostics import Loc, error
from mcugen.frontends.pickle_file import one_line
from mcugen.ir import Array, Module, Storage
from mcugen.ops.quantize import Quantize

if TYPE_CHECKING:
    import onnx

    from mcugen.frontends import Output

CLASSICAL = ("proba", "value", "transform")
FLOATS = (1, 11)  # TensorProto's numbers of types
ROUNDED = 2e-6  # of an output's largest number: what a network's own float32 sums leave open
NEAR = 1e-5  # of the largest number of steps: what is that near to halfway between two may become either


class OnnxReference:
    """The model's own answers. A row is all elements of all inputs, one after the other; so is an answer of an output.

    Where the module gives a class, that is the graph's first output that is no float, and a label's index is its place among
    the module's labels.
    """

    tolerance = 1e-5
    relative = False

    def __init__(self, model: onnx.ModelProto, module: Module, loc: Loc) -> None:
        self.model, self.module, self.loc = model, module, loc
        self._last: tuple[bytes, list[npt.NDArray[np.float64]]] | None = None

    def labels(self, rows: Array) -> npt.NDArray[np.int64]:
        return self._answers(rows)[self._class][:, 0].astype(np.int64)

    def numbers(self, what: Output, rows: Array) -> npt.NDArray[np.float64]:
        """The output of this name, (rows, its elements); of a classical model the floats that it gives."""
        if what in CLASSICAL:
            found = next(one for i, one in enumerate(self._answers(rows)) if i != self._class)
            return found[:, 0] if what == "value" else found
        names = [v.name for v in self.module.predict.of(Storage.OUTPUT)]
        return self._answers(rows)[names.index(what)]

    def rounding(self, rows: Array) -> npt.NDArray[np.float64]:
        """How far numbers may be off by the network's own float32 sums, (rows,): a step where one that is
        quantised at the end lies halfway between two.
        """
        if self._quantised:
            return self._ties(rows).astype(np.float64)
        every = [np.abs(one[np.isfinite(one)]).max(initial=0.0) for one in self._answers(rows)]
        return np.full(len(rows), ROUNDED * max(every, default=0.0))

    @cached_property
    def _quantised(self) -> dict[str, npt.NDArray[np.float64]]:
        """Where all that the module gives is floats that it worked out and quantised: the graph's tensors of these, and their
        scales.
        """
        graph, found = self.module.predict, {}
        takes = {name: node.input[0] for node in self.model.graph.node for name in node.output if node.input}
        for value in graph.of(Storage.OUTPUT):
            node = graph.nodes[graph.producer[value.name]] if value.name in graph.producer else None
            scale = graph.values[node.inputs[1]].data if node and isinstance(node.op, Quantize) else None
            if node is None or scale is None or node.inputs[0] not in graph.producer or value.name not in takes:
                return {}
            found[takes[value.name]] = np.asarray(scale, np.float64)
        return found

    def _ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows with a sum halfway between two steps, but for float32's rounding."""
        import onnx

        wide = onnx.ModelProto()
        wide.CopyFrom(self.model)
        wide.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._quantised)
        asked, found = OnnxReference(wide, self.module, self.loc), np.zeros(len(rows), np.bool_)
        for i in range(len(rows)):
            given = asked._run([one[i] for one in self.module.split(rows)])[-len(self._quantised) :]
            for floats, scale in zip(given, self._quantised.values(), strict=True):
                with np.errstate(all="ignore"):
                    steps = np.abs(np.asarray(floats, np.float64) / scale)
                    away = np.abs(steps % 1 - 0.5)
                    found[i] |= bool((away <= NEAR * np.nanmax(steps, initial=1.0)).any())
        return found

    def near_ties(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Rows whose best two numbers, or the only one and 0, are equal but for float32's rounding."""
        scores = [one for i, one in enumerate(self._answers(rows)) if i != self._class]
        if self._class < 0 or not scores:
            return np.zeros(len(rows), np.bool_)
        ordered = np.sort(scores[0], axis=1)
        apart = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else np.abs(ordered[:, 0])
        return np.asarray(apart <= ROUNDED * np.maximum(np.abs(ordered).max(axis=1), 1))

    def accepts(self, rows: Array) -> npt.NDArray[np.bool_]:
        return np.ones(len(rows), np.bool_)

    def _answers(self, rows: Array) -> list[npt.NDArray[np.float64]]:
        """Every output for every row. The last rows' answers are kept: each output is asked for alone."""
        key = rows.tobytes()
        if self._last is None or self._last[0] != key:
            found = [self._run([one[i] for one in self.module.split(rows)]) for i in range(len(rows))]
            every = range(len(found[0]) if found else 0)
            self._last = key, [np.stack([self._numbers(k, row[k]) for row in found]) for k in every]
        return self._last[1]

    def _numbers(self, k: int, answer: Any) -> npt.NDArray[np.float64]:
        """One row's answer of an output; -1 for a label that the module does not have."""
        if k != self._class:
            return np.ravel(np.asarray(answer, np.float64))
        return np.array([self._places.get(one, -1.0) for one in np.ravel(answer).tolist()])

    @cached_property
    def _places(self) -> dict[Any, float]:
        labels = next(v.labels for v in self.module.predict.of(Storage.OUTPUT) if v.labels is not None)
        return {label: float(i) for i, label in reversed([*enumerate(labels)])}

    @cached_property
    def _class(self) -> int:
        """Which of the graph's outputs is the class that the module gives; -1 where it gives none."""
        if all(v.labels is None for v in self.module.predict.of(Storage.OUTPUT)):
            return -1
        kinds = [value.type.tensor_type.elem_type for value in self.model.graph.output]
        return next(i for i, kind in enumerate(kinds) if kind not in FLOATS)

    def _run(self, inputs: Sequence[Array]) -> Sequence[Any]:
        names = [v.name for v in self.model.graph.input if v.name not in self._constants]
        try:
            return self._ask(dict(zip(names, inputs, strict=True)))
        except Exception as problem:  # whatever an evaluator stumbles over
            text = f"the model itself cannot be run to prove the C against: {one_line(problem)}"
            raise error("E0301", text, help="install onnxruntime, or use --no-check", loc=self.loc) from None

    @cached_property
    def _constants(self) -> set[str]:
        return {one.name for one in self.model.graph.initializer}

    def _ask(self, inputs: dict[str, Array]) -> Sequence[Any]:
        return self._session.run(None, inputs)  # type: ignore[no-any-return]

    @cached_property
    def _session(self) -> Any:
        try:
            import onnxruntime  # type: ignore[import-untyped]
        except ImportError:
            from onnx.reference import ReferenceEvaluator

            return ReferenceEvaluator(self.model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # rows one by one: more threads wait for each other
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return onnxruntime.InferenceSession(self.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
