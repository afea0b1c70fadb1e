"""A network with temporaries in two memories of a simulated board: the bits of one memory, and sections as large as the plan says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_rows_on_boards import TOOLS, dense

from mcugen.boards import Target, load_board
from mcugen.emit import emit
from mcugen.memory.plan import plan
from mcugen.passes import run
from mcugen.ram import rams_of
from mcugen.targets import elf, host, toolchain_for
from mcugen.targets.driver import Unit
from mcugen.targets.sketch import arenas_of


@pytest.mark.parametrize("way", ["never", "always"])
def test_buffers_lie_in_both(way: str, require: Any, tmp_path: Path) -> None:
    """Bare metal: one is the board's RAM, the other one of its own at another address."""
    require(*TOOLS["feather_nrf52840"])
    target = Target(load_board("feather_nrf52840"), by_rows=way)  # type: ignore[arg-type]
    module = run(dense(f"dense_{way}"), target)
    whole = plan(module, target)
    two = replace(target, ram=rams_of("fast:4k,psram:1M"))
    made = plan(module, two)
    fast, psram = made.arenas
    assert 0 < fast.nbytes <= 4096 < whole.arena
    assert psram.nbytes > 0
    one, other = Unit(module, emit(module, whole, target)), Unit(module, emit(module, made, two))
    x = np.random.default_rng(4).integers(-128, 128, (2, 24, 24, 4)).astype(np.int8)
    wanted = host.compile_for_host([one], [*host.STRICT, "-O1"]).run([x])[0]
    tools = toolchain_for(target.board)
    programs = [tools.link([unit], target.board, tmp_path / str(i)) for i, unit in enumerate((one, other))]
    (done,) = tools.run_program(programs[1], [other], [[x]], target.board)
    np.testing.assert_array_equal(done.outputs[0], wanted)
    arrays = {s.name: (s.section, s.size) for s in elf.symbols(programs[1]) if "_arena" in s.name}
    assert arrays == {
        f"dense_{way}_arena_fast": (".bss", fast.nbytes),
        f"dense_{way}_arena_psram": (".apart", psram.nbytes),
    }
    assert arenas_of(elf.symbols(programs[1]), other.module.name) == {"fast": fast.nbytes, "psram": psram.nbytes}
    assert elf.sections(programs[1])[".apart"] == psram.nbytes
    before, after = (elf.sections(program)[".bss"] for program in programs)
    assert abs(before - after - (whole.arena - fast.nbytes)) < 8  # of alignment
    assert elf.usage(programs[0]).ram - elf.usage(programs[1]).ram == before - after
