"""Saves that are cut, and how evenly they wear, for benchmarks/trainers.py: firmware/test's programs, here and in the simulator."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.learning import Figure
from mcugen.data import firmware_dir
from mcugen.targets.simavr import simulate

STORE, TESTS = firmware_dir() / "store", firmware_dir() / "test"
RANDOM_CUTS = 10_000
SLOW = 1_000_000  # Hz: an EEPROM's byte takes 3.4 ms, which are fewer cycles to simulate


def storing(_seeds: int) -> Iterator[Figure]:
    """A cut at every byte of a save, with three kinds of torn bytes, and at random; the most writes of a slot beside the fewest."""
    with tempfile.TemporaryDirectory(prefix="mcugen-store-") as folder:
        yield from in_memory(Path(folder))
        yield from in_an_eeprom(Path(folder))


def in_memory(folder: Path) -> Iterator[Figure]:
    """Six layouts of EEPROM and flash in RAM; the program ends with an error where a cut leaves neither record."""
    sources = [STORE / f"mcugen_store{name}.c" for name in ("", "_ram", "_file")]
    program = folder / "store"
    subprocess.run(["gcc", "-O1", "-std=c99", TESTS / "store_test.c", *sources, "-o", program], check=True)
    done = subprocess.run([program, folder / "file"], capture_output=True, text=True, check=False)
    for name, least, most in re.findall(r"^(.*): wear (\d+) to (\d+)$", done.stdout, re.MULTILINE):
        yield figure(name, "most writes of a slot over fewest", int(most) / int(least), 2.0)
    for name, cuts in re.findall(r"^(.*): cuts (\d+)$", done.stdout, re.MULTILINE):
        yield figure(name, f"{int(cuts):,} cuts: neither record loads", 0, 0)
    if done.returncode:
        yield figure("", done.stderr.strip(), 1, 0)


def in_an_eeprom(folder: Path) -> Iterator[Figure]:
    """The EEPROM of a simulated Uno."""
    program, sources = folder / "store.elf", [STORE / "mcugen_store.c", STORE / "mcugen_store_eeprom.c"]
    options = ["-mmcu=atmega328p", "-Os", "-std=c99", f"-DRANDOM_CUTS={RANDOM_CUTS}"]
    subprocess.run(["avr-gcc", *options, TESTS / "store_chip.c", *sources, "-o", program], check=True)
    done = simulate(program, mcu="atmega328p", freq=SLOW)
    failed = np.frombuffer(done.results, "<u2")  # lines of checks that failed, then 0
    what = f"every byte, {RANDOM_CUTS:,} random cuts: checks that failed"
    yield figure("EEPROM in simavr", what, len(failed) - 1 if done.end == "exit" else np.inf, 0)


def figure(name: str, what: str, found: float, most: float) -> Figure:
    """A figure of a store, at most `most`."""
    return Figure("storage", name, "", what, found, most, True)
