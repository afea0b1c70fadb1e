"""contract: sums of products over shared axes: ONNX MatMul, Gemm, Einsum, https://onnx.ai/onnx/operators/onnx__Einsum.html."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.functions import NUMBERS
from mcugen.ir import Array, TensorType
from mcugen.loops import Strides, loops, strides_of
from mcugen.op import Op


@dataclass(frozen=True, eq=False)
class Contract(Op):
    """y[out] = the sum over all other letters of the product of the inputs, each of which has a letter for every axis.

    `letters` is Einsum's equation: one string per input, and `out`. An axis of size 1 is repeated where another input's axis of
    that letter is longer. Inputs of one type, floats or integers; output of that type. Added up in the type itself, in the order
    of the letters; integers wrap around. E0201 for axes that do not go together.
    """

    name: ClassVar[str] = "contract"
    onnx: ClassVar[tuple[str, ...]] = ("MatMul", "Gemm", "Einsum")
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    letters: tuple[str, ...]
    out: str

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        sizes = self._sizes([t.shape for t in inputs])
        kinds = {t.dtype for t in inputs}
        if sizes is None or len(kinds) != 1 or not kinds <= {*NUMBERS}:
            found = ", ".join(map(str, inputs)) or "nothing"
            raise error(
                "E0201",
                f"{','.join(self.letters)}->{self.out} does not go with {found}",
                help="give tensors of one type whose shared axes are of one size",
            )
        return (TensorType(tuple(sizes[c] for c in self.out), inputs[0].dtype),)

    def _sizes(self, shapes: list[tuple[int, ...]]) -> dict[str, int] | None:
        sizes: dict[str, int] = {}
        if len(shapes) != len(self.letters) or any(len(s) != len(w) for s, w in zip(shapes, self.letters, strict=True)):
            return None
        for shape, word in zip(shapes, self.letters, strict=True):
            for size, letter in zip(shape, word, strict=True):
                known = sizes.get(letter, 1)
                if 1 not in (known, size) and known != size:
                    return None
                sizes[letter] = max(known, size)
        return sizes

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        sizes = self._sizes([x.shape for x in inputs])
        assert sizes is not None
        whole: list[Any] = [
            np.broadcast_to(x, tuple(sizes[c] if n == 1 else n for n, c in zip(x.shape, w, strict=True)))
            for x, w in zip(inputs, self.letters, strict=True)
        ]
        with np.errstate(all="ignore"):
            found = np.einsum(f"{','.join(self.letters)}->{self.out}", *whole)
        return (np.asarray(found).astype(inputs[0].dtype),)

    def macc(self, *inputs: TensorType) -> int:
        sizes = self._sizes([t.shape for t in inputs])
        return prod(sizes.values()) if sizes else 0

    def describe(self) -> str:
        return f"{','.join(self.letters)}->{self.out}"

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        (y,) = self.infer(*inputs)
        sizes = self._sizes([t.shape for t in inputs])
        assert sizes is not None
        steps = [_steps(t.shape, word) for t, word in zip(inputs, self.letters, strict=True)]
        summed = "".join(dict.fromkeys(c for word in self.letters for c in word if c not in self.out))
        to = dict(zip(self.out, strides_of(y.shape), strict=True))
        outer = loops([sizes[c] for c in self.out], *(_of(s, self.out) for s in steps), _of(to, self.out))
        inner = loops([sizes[c] for c in summed], *(_of(s, summed) for s in steps))
        return {"outer": outer, "inner": inner, "total": max(t.size for t in (*inputs, y))}


def _steps(shape: tuple[int, ...], word: str) -> dict[str, int]:
    """How far a letter's next element is; a letter that is there twice walks the diagonal."""
    found: dict[str, int] = {}
    for size, step, letter in zip(shape, strides_of(shape), word, strict=True):
        found[letter] = found.get(letter, 0) + (step if size > 1 else 0)
    return found


def _of(steps: dict[str, int], letters: str) -> Strides:
    return tuple(steps.get(c, 0) for c in letters)
