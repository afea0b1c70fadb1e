"""Many models in one library for this computer, compiled as one file: gcc takes as long to begin a small file as to compile it."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sanitized import in_one

from mcugen.targets.driver import Unit, driver_sources, write_driver
from mcugen.targets.host import HostLibrary, compile_c, compiler

LIGHTLY = ("-std=c99", "-O1")


def library_of(units: Sequence[Unit], flags: Sequence[str] = LIGHTLY) -> HostLibrary:
    """`compile_for_host`, which is asked wherever a model is compiled alone; the units' names are different."""
    folder = tempfile.TemporaryDirectory(prefix="mcugen-tests-")
    here = Path(folder.name)
    driver, *files = write_driver(here, units)
    sources = [driver, in_one(here, files), driver_sources() / "host.c"]
    options = (*flags, "-ffp-contract=off", "-fPIC", "-shared", f"-I{driver_sources()}")
    compile_c([*compiler(), *options, *map(str, sources), "-o", str(here / "models.so"), "-lm"])
    return HostLibrary(tuple(units), ctypes.CDLL(str(here / "models.so")), folder)
