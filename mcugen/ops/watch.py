"""watch: how well a learner does as it learns, and whether that has changed; Page, Biometrika 41 (1954); Gama et al., 2013."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op

FADING = 8  # bits: a row counts 1/256 of the error, so that it fades by 0.9961 a row
UNIT = 1024  # an error in the test
SLACK = 20  # of those: what an error's mean may rise by beside three quarters of the mean itself
THRESHOLD = 5 * UNIT
UNKNOWN = 1 << 15  # an error rate to begin with: 1/2
OVERALL = 1  # an alarm; of class c it is c + 2
MOST_COUNTED = 2**32 - 1


@dataclass(frozen=True, eq=False)
class Watch(Op):
    """Counts with one row more, tested before it was learnt (prequential); in place: the outputs lie where the inputs do.

    The error rate fades: error += (wrong - error) / min(2^bits(n), 256), 16 fraction bits, beginning with 1/2. Page-Hinkley's test
    watches it rise: rise = max(0, rise + wrong - 1.75 error - 20/1024), in units of 1/1024, an alarm above 5. That the error counts
    nearly twice keeps steady ones from alarming, however frequent: fewer than one in 10,000 rows on average.

    Inputs: the class that was predicted and the one that it is, `i32`; how many rows were seen and right, `u32`, which stop at
    their limit; error and rise `u16`, known rows `u8` (up to 255), the alarm `u8`, 0 where there is none. Where classes are watched, too: error,
    rise and known rows of each, (k,), and counts `u16` (k, k) of rows by what they are and what they were taken for.
    """

    name: ClassVar[str] = "watch"
    updates: ClassVar[tuple[int, ...]] = tuple(range(2, 12))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        scalars = (DType.I32, DType.I32, DType.U32, DType.U32, DType.U16, DType.U16, DType.U8, DType.U8)
        wanted = [TensorType((), one) for one in scalars]
        if len(inputs) > len(wanted):
            k = inputs[-1].shape[-1:]
            kinds = (DType.U16, DType.U16, DType.U8)
            wanted += [*(TensorType(k, one) for one in kinds), TensorType((*k, *k), DType.U16)]
        if [*inputs] != wanted:
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"watch takes two classes and its counts, not {found}", help="see its docs")
        return inputs[2:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        label, y, seen, right, *others = (np.array(one) for one in inputs)
        wrong = int(label) != int(y)
        seen[...] = min(int(seen) + 1, MOST_COUNTED)
        right[...] = min(int(right) + (not wrong), MOST_COUNTED)
        error, rise, known, alarm, *classes = others
        if _rises(error, rise, known, wrong=wrong):
            alarm[...] = OVERALL
        if classes:
            *each, confusion = classes
            at = slice(int(y), int(y) + 1)
            if _rises(*(one[at] for one in each), wrong=wrong):
                alarm[...] = int(alarm) or int(y) + 2
            confusion[int(y), int(label)] = min(int(confusion[int(y), int(label)]) + 1, 65_535)
        return seen, right, *others

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        return {
            "classes": inputs[-1].shape[0] if len(inputs) > 8 else 0,
            "unit": UNIT,
            "slack": SLACK,
            "threshold": THRESHOLD,
        }


def _rises(error: Any, rise: Any, known: Any, *, wrong: bool) -> bool:
    """The test with one row more, in place: arrays of one number."""
    mean = int(error[...].item()) >> 6
    sum = max(0, int(rise[...].item()) + UNIT * wrong - 2 * mean - SLACK + (mean >> 2))
    rise[...] = 0 if sum > THRESHOLD else sum
    known[...] = min(int(known[...].item()) + 1, 255)
    now = int(error[...].item())
    error[...] = now + ((65_535 * wrong - now) >> min(FADING, int(known[...].item()).bit_length()))
    return sum > THRESHOLD
