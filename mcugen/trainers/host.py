"""A trainer's C on this computer."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mcugen.data import firmware_dir
from mcugen.emit import Files
from mcugen.interface import learning_of
from mcugen.ir import Array, DType, Module, Storage
from mcugen.memory.plan import MemoryPlan
from mcugen.targets.host import compile_c, compiler, writing


class OnHost:
    """The functions of a trainer, compiled for this computer, with a state of its own. E0601, E0602 without a compiler."""

    def __init__(self, module: Module, plan: MemoryPlan, files: Files) -> None:
        self.module, self.plan = module, plan
        self._library, self._folder = _built(module, files)
        self._state = (ctypes.c_uint8 * (plan.state + 64))()
        self._row = DType.of(_ROWS[learning_of(module).row.ctype]).numpy
        self._call("init")

    def rows(self, x: object) -> Array:
        """Rows (n, features) as the C takes them, each one after the other in memory."""
        return np.ascontiguousarray(x, self._row)

    def predict(self, rows: Array) -> Array:
        """The class of each row, or the code with which it is refused: (n,) int64."""
        return np.array([self._call("predict", row.ctypes.data_as(ctypes.c_void_p)) for row in rows], np.int64)

    def learn(self, rows: Array, classes: Array) -> Array:
        """Every row learnt in turn: what each was taken for before, or the code with which it is refused: (n,) int64."""
        pairs = zip(rows, classes.tolist(), strict=True)
        found = [self._call("learn", row.ctypes.data_as(ctypes.c_void_p), ctypes.c_int(y)) for row, y in pairs]
        return np.array(found, np.int64)

    def drift(self) -> int:
        """The alarm since the last call; 0 where there is none, or nothing is watched."""
        return self._call("drift") if "alarm" in self._types else 0

    def drop(self) -> int:
        """Drop what no decision needs; how many pairs are left."""
        return self._call("drop")

    def reset(self) -> None:
        """Forget what was learnt."""
        self._call("init")

    @property
    def state(self) -> bytes:
        """What is kept, as it lies in the memory of any board."""
        return bytes(self._state)[: self.plan.state]

    @state.setter
    def state(self, content: bytes) -> None:
        self._call("init")
        ctypes.memmove(self._state, content, self.plan.state)

    @property
    def values(self) -> Mapping[str, Array]:
        """What is kept, by name."""
        return self.decoded(self.state)

    def decoded(self, content: bytes) -> dict[str, Array]:
        """The values of a state by name."""
        found = {}
        for name, type in self._types.items():
            at = self.plan.places[name].offset
            found[name] = np.frombuffer(content, type.dtype.numpy, type.size, at).reshape(type.shape)
        return found

    @cached_property
    def _types(self) -> dict[str, Any]:
        graphs = self.module.functions
        return {v.name: v.type for g in graphs for v in g.of(Storage.STATE) if v.name not in g.producer}

    def _call(self, name: str, *arguments: object) -> int:
        function = getattr(self._library, f"{self.module.name}_{name}")
        return int(function(self._state, *arguments) or 0)


_ROWS = {"float": np.float32, "int8_t": np.int8, "uint8_t": np.uint8, "int16_t": np.int16}


def _built(module: Module, files: Files) -> tuple[ctypes.CDLL, tempfile.TemporaryDirectory[str]]:
    """The C as a shared library, and the folder that it lies in."""
    command = compiler()
    with writing():
        folder = tempfile.TemporaryDirectory(prefix="mcugen-trainer-")
        for path, text in files.items():
            (Path(folder.name) / Path(path).name).write_text(text)
        store = firmware_dir() / "store"
    source, library = Path(folder.name) / f"{module.name}.c", Path(folder.name) / "trainer.so"
    sources = [source, store / "mcugen_store.c", store / "mcugen_store_ram.c"] if module.state == "stored" else [source]
    flags = ("-std=c99", "-O2", "-ffp-contract=off", "-fPIC", "-shared", f"-I{store}")
    compile_c([*command, *flags, *map(str, sources), "-o", str(library), "-lm"])
    return ctypes.CDLL(str(library)), folder


def is_sound(values: Mapping[str, Array]) -> bool:
    """Whether the C can go on from a state: numbers are finite, and the memory's places exist, each once."""
    if any(value.dtype.kind == "f" and not np.isfinite(value).all() for value in values.values()):
        return False
    if "slots" not in values:
        return True
    filled = int(values["held"].sum(dtype=np.int64))
    taken = np.sort(values["slots"][:filled])
    return bool(values["random"]) and np.array_equal(taken, np.arange(filled))
