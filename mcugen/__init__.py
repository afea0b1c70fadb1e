"""mcugen compiles scikit-learn models to C for microcontrollers and proves that the C gives the same answers."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mcugen.diagnostics import Diagnostic, Loc, McugenError

if TYPE_CHECKING:
    from mcugen.compile import Compiled, compile
    from mcugen.trainers.trainer import Trainer, trainer

__version__ = "0.1.0"
__all__ = ["Compiled", "Diagnostic", "Loc", "McugenError", "Trainer", "compile", "trainer"]


def __getattr__(name: str) -> Any:
    # compile.py brings in NumPy and Jinja; `mcugen --help` must not wait for them.
    if name in ("compile", "Compiled"):
        import importlib

        return getattr(importlib.import_module("mcugen.compile"), name)
    if name in ("trainer", "Trainer"):
        import importlib

        return getattr(importlib.import_module("mcugen.trainers.trainer"), name)
    raise AttributeError(f"module 'mcugen' has no attribute {name!r}")


class _Package(ModuleType):
    """Importing the module mcugen.compile binds its name here; the function of that name is what a user means."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "compile" and isinstance(value, ModuleType):
            value = value.compile
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
