"""Writing a folder: only what changed, all or none, and nothing of the user's. "As it was" means bytes, modes and times."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from mcugen import folder as folder_module
from mcugen.diagnostics import McugenError
from mcugen.folder import MANIFEST, STAGE, Written, write

CONTENT = {"src/m.h": "h\n", "src/m.c": "c\n", "README.md": "read\n", "m.zip": b"\x00\xff"}
OTHER = {"lib/m/src/m.h": "h\n", "README.md": "read this\n", "platformio.ini": "ini\n"}


def tree(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file below a folder: its content (a link's target), mode and time; folders with an empty content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        status = path.lstat()
        found[path.relative_to(folder).as_posix()] = (data, status.st_mode, 0 if path.is_dir() else status.st_mtime_ns)
    return found


def texts(folder: Path) -> dict[str, bytes]:
    return {
        name: data
        for name, (data, mode, _) in tree(folder).items()
        if not (folder / name).is_dir() and name != MANIFEST
    }


def encoded(content: dict[str, str | bytes]) -> dict[str, bytes]:
    return {path: text if isinstance(text, bytes) else text.encode() for path, text in content.items()}


def refused(folder: Path, content: dict[str, str | bytes], code: str) -> str:
    """What `write` says when it refuses; the folder must be as it was."""
    before = tree(folder)
    with pytest.raises(McugenError) as caught:
        write(folder, content)
    assert {d.code for d in caught.value.diagnostics} == {code}
    assert tree(folder) == before
    return str(caught.value)


# --- only what changed


def test_writes_into_a_new_folder(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    assert write(out, CONTENT) == Written(tuple(sorted(CONTENT)), (), ())
    assert texts(out) == encoded(CONTENT)


def test_a_second_time_touches_nothing(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    before = tree(tmp_path)
    assert write(tmp_path, CONTENT) == Written((), tuple(sorted(CONTENT)), ())
    assert tree(tmp_path) == before


def test_writes_only_the_file_that_changed(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    before = tree(tmp_path)
    assert write(tmp_path, {**CONTENT, "src/m.c": "new\n"}).changed == ("src/m.c",)
    after = tree(tmp_path)
    assert {path for path in after if after[path] != before[path]} == {"src/m.c", MANIFEST}


def test_writes_a_file_again_that_was_deleted(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    (tmp_path / "src/m.c").unlink()
    assert write(tmp_path, CONTENT).changed == ("src/m.c",)


def test_takes_away_what_is_no_longer_part(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    assert write(tmp_path, OTHER).removed == ("m.zip", "src/m.c", "src/m.h")
    assert texts(tmp_path) == encoded(OTHER)
    assert not (tmp_path / "src").exists()


def test_takes_a_file_over_that_is_already_right(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("read\n")
    assert write(tmp_path, CONTENT).unchanged == ("README.md",)
    assert write(tmp_path, {"README.md": "new\n"}).changed == ("README.md",)


def test_the_manifest_is_the_same_everywhere(tmp_path: Path) -> None:
    write(tmp_path / "a", CONTENT)
    write(tmp_path / "b", OTHER)
    write(tmp_path / "b", dict(reversed(CONTENT.items())))
    text = (tmp_path / "a" / MANIFEST).read_text()
    assert text == (tmp_path / "b" / MANIFEST).read_text()
    assert str(tmp_path) not in text
    assert list(json.loads(text)["files"]) == sorted(CONTENT)


def test_an_unchanged_folder_may_be_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, CONTENT)
    monkeypatch.setattr(folder_module, "_exchange", no_space)
    assert write(tmp_path, CONTENT).changed == ()


# --- nothing of the user's


def test_lists_all_files_that_are_the_users(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "m.c").write_text("mine\n")
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    said = refused(tmp_path, CONTENT, "E0603")
    assert "README.md, src/m.c" in said
    assert "notes.txt" not in said
    assert "-o" in said


def test_leaves_other_files_alone(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "own.c").write_text("mine\n")
    write(tmp_path, CONTENT)
    write(tmp_path, OTHER)
    assert texts(tmp_path) == {**encoded(OTHER), "src/own.c": b"mine\n"}


def test_names_generated_files_that_were_edited(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    (tmp_path / "src/m.c").write_text("edited\n")
    (tmp_path / "src/m.h").write_text("edited\n")
    said = refused(tmp_path, {**CONTENT, "README.md": "new\n"}, "E0603")
    assert "src/m.c, src/m.h were changed since" in said


def test_foreign_and_edited_files_come_in_one_go(tmp_path: Path) -> None:
    write(tmp_path, {"src/m.c": "c\n"})
    (tmp_path / "src/m.c").write_text("edited\n")
    (tmp_path / "README.md").write_text("mine\n")
    said = refused(tmp_path, {"src/m.c": "new\n", "README.md": "new\n"}, "E0603")
    assert "src/m.c was changed" in said
    assert "did not write README.md" in said


def test_an_edit_that_is_what_would_be_written_is_none(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    (tmp_path / "src/m.c").write_text("new\n")
    assert write(tmp_path, {**CONTENT, "src/m.c": "new\n"}).changed == ()


def test_keeps_an_edited_file_that_is_no_longer_part(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    (tmp_path / "src/m.c").write_text("edited\n")
    assert write(tmp_path, OTHER).removed == ("m.zip", "src/m.h")
    assert (tmp_path / "src/m.c").read_text() == "edited\n"
    refused(tmp_path, CONTENT, "E0603")  # from now on it is the user's


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"files": []}', b'{"files": {"a": 1}}', b"[" * 100_000, b'{"files": 3}'],
)
def test_a_damaged_manifest_is_none(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path, CONTENT)
    (tmp_path / MANIFEST).write_bytes(damage)
    assert "did not write src/m.c" in refused(tmp_path, {"src/m.c": "new\n"}, "E0603")
    assert write(tmp_path, CONTENT).changed == ()
    assert write(tmp_path, {}).removed == tuple(sorted(CONTENT))


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/hostname", "a/../../outside", "", ".", "a//b", "C:x", "..\\outside", MANIFEST]
)
def test_a_manifest_cannot_reach_outside(tmp_path: Path, path: str) -> None:
    out = tmp_path / "out"
    write(out, CONTENT)
    (tmp_path / "outside").write_text("mine\n")
    digest = folder_module._hash(b"mine\n")
    (out / MANIFEST).write_text(json.dumps({"files": {path: digest}}))
    assert write(out, CONTENT).removed == ()
    assert (tmp_path / "outside").read_text() == "mine\n"


@pytest.mark.parametrize("path", ["../x", "/x", "a/./b", STAGE, MANIFEST])
def test_content_cannot_reach_outside(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="inside"):
        write(tmp_path, {path: "x"})


def test_follows_no_link(tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    (home / "src").mkdir(parents=True)
    (home / "README.md").write_text("read\n")
    out.mkdir()
    (out / "src").symlink_to(home / "src")
    (out / "README.md").symlink_to(home / "README.md")
    (out / "m.zip").symlink_to(home / "nothing")
    before = tree(home)
    assert "README.md (a link), m.zip (a link), src (a link)" in refused(out, CONTENT, "E0603")
    assert tree(home) == before


def test_follows_no_link_when_it_takes_files_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, CONTENT)
    (out / "src").rename(tmp_path / "moved")
    (out / "src").symlink_to(tmp_path / "moved")
    assert write(out, OTHER).removed == ("m.zip",)
    assert (tmp_path / "moved/m.c").read_text() == "c\n"


def test_a_manifest_that_is_a_link(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).symlink_to(tmp_path / "target")
    assert f"{MANIFEST} (a link)" in refused(out, CONTENT, "E0603")
    assert not (tmp_path / "target").exists()


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    write(tmp_path / "out", CONTENT)
    assert texts(tmp_path / "real") == encoded(CONTENT)


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "README.md").mkdir()
    (tmp_path / "src").write_text("a file\n")
    assert "README.md (not a file), src (not a folder)" in refused(tmp_path, CONTENT, "E0603")


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "README.md")
    with pytest.raises(McugenError, match=r"README.md \(not a file\)"):
        write(tmp_path, CONTENT)


# --- all or none


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine\n")
    with pytest.raises(McugenError, match="E0604") as caught:
        write(tmp_path / "out", CONTENT)
    assert "another folder" in caught.value.diagnostics[0].help
    with pytest.raises(McugenError, match="E0604"):
        write(tmp_path / "out" / "deeper", CONTENT)
    assert texts(tmp_path) == {"out": b"mine\n"}


@pytest.mark.parametrize("where", ["loop/out", "x" * 300, "x" * 200 + "/" + "y" * 300, "dangling"])
def test_a_folder_that_cannot_be(tmp_path: Path, where: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nothing")
    before = tree(tmp_path)
    with pytest.raises(McugenError, match="E0604"):
        write(tmp_path / where, CONTENT)
    assert tree(tmp_path) == before


def test_folders_made_for_nothing_go_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_write_through", no_space)
    refused(tmp_path, CONTENT, "E0604")
    with pytest.raises(McugenError, match="free some space"):
        write(tmp_path / "a" / "b", CONTENT)
    assert not (tmp_path / "a").exists()


STEPS = 32


@pytest.mark.parametrize("failing", range(STEPS))
@pytest.mark.parametrize("failure", [OSError(errno.EACCES, "Permission denied"), KeyboardInterrupt()])
def test_any_step_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, failure: BaseException
) -> None:
    """Every rename, mkdir and write in turn fails once: all is as it was, or, past the last step, as it should be."""
    write(tmp_path, CONTENT)
    (tmp_path / "src/own.c").write_text("mine\n")
    before, steps, done = tree(tmp_path), iter(range(STEPS)), False
    with monkeypatch.context() as patch:
        for owner, name in ((Path, "rename"), (Path, "mkdir"), (folder_module, "_write_through")):
            patch.setattr(owner, name, _failing(getattr(owner, name), steps, failing, failure))
        with contextlib.suppress(McugenError, KeyboardInterrupt):
            write(tmp_path, OTHER)
            done = True
    if done:
        assert texts(tmp_path) == {**encoded(OTHER), "src/own.c": b"mine\n"}
    else:
        assert tree(tmp_path) == before
    assert done == (next(steps, STEPS) <= failing)


def _failing(real: object, steps: Iterator[int], failing: int, failure: BaseException) -> object:
    def step(*args: object, **options: object) -> object:
        if next(steps, STEPS) == failing:
            raise failure
        return real(*args, **options)  # type: ignore[operator]

    return step


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small tmpfs can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(tiny_disk: Path) -> None:
    refused(tiny_disk, {f"src/{n}.c": "x" * 8000 for n in range(12)}, "E0604")
    write(tiny_disk, CONTENT)
    (tiny_disk / "own.bin").write_bytes(b"x" * 30_000)
    said = refused(tiny_disk, {**CONTENT, "src/m.c": "y" * 9000, "src/n.c": "z" * 20_000}, "E0604")
    assert "No space left" in said
    assert "free some space" in said
    (tiny_disk / "own.bin").unlink()
    write(tiny_disk, {**CONTENT, "src/m.c": "y" * 9000, "src/n.c": "z" * 20_000})


def test_a_full_disk_before_the_first_byte(tiny_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (tiny_disk / "own.bin").write_bytes(b"x" * 100_000)
    refused(tiny_disk, CONTENT, "E0604")
    with pytest.raises(McugenError, match="E0604"):
        write(tiny_disk / "a" / "b", CONTENT)
    assert not (tiny_disk / "a").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_folder_that_may_not_be_written(require: Callable[..., None], tmp_path: Path) -> None:
    require("setpriv")
    for path in (tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from mcugen.folder import write\n"
        "try: write(Path(sys.argv[2]), {'a': 'b'})\nexcept Exception as e: print(e)"
    )
    code = Path(folder_module.__file__).parents[1]
    command = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", program, code, tmp_path]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert "E0604" in said
    assert "that you may write to" in said
    assert tree(tmp_path) == {}


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    write(tmp_path, CONTENT)
    (tmp_path / STAGE).mkdir()
    (tmp_path / STAGE / "new0").write_text("half")
    assert write(tmp_path, OTHER).changed == tuple(sorted(OTHER))
    assert texts(tmp_path) == encoded(OTHER)


def versions(number: int) -> dict[str, str | bytes]:
    return {f"src/{n}.c": f"version {number}\n" * 2000 for n in range(8)} | {f"only{number}.txt": "x"}


def _write_often(folder: Path, number: int) -> None:
    for _ in range(10):
        write(folder, versions(number))


def test_processes_that_write_at_once_leave_one_result(tmp_path: Path) -> None:
    out = tmp_path / "out"
    context = get_context("spawn")
    writers = [context.Process(target=_write_often, args=(out, number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert texts(out) in [encoded(versions(number)) for number in range(3)]
    assert not (out / STAGE).exists()
