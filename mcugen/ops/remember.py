"""remember: a memory of samples that a stream leaves; Chrysakis and Moens, ICML 2020; Vitter, ACM TOMS 11(1) (1985)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from mcugen.chance import below
from mcugen.diagnostics import error
from mcugen.ir import Array, DType, TensorType
from mcugen.op import Op

Policy = Literal["cbrs", "reservoir", "ring"]
MOST = 2**32 - 1


@dataclass(frozen=True, eq=False)
class Remember(Op):
    """A memory of m samples with one more, in place: the outputs lie where the inputs do. Until it is full it takes every sample; then

        cbrs       a sample of a class that was never the largest overwrites a random one of the largest; another one of its own
                   class, with the part that the memory holds of those it has seen: classes end as balanced as can be
        reservoir  overwrites a random one with the part that the memory holds of all samples
        ring       overwrites the oldest

    Inputs: a row (d,) of any type, its class `i32`; the samples (m, d); their numbers, sorted by class, `u8` or `u16` (m,); how many of each
    class there are, of the same type (k,), and were seen, `u32` (k,); which classes have been the largest, `u8` (k,); and the state of
    the generator, `u32`, not 0. A sample takes steps for the classes, not for the samples (but for `ring`).
    """

    name: ClassVar[str] = "remember"
    updates: ClassVar[tuple[int, ...]] = (2, 3, 4, 5, 6, 7)
    includes: ClassVar[tuple[str, ...]] = ("string.h",)

    policy: Policy = "cbrs"

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        x, y, samples, slots, held, seen, full, random = inputs
        count = slots.dtype in (DType.U8, DType.U16) and slots.dtype is held.dtype
        fits = samples == TensorType((*slots.shape, *x.shape), x.dtype) and held.shape == seen.shape == full.shape
        scalars = [y, random] == [TensorType((), DType.I32), TensorType((), DType.U32)]
        if not (count and fits and scalars):
            found = ", ".join(map(str, inputs))
            raise error("E0201", f"remember takes a row, its class and a memory, not {found}", help="see its docs")
        return inputs[2:]

    def evaluate(self, *inputs: Array) -> tuple[Array, ...]:
        x, y, *state = inputs
        memory = Memory(*(np.array(one) for one in state))
        memory.take(x, int(y), self.policy)
        return memory.state

    def describe(self) -> str:
        return self.policy

    def render(self, *inputs: TensorType) -> dict[str, Any]:
        _, _, samples, slots, held, *_ = inputs
        return {
            "policy": self.policy,
            "features": samples.shape[1],
            "row_t": samples.dtype.c,
            "size": slots.size,
            "slot_t": slots.dtype.c,
            "classes": held.size,
        }


@dataclass(frozen=True, eq=False)
class Memory:
    """The arrays of a memory, changed in place."""

    samples: Any
    slots: Any
    held: Any
    seen: Any
    full: Any
    random: Any

    @property
    def state(self) -> tuple[Array, ...]:
        """The arrays, as the op has them."""
        return self.samples, self.slots, self.held, self.seen, self.full, self.random

    def take(self, x: Array, y: int, policy: Policy) -> None:
        """One sample more."""
        self.seen[y] = min(int(self.seen[y]) + 1, MOST)
        filled = int(self.held.sum(dtype=np.int64))
        if filled < len(self.slots):
            self._insert(x, y, filled, len(self.held), filled)
            return
        at = {"cbrs": self._balanced, "reservoir": self._any, "ring": self._oldest}[policy](y)
        if at is None:
            return
        slot, old = int(self.slots[at]), self._class(at)
        if old == y:
            self.samples[slot] = x
            return
        last = self._start(old) + (int(self.held[old]) - 1 if old < y else 0)
        self.slots[at] = self.slots[last]
        self.held[old] -= 1
        self._insert(x, y, last, old, slot)

    def _insert(self, x: Array, y: int, hole: int, old: int, slot: int) -> None:
        """Put a sample into a slot whose number goes from a hole beside class `old` to the numbers of class y."""
        step = 1 if old < y else -1
        for one in range(old + step, y, step):
            end = self._start(one, hole, step)
            self.slots[hole], hole = self.slots[end], end
        self.slots[hole] = slot
        self.samples[slot] = x
        self.held[y] += 1

    def _start(self, one: int, hole: int | None = None, step: int = 0) -> int:
        if hole is None:
            return int(self.held[:one].sum(dtype=np.int64))
        return hole + step * int(self.held[one])  # its numbers lie beside the hole

    def _class(self, at: int) -> int:
        return int(np.searchsorted(np.cumsum(self.held, dtype=np.int64), at, side="right"))

    def _balanced(self, y: int) -> int | None:
        largest = int(np.argmax(self.held))
        self.full[self.held == self.held[largest]] = 1
        if not self.full[y]:
            return self._start(largest) + below(self.random, int(self.held[largest]))
        if below(self.random, int(self.seen[y])) >= self.held[y]:
            return None
        return self._start(y) + below(self.random, int(self.held[y]))

    def _any(self, y: int) -> int | None:
        every = min(int(self.seen.sum(dtype=np.int64)), MOST)
        return None if below(self.random, every) >= len(self.slots) else below(self.random, len(self.slots))

    def _oldest(self, y: int) -> int | None:
        oldest = (int(self.seen.sum(dtype=np.int64)) - 1) % 2**32 % len(self.slots)
        return int(np.flatnonzero(self.slots == oldest)[0])
