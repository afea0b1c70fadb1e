"""Writing an output folder: only what changed, all or none, and nothing of the user's.

`.mcugen.json` in the folder records which files are ours, with the hash of what we wrote. A file that is there and not
recorded, or recorded and since edited, belongs to the user. New files are staged in `.mcugen.stage` beside their places,
old ones moved into it, so that every step is a rename on one file system and can be taken back.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mcugen.diagnostics import Diagnostic, Loc, McugenError, error

MANIFEST = ".mcugen.json"
STAGE = ".mcugen.stage"

_HELP: Mapping[int, str] = {
    errno.ENOSPC: "free some space on the disk, or write elsewhere with -o",
    errno.EDQUOT: "your quota on this disk is used up: free some space, or write elsewhere with -o",
    errno.EACCES: "choose a folder that you may write to with -o",
    errno.EPERM: "choose a folder that you may write to with -o",
    errno.EROFS: "this disk is read-only: write elsewhere with -o",
    errno.ENOTDIR: "a file stands where a folder has to be: choose another folder with -o",
    errno.EEXIST: "a file stands where a folder has to be: choose another folder with -o",
    errno.ENAMETOOLONG: "the path is too long for this disk: choose a shorter -o or --name",
}


@dataclass(frozen=True)
class Written:
    """What `write` did, as paths inside the folder, sorted."""

    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]


def write(folder: Path, content: Mapping[str, str | bytes]) -> Written:
    """Make the folder hold exactly `content` of ours, and leave everything else in it alone.

    Only files that differ are written; files of an earlier call that are no longer part, and were not edited, go. Two
    processes that write at once take turns. Raises E0603 (all files at once, nothing written) where a path belongs to the
    user, E0604 where the disk refuses; the folder is then as it was.
    """
    data = {path: text if isinstance(text, bytes) else text.encode() for path, text in content.items()}
    if any(not _inside(path) for path in data):
        raise ValueError(f"not paths inside a folder: {[p for p in data if not _inside(p)]}")
    try:
        with _made(folder), _locked(folder):
            return _bring_up_to_date(folder, data)
    except OSError as problem:
        raise _refused(folder, problem) from problem


def check_file(file: Path, option: str, ours: Callable[[Path], bool] = lambda file: False) -> None:
    """E0603 where a file that `option` names is there and not ours, E0604 where there is no folder to write it to."""
    with _writing(file, option):
        if file.exists() and not ours(file):
            help = "nothing was written: give the name of a file that is not there yet"
            raise error("E0603", "mcugen did not write this file", help=help, loc=Loc(str(file)))
        file.parent.stat()


def write_file(file: Path, content: bytes, option: str, ours: Callable[[Path], bool] = lambda file: False) -> None:
    """A file that `option` names, whole or not at all. E0603 and E0604 as `check_file`, E0604 also where the disk refuses."""
    check_file(file, option, ours)
    with _writing(file, option):
        _replace(file, content)


@contextlib.contextmanager
def _writing(file: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        reason, help = problem.strerror or str(problem), f"give another file with {option}"
        raise error("E0604", f"cannot write: {reason}", help=help, loc=Loc(str(file))) from problem


def _replace(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:60]}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise


def _bring_up_to_date(folder: Path, data: Mapping[str, bytes]) -> Written:
    ours = _recorded(folder)
    _check_owner(folder, data, ours)
    changed = [path for path in sorted(data) if _read(folder / path) != data[path]]
    removed = [path for path in sorted(ours.keys() - data.keys()) if _is_untouched(folder, path, ours[path])]
    new = {path: data[path] for path in changed}
    manifest = _manifest(data)
    if _read(folder / MANIFEST) != manifest:
        new[MANIFEST] = manifest
    if new or removed:
        _exchange(folder, new, removed)
    return Written(tuple(changed), tuple(sorted(data.keys() - set(changed))), tuple(removed))


def _check_owner(folder: Path, data: Mapping[str, bytes], ours: Mapping[str, str]) -> None:
    foreign: list[str] = []
    edited: list[str] = []
    for path in sorted({*data, MANIFEST}):
        in_the_way = _in_the_way(folder, path)
        if in_the_way:
            foreign.append(in_the_way)
            continue
        old = _read(folder / path)
        if path == MANIFEST or old is None or old == data[path] or ours.get(path) == _hash(old):
            continue
        (edited if path in ours else foreign).append(path)
    if foreign or edited:
        raise McugenError(_conflicts(folder, list(dict.fromkeys(foreign)), edited))


def _conflicts(folder: Path, foreign: Sequence[str], edited: Sequence[str]) -> Iterator[Diagnostic]:
    if foreign:
        yield Diagnostic(
            "E0603",
            f"mcugen did not write {', '.join(foreign)}",
            "nothing was written: move what is there, or choose another folder with -o",
            Loc(str(folder)),
        )
    if edited:
        yield Diagnostic(
            "E0603",
            f"{', '.join(edited)} {'was' if len(edited) == 1 else 'were'} changed since mcugen wrote {'it' if len(edited) == 1 else 'them'}",
            "nothing was written: move your changes to files of your own and delete these, or choose another folder with -o",
            Loc(str(folder)),
        )


def _refused(folder: Path, problem: OSError) -> McugenError:
    return error(
        "E0604",
        f"cannot write: {problem.strerror or problem}",
        help=_HELP.get(problem.errno or 0, "choose another folder with -o"),
        loc=Loc(str(folder)),
        notes=("the folder is as it was",),
    )


# --- what is there


def _inside(path: str) -> bool:
    """Whether a path with slashes stays inside its folder, on any system, and is not one of the names above."""
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") for part in parts) and not set(path) & set("\\:\0")
    return plain and parts[0] not in (MANIFEST, STAGE)


def _in_the_way(folder: Path, path: str) -> str | None:
    """What stands in the way of a regular file at `path`: a link, which could lead out of the folder, or the wrong kind."""
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        here = "/".join(parts[:depth])
        try:
            mode = (folder / here).lstat().st_mode
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(mode):
            return f"{here} (a link)"
        if depth < len(parts) and not stat.S_ISDIR(mode):
            return f"{here} (not a folder)"
        if depth == len(parts) and not stat.S_ISREG(mode):
            return f"{here} (not a file)"
    return None


def _is_untouched(folder: Path, path: str, recorded: str) -> bool:
    if _in_the_way(folder, path):
        return False
    content = _read(folder / path)
    return content is not None and _hash(content) == recorded


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest(data: Mapping[str, bytes]) -> bytes:
    files = {path: _hash(content) for path, content in data.items()}
    return (json.dumps({"files": files}, indent=2, sort_keys=True) + "\n").encode()


def _recorded(folder: Path) -> dict[str, str]:
    """The manifest's files and hashes; nothing where it is missing or damaged, or names a path outside the folder."""
    content = None if _in_the_way(folder, MANIFEST) else _read(folder / MANIFEST)
    try:
        files = json.loads(content or b"null")["files"]
        sound = all(_inside(path) and isinstance(hash_, str) for path, hash_ in files.items())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return files if sound else {}


