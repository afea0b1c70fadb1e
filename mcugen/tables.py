"""How large a table in flash may be."""

from __future__ import annotations

from collections.abc import Iterable

from mcugen.boards import Target
from mcugen.diagnostics import error

AVR_OBJECT = 32_767  # bytes of the largest object that avr-gcc takes


def check_tables(sizes: Iterable[int], target: Target, ways: Iterable[str]) -> None:
    """E0303 for tables of so many bytes that the target's compiler refuses one; `ways` are orders: `train fewer trees`."""
    largest = max(sizes, default=0)
    if not target.board.progmem or largest <= AVR_OBJECT:
        return
    help = "; or ".join([*ways, "choose a board with a 32-bit processor: `mcugen fit` says which"])
    message = f"a table of the model has {largest:,} B; an 8-bit AVR takes {AVR_OBJECT:,} B at most"
    raise error("E0303", message, help=help)
