"""The passes, in the order they run. A pass takes a module and gives a new one; none edits in place.

A pass is a function, or a frozen dataclass whose fields are its options. The module is verified before the first pass and
after every one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mcugen.boards import Target
from mcugen.diagnostics import McugenError
from mcugen.ir import Module, verify_module
from mcugen.passes.arrivals import arrivals
from mcugen.passes.by_rows import by_rows
from mcugen.passes.calibrate import calibrate
from mcugen.passes.constant_channels import constant_channels
from mcugen.passes.dead_code import dead_code
from mcugen.passes.fold_categories import fold_categories
from mcugen.passes.fold_constants import fold_constants
from mcugen.passes.fold_linear import fold_linear
from mcugen.passes.fold_points import fold_points
from mcugen.passes.fold_scaling import fold_scaling
from mcugen.passes.fuse_sums import fuse_sums
from mcugen.passes.layers import layers
from mcugen.passes.order import order
from mcugen.passes.pack_tables import pack_tables
from mcugen.passes.pair_chains import pair_chains
from mcugen.passes.pair_machines import pair_machines
from mcugen.passes.pair_scores import pair_scores
from mcugen.passes.pair_terms import pair_terms
from mcugen.passes.select import select
from mcugen.passes.sure_sides import sure_sides
from mcugen.passes.wide_layers import wide_layers

Pass = Callable[[Module, Target], Module]
Dump = Callable[[str, str], None]

PIPELINE: tuple[Pass, ...] = (
    layers,
    fold_constants,
    pair_scores,
    dead_code,
    fold_categories,
    fold_scaling,
    pair_terms,
    pair_chains,
    sure_sides,
    pair_machines,
    fold_linear,
    fold_points,
    dead_code,
    fuse_sums,
    constant_channels,
    calibrate,
    wide_layers,
    select,
    pack_tables,
    dead_code,
    by_rows,
    arrivals,
    order,
)


def run(module: Module, target: Target, dump: Dump | None = None, pipeline: tuple[Pass, ...] = PIPELINE) -> Module:
    """The module after every pass of the pipeline. `dump` gets each pass's name and the text of what it made.

    Raises E0202 where a pass leaves a graph that is not well formed, with a note that names the pass.
    """
    verify_module(module)
    for one in pipeline:
        module = one(module, target)
        if dump:
            dump(name_of(one), str(module))
        _verify_after(one, module)
    return module


def name_of(one: Pass) -> str:
    """What the dump calls a pass: its function's name, or its class's."""
    return getattr(one, "__name__", type(one).__name__)


def _verify_after(one: Pass, module: Module) -> None:
    try:
        verify_module(module)
    except McugenError as broken:
        notes = (f"after the pass {name_of(one)}",)
        raise McugenError(replace(d, notes=(*d.notes, *notes)) for d in broken.diagnostics) from broken
