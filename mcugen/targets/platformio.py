"""PlatformIO as a program: the registry's platform where the registry answers, else ours over the system's tools.

"system" runs in a core folder of mcugen's own (below the cache; the user's is not touched) that holds the platforms of
firmware/platformio under the names and versions that the boards ask for, and SCons from PyPI in the place of PlatformIO's
own package of it. Of a platform that firmware/platformio has no folder for, `bare` is the stand-in: compilers of the system,
our start-up code and a minimal Arduino.h; its boards come from boards/*.toml.
"registry" runs in the user's own core folder and environment: there PlatformIO downloads what it needs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mcugen.boards import Board, all_boards
from mcugen.data import firmware_dir
from mcugen.diagnostics import McugenError, error
from mcugen.targets.cache import cache_dir
from mcugen.targets.cores import bare_build

PINNED = "atmelavr@5.2.0"
INSTALL = "pip install 'mcugen[build]'"
OLDEST = 6
CHECK_SECONDS = 3.0  # how long the registry may take to answer


@dataclass(frozen=True)
class PioResult:
    """A finished PlatformIO run: its return code, its output and errors in one text, and which platform it ran with."""

    returncode: int
    output: str
    platform: str  # "system" or "registry"


@dataclass(frozen=True)
class _Pio:
    """An installed PlatformIO: its Python and version, the tool-scons it wants, and a folder that has SCons."""

    python: str
    version: str
    scons: str
    scons_folder: str


def run_pio(
    project: Path, args: Sequence[str], *, timeout: float, platform: str = "system", board: Board | None = None
) -> PioResult:
    """`pio run -d PROJECT ARGS...`, for example `["-e", "uno", "-t", "upload", "--upload-port", port]`.

    board  one that does not come with mcugen, for "system"
    A build that fails is a result, not an error. E0605 without PlatformIO, E0602 after `timeout` seconds.
    """
    command = [find_pio().python, "-m", "platformio", "run", "-d", str(project), *args]
    if platform == "registry":
        return _run(command, os.environ, timeout, platform)
    with _build_cache() as folder:
        return _run(command, {**system_environment(board), **folder}, timeout, platform)


def choose_platform(pinned: str = PINNED) -> str:
    """ "registry" where the platform at its pinned version is installed or the registry answers in 3 s, else "system".

    `$MCUGEN_PLATFORMIO` decides instead where it is set. The verdict holds for the process.
    """
    forced = os.environ.get("MCUGEN_PLATFORMIO", "")
    if forced in ("system", "registry"):
        return forced
    if forced:
        raise error("E0605", f"MCUGEN_PLATFORMIO is '{forced}'", help="set it to system or registry, or unset it")
    return "registry" if _is_installed(pinned) or _registry_answers(pinned) else "system"


def system_environment(board: Board | None = None) -> dict[str, str]:
    """The environment of a "system" run: PlatformIO in our core folder, without telemetry, upgrades or colours."""
    moved = ("PACKAGES", "PLATFORMS", "GLOBALLIB", "CACHE", "BOARDS")
    kept = {key: value for key, value in os.environ.items() if key not in {f"PLATFORMIO_{name}_DIR" for name in moved}}
    return {**kept, **_QUIET, "PLATFORMIO_CORE_DIR": str(core_dir(board))}


_QUIET = {
    "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    "PLATFORMIO_SETTING_CHECK_PLATFORMIO_INTERVAL": "36500",
    "PLATFORMIO_SETTING_CHECK_PRUNE_SYSTEM_THRESHOLD": "0",
    "PLATFORMIO_NO_ANSI": "true",
}


# ---- finding PlatformIO ---------------------------------------------------------------------------------------------


@cache
def find_pio() -> _Pio:
    """PlatformIO in this Python, else the one on PATH. E0605 where there is none, or no SCons for it."""
    python = sys.executable if importlib.util.find_spec("platformio") else _python_of_path()
    facts = _ask([python, "-c", _FACTS], os.environ, 20)
    if not facts:
        raise error("E0605", "PlatformIO does not start", help=f"install it again: `{INSTALL}`")
    if int(facts["version"].partition(".")[0]) < OLDEST:
        help = f"install version {OLDEST} or newer: `{INSTALL}`"
        raise error("E0605", f"PlatformIO {facts['version']} is too old", help=help)
    folder = facts["scons_folder"] or _our_scons_folder()
    return _Pio(python, facts["version"], facts["scons"].lstrip("~^= "), folder)


_FACTS = """
import importlib.util, json, os, platformio
from platformio.dependencies import get_core_dependencies
scons = importlib.util.find_spec("SCons")
print(json.dumps({
    "version": platformio.__version__,
    "scons": get_core_dependencies()["tool-scons"],
    "scons_folder": os.path.dirname(os.path.dirname(scons.origin)) if scons else "",
}))
"""


def _python_of_path() -> str:
    program = shutil.which("pio") or shutil.which("platformio")
    info = _ask([program, "system", "info", "--json-output"], {**os.environ, **_QUIET}, 20) if program else {}
    if not info:
        raise error("E0605", "PlatformIO is not installed", help=f"install it: `{INSTALL}`")
    return str(info["python_exe"]["value"])


def _our_scons_folder() -> str:
    """PlatformIO lives in a Python of its own, without SCons: ours serves."""
    scons = importlib.util.find_spec("SCons")
    if scons is None or scons.origin is None:
        raise error("E0605", "SCons, which PlatformIO builds with, is not installed", help=f"install it: `{INSTALL}`")
    return str(Path(scons.origin).parent.parent)


def _ask(command: Sequence[str], env: Mapping[str, str], timeout: float) -> dict[str, Any]:
    """The JSON object that a program prints, empty when it fails or takes too long."""
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=True)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError):
        return {}
    return answer if isinstance(answer, dict) else {}


# ---- which platform -------------------------------------------------------------------------------------------------


@cache
def _is_installed(pinned: str) -> bool:
    """The user's own core folder has the platform at this version."""
    name, _, version = pinned.partition("@")
    core = Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")
    for manifest in (core / "platforms").glob(f"{name}*/platform.json"):
        try:
            found = json.loads(manifest.read_text(encoding="utf-8")).get("version")
        except (OSError, ValueError, AttributeError):
            continue
        if found == version:
            return True
    return False


