"""What is installed, what is missing, and the command that installs it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcugen.diagnostics import McugenError

CORE = "pip install mcugen"
BUILD = "pip install 'mcugen[build]'"


@dataclass(frozen=True)
class Check:
    """One thing that mcugen works with: what it is for, the version that is there (None: missing), how to get it."""

    name: str
    use: str
    found: str | None
    install: str


def examine() -> Iterator[Check]:
    """Every check, the cheap ones first. Nothing is installed or changed."""
    for name, use in _CORE.items():
        yield Check(name, use, _package(name), CORE)
    for name, use in _BUILD.items():
        yield Check(name, use, _package(name), BUILD)
    for name, use, find, install in _TOOLS:
        yield Check(name, use, find(), install)


_CORE = {
    "numpy": "arrays",
    "scikit-learn": "the models",
    "onnx": "ONNX graphs, in a later version",
    "skops": "model files that run no code",
    "jinja2": "templates of the C",
    "networkx": "graphs",
    "click": "the command line",
    "rich": "tables",
}
_BUILD = {
    "platformio": "building and flashing",
    "scons": "PlatformIO's builder",
    "pyelftools": "sizes of what was built",
    "pyserial": "serial ports",
}


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


# ---- tools ----------------------------------------------------------------------------------------------------------


def _compiler() -> tuple[str, ...] | None:
    from mcugen.targets.host import find_compiler

    try:
        return find_compiler()
    except McugenError:  # CC names what is not there
        return None


def _host_compiler() -> str | None:
    command = _compiler()
    return _said([*command, "--version"]) if command else None


def _avr_gcc() -> str | None:
    return _program("avr-gcc", "-dumpversion")


def _avr_libc() -> str | None:
    # The compiler knows where its C library is; the version is a macro of it.
    macros = _said(["avr-gcc", "-E", "-dM", "-include", "avr/version.h", "-x", "c", "/dev/null"], whole=True)
    version = re.search(r'__AVR_LIBC_VERSION_STRING__ "([^"]+)"', macros or "")
    return version.group(1) if version else None


def _arduino_core() -> str | None:
    from mcugen.targets.simavr import arduino_core

    try:
        folder = arduino_core()
    except McugenError:
        return None
    try:
        version = re.search(r"^version=(\S+)", (folder / "platform.txt").read_text("utf-8", "replace"), re.MULTILINE)
    except OSError:
        version = None
    return version.group(1) if version else str(folder)


def _simavr() -> str | None:
    """libsimavr and libelf with their headers: a program is linked with them, as the runner will be."""
    command = _compiler()
    if command is None:
        return None
    with tempfile.TemporaryDirectory(prefix="mcugen-doctor-") as folder:
        source = Path(folder) / "check.c"
        source.write_text(
            "#include <simavr/sim_avr.h>\n#include <libelf.h>\nint main(void) { return !avr_make_mcu_by_name; }\n"
        )
        linked = _said([*command, str(source), "-o", f"{folder}/check", "-lsimavr", "-lelf"], whole=True)
    return (_said(["pkg-config", "--modversion", "simavr"]) or "there") if linked is not None else None


def _avrdude() -> str | None:
    return _program("avrdude", "-?")


def _cross(prefix: str, *flags: str) -> Callable[[], str | None]:
    """The version of a cross compiler that links a program with its C library: each can be there without the other."""

    def find() -> str | None:
        from mcugen.targets.alone import OLDEST

        name = f"{prefix}gcc"
        with tempfile.TemporaryDirectory(prefix="mcugen-doctor-") as folder:
            source = Path(folder) / "check.c"
            source.write_text("#include <stdlib.h>\n#include <string.h>\nint main(void) { return abs(1); }\n")
            linked = _said([name, *flags, "-c", str(source), "-o", f"{folder}/check.o"], whole=True)
        version = _program(name, "-dumpversion") if linked is not None else None
        return version if version and int(version.partition(".")[0]) >= OLDEST[name] else None

    return find


def _qemu(program: str) -> Callable[[], str | None]:
    def find() -> str | None:
        from mcugen.targets.qemu import OLDEST, plugin, qemu_version

        version = qemu_version(program)
        if version is None or tuple(map(int, version.split(".")[:2])) < OLDEST:
            return None
        try:
            counts = plugin(program) is not None
        except McugenError:
            counts = False
        return version if counts else f"{version} (without plugins: counts in steps)"

    return find


def _ziglang() -> str | None:
    return _package("ziglang")


def _platformio() -> str | None:
    """PlatformIO in this Python or on PATH, that starts and has SCons."""
    from mcugen.targets.platformio import find_pio

    try:
        return find_pio().version
    except McugenError:
        return None


_TOOLS: Sequence[tuple[str, str, Callable[[], str | None], str]] = (
    ("C compiler", "the proof on this computer", _host_compiler, "sudo apt install gcc, or: pip install ziglang"),
    ("PlatformIO starts", "building and flashing", _platformio, BUILD),
    ("avr-gcc", "Uno, Nano, Mega, Leonardo", _avr_gcc, "sudo apt install gcc-avr binutils-avr"),
    ("avr-libc", "their C library", _avr_libc, "sudo apt install avr-libc"),
    ("Arduino AVR core", "sketches without a download", _arduino_core, "sudo apt install arduino-core-avr"),
    ("libsimavr", "the AVR simulator", _simavr, "sudo apt install libsimavr-dev libelf-dev"),
    ("avrdude", "flashing AVR boards", _avrdude, "sudo apt install avrdude"),
    (
        "arm-none-eabi-gcc",
        "Cortex-M boards in QEMU",
        _cross("arm-none-eabi-", "-mcpu=cortex-m4", "-mthumb"),
        "sudo apt install gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib",
    ),
    ("qemu-system-arm", "the Cortex-M simulator", _qemu("qemu-system-arm"), "sudo apt install qemu-system-arm"),
    (
        "riscv64-unknown-elf-gcc",
        "ESP32-C3 in QEMU",
        _cross("riscv64-unknown-elf-", "-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"),
        "sudo apt install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    ),
    ("qemu-system-riscv32", "the RISC-V simulator", _qemu("qemu-system-riscv32"), "sudo apt install qemu-system-misc"),
    (
        "xtensa-lx106-elf-gcc",
        "checks of C for the ESP32",
        lambda: _program("xtensa-lx106-elf-gcc", "-dumpversion"),
        "sudo apt install gcc-xtensa-lx106",
    ),
    ("ziglang", "types of C for the ESP32", _ziglang, "pip install ziglang"),
    ("esptool", "images of the ESP32-C3, in the tests", lambda: _package("esptool"), "pip install esptool"),
)


def _program(name: str, *args: str) -> str | None:
    """The version that a program on PATH says it has, or that it is there."""
    if shutil.which(name) is None:
        return None
    said = _said([name, *args], whole=True, may_fail=True) or ""
    version = re.search(r"\d+\.\d+(?:[.-]\w+)*", said)
    return version.group() if version else "there"


def _said(command: Sequence[str], *, whole: bool = False, may_fail: bool = False) -> str | None:
    """What a program prints, or its first line; None where it is missing or fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode and not may_fail:
        return None
    return done.stdout if whole else (done.stdout.strip().splitlines() or ["there"])[0]


def python() -> str:
    """The Python that mcugen runs in, as `3.11.2 (/usr/bin/python3)`."""
    return f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})"