# --- all or none


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        _remove_empty(missing)
        raise


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time. The system frees the lock when a process ends, so that none is ever left behind."""
    if sys.platform == "win32":
        import msvcrt

        name = f"mcugen-{_hash(str(folder.resolve()).encode())[:16]}.lock"
        with (Path(tempfile.gettempdir()) / name).open("ab") as file:
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            yield
    else:
        import fcntl

        opened = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # some network file systems lock no folders: then it goes without
                fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)


def _exchange(folder: Path, new: Mapping[str, bytes], removed: Sequence[str]) -> None:
    """Put `new` in place and take `removed` away; on any error or interruption, everything is put back first."""
    stage = folder / STAGE
    shutil.rmtree(stage, ignore_errors=True)  # of a run that was killed
    stage.mkdir()
    try:
        for number, content in enumerate(new.values()):
            _write_through(stage / f"new{number}", content)
        with contextlib.ExitStack() as undo:
            for number, path in enumerate(removed):
                _move(folder / path, stage / f"removed{number}", undo)
            for number, path in enumerate(new):  # the manifest is the last
                _make_parents(folder / path, undo)
                if (folder / path).exists():
                    _move(folder / path, stage / f"old{number}", undo)
                _move(stage / f"new{number}", folder / path, undo)
            undo.pop_all()
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    for path in removed:
        _remove_empty(folder / parent for parent in PurePosixPath(path).parents[:-1])


def _write_through(file: Path, content: bytes) -> None:
    # To the disk itself: some file systems report a full disk only then, and by then the file must not be in place.
    with file.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _move(source: Path, target: Path, undo: contextlib.ExitStack) -> None:
    undo.callback(_move_back, target, source)
    source.rename(target)


def _move_back(target: Path, source: Path) -> None:
    if target.exists() and not source.exists():
        target.rename(source)


def _make_parents(file: Path, undo: contextlib.ExitStack) -> None:
    missing = [path for path in file.parents if not path.exists()]
    undo.callback(_remove_empty, missing)
    file.parent.mkdir(parents=True, exist_ok=True)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of the folders, the innermost first, that are there and empty."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