@cache
def _registry_answers(pinned: str) -> bool:
    """PlatformIO itself looks the platform up; only it knows where its registry is, and through which proxy."""
    command = [find_pio().python, "-m", "platformio", "pkg", "show", "--type", "platform", f"platformio/{pinned}"]
    fresh = {**system_environment(), "PLATFORMIO_SETTING_ENABLE_CACHE": "no"}
    try:
        done = subprocess.run(command, env=fresh, capture_output=True, timeout=CHECK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


# ---- our core folder ------------------------------------------------------------------------------------------------


@cache
def core_dir(board: Board | None = None) -> Path:
    """PlatformIO's core folder of our own, made at its first use and named after all that is in it.

    It knows the boards that come with mcugen, and `board`.
    """
    pio = find_pio()
    files = dict(_platform_files([*all_boards(), *([board] if board else [])]))
    digest = hashlib.sha256(repr((pio, sorted(files.items()))).encode()).hexdigest()[:16]
    core = cache_dir() / "platformio" / digest
    if not core.is_dir():
        _make_core(core, pio, files)
    return core


def _platform_files(boards: Sequence[Board]) -> Iterator[tuple[str, bytes]]:
    """The files of all platforms, by their paths in the core folder's platforms/."""
    for platform in ("native", *dict.fromkeys(b.platformio.platform for b in boards if b.platformio)):
        name, _, version = platform.rpartition("/")[2].partition("@")
        source = firmware_dir() / "platformio" / name
        source = source if source.is_dir() else source.with_name("bare")
        folder = f"{name}@{version}" if version else name
        for path in sorted(p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            yield f"{folder}/{path.relative_to(source).as_posix()}", path.read_bytes()
        manifest = json.loads((source / "platform.json").read_bytes())
        version = version or manifest["version"]
        yield f"{folder}/platform.json", _json({**manifest, "name": name, "version": version})
        yield f"{folder}/.piopm", _json(_piopm("platform", name, version))
        if source.name == "bare":
            for one in (b for b in boards if b.platformio and b.platformio.platform == platform):
                yield f"{folder}/boards/{one.platformio.board}.json", _json(_bare_board(one))  # type: ignore[union-attr]


def _bare_board(board: Board) -> dict[str, Any]:
    """A board as PlatformIO has it; its memories become the limits of the linker script."""
    return {
        "name": board.title,
        "vendor": "mcugen",
        "url": "",
        "frameworks": ["arduino"],
        "build": {"mcu": board.mcu, "f_cpu": f"{board.clock}L", "arch": board.arch, **bare_build(board)},
        "upload": {"maximum_size": board.flash, "maximum_ram_size": board.ram},
    }


def _make_core(core: Path, pio: _Pio, files: Mapping[str, bytes]) -> None:
    """Fill a folder of this process's own and rename it, so that parallel processes never see half of a core folder."""
    core.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=core.parent) as temporary:
        made = Path(temporary) / core.name
        for path, content in files.items():
            _write(made / "platforms" / path, content)
        _make_scons(made / "packages" / "tool-scons", pio)
        _write(
            made / "appstate.json",
            _json({"cid": "00000000-0000-0000-0000-000000000000", "last_version": pio.version}),
        )
        try:
            made.rename(core)
        except OSError:
            if not core.is_dir():  # else another process was faster, and its folder is the same
                raise


def _make_scons(folder: Path, pio: _Pio) -> None:
    start = f"import sys\n\nsys.path.append({pio.scons_folder!r})\nfrom SCons.Script import main\n\nmain()\n"
    _write(folder / "scons.py", start.encode())
    _write(folder / "package.json", _json({"name": "tool-scons", "version": pio.scons, "system": "*"}))
    _write(folder / ".piopm", _json(_piopm("tool", "tool-scons", pio.scons)))
    _write(folder / ".piokeep", b"")


def _piopm(kind: str, name: str, version: str) -> dict[str, Any]:
    spec = {"owner": "platformio", "id": None, "name": name, "requirements": None, "uri": None}
    return {"type": kind, "name": name, "version": version, "spec": spec}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode()


# ---- running --------------------------------------------------------------------------------------------------------


@contextmanager
def _build_cache() -> Iterator[dict[str, str]]:
    """An object cache that no other process uses meanwhile: SCons writes its index there without a lock."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield {}
        return
    folder = cache_dir() / "platformio" / "objects"
    folder.mkdir(parents=True, exist_ok=True)
    for slot in range(8):
        with (folder / f"{slot}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield {"PLATFORMIO_BUILD_CACHE_DIR": str(folder / str(slot))}
            return
    yield {}


def _run(command: Sequence[str], env: Mapping[str, str], timeout: float, platform: str) -> PioResult:
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException as problem:
            _stop(process)
            if isinstance(problem, subprocess.TimeoutExpired):
                raise _too_slow(process, timeout, platform) from problem
            raise
    return PioResult(process.returncode, output, platform)


def _stop(process: subprocess.Popen[str]) -> None:
    """End PlatformIO with the compilers and uploaders it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _too_slow(process: subprocess.Popen[str], timeout: float, platform: str) -> McugenError:
    output, _ = process.communicate()
    way_out = "try MCUGEN_PLATFORMIO=system" if platform == "registry" else "try again with a longer time-out"
    return error(
        "E0602",
        f"PlatformIO took more than {timeout:g} s",
        help=f"{way_out}; a download that does not come looks like this too",
        notes=output.splitlines()[-5:],
    )


def call_pio(args: Sequence[str], platform: str, board: Board | None = None) -> int:
    """`pio ARGS...` on this terminal, as long as it takes; its exit code. E0605 without PlatformIO.

    board  one that does not come with mcugen, for "system"
    With the platform "system" it runs in our core folder. `mcugen` is on its PATH: tests in a simulator call it.
    """
    command = [find_pio().python, "-m", "platformio", *args]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if platform == "registry":
        return subprocess.call(command, env={**os.environ, "PATH": path})
    with _build_cache() as folder:
        return subprocess.call(command, env={**system_environment(board), **folder, "PATH": path})


def project_platform(folder: Path) -> str:
    """The platform that a project's first board asks for; ours for AVR where there is none, of which PlatformIO says more."""
    ini = ConfigParser(interpolation=None, strict=False)
    with suppress(OSError, UnicodeDecodeError, ConfigParserError):
        ini.read_string((folder / "platformio.ini").read_text(encoding="utf-8"))
    found = (ini.get(section, "platform", fallback="native") for section in ini.sections())
    return next((platform for platform in found if platform != "native"), PINNED)
