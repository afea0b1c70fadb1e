"""The ops, found by place: every module or package in this folder is one op, and nothing lists them."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from mcugen.op import Op


@cache
def all_ops() -> dict[str, type[Op]]:
    """Every op by name. A file whose name is not its op's is a programming error and fails here."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        scope = vars(import_module(f"{__name__}.{module.name}"))
        (op,) = (
            v
            for v in scope.values()
            if isinstance(v, type) and issubclass(v, Op) and v.__module__.startswith(f"{__name__}.{module.name}")
        )
        if op.name != module.name:
            raise ImportError(f"ops/{module.name}.py defines the op '{op.name}'")
        found[op.name] = op
    return found
