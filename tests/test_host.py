"""The host's compiler: which one is taken, and what is said where it, its folder or its output is not what it should be."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

import mcugen
from mcugen import doctor
from mcugen.diagnostics import Diagnostic, McugenError
from mcugen.targets import avr, host

Require = Callable[..., None]


@pytest.fixture(scope="module")
def compiled() -> mcugen.Compiled:
    rows, labels = load_iris(return_X_y=True)
    return mcugen.compile(DecisionTreeClassifier(random_state=0).fit(rows, labels), name="iris", check_answers=False)


@pytest.fixture(autouse=True)
def asked_anew(require: Require) -> Iterator[None]:
    """Every test finds its own compiler."""
    require("cc")
    host.find_compiler.cache_clear()
    yield
    host.find_compiler.cache_clear()


@pytest.fixture
def a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Make `$CC` a script."""

    def make(script: str) -> str:
        file = tmp_path / "my cc"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("CC", str(file))
        return str(file)

    return make


def refused(compiled: mcugen.Compiled) -> Diagnostic:
    with pytest.raises(McugenError) as caught:
        host.compile_for_host([compiled.unit])
    return caught.value.diagnostics[0]


def test_cc_with_flags(compiled: mcugen.Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc -O1 '-DSAID=\"a b\"'")
    assert host.compiler()[1:] == ("-O1", '-DSAID="a b"')
    assert host.compile_for_host([compiled.unit]).units


def test_cc_with_a_blank_in_its_path(a_compiler: Callable[[str], str], compiled: mcugen.Compiled) -> None:
    path = a_compiler('exec cc "$@"')
    assert host.compiler() == (path,)
    assert host.compile_for_host([compiled.unit]).units


@pytest.mark.parametrize("cc", ["no-such-cc", "no-such-cc -m64", "'gcc", "/no/such/cc"])
def test_cc_that_is_not_there(compiled: mcugen.Compiled, monkeypatch: pytest.MonkeyPatch, cc: str) -> None:
    monkeypatch.setenv("CC", cc)
    found = refused(compiled)
    assert found.code == "E0601"
    assert cc in found.message
    assert doctor._host_compiler() is None


@pytest.mark.parametrize("cc", ["", " "])
def test_cc_without_anything(monkeypatch: pytest.MonkeyPatch, cc: str) -> None:
    monkeypatch.setenv("CC", cc)
    assert host.find_compiler() is not None


@pytest.mark.parametrize(
    ("script", "code", "says"),
    [
        ("exit 1", "E0601", "without a word"),
        ("exit 0", "E0602", "made no library"),
        ("echo \"collect2: fatal error: cannot find 'ld'\" >&2; exit 1", "E0601", "is not whole"),
        ("echo 'gcc: fatal error: cannot execute cc1: No such file' >&2; exit 1", "E0601", "is not whole"),
        ("echo 'x.s: Fatal error: cannot write: No space left on device' >&2; exit 1", "E0604", "No space left"),
        ("echo 'x.c:1: error: what is this' >&2; exit 1", "E0602", "refused the C"),
    ],
)
def test_a_compiler_that_fails(
    compiled: mcugen.Compiled, a_compiler: Callable[[str], str], script: str, code: str, says: str
) -> None:
    a_compiler(script)
    found = refused(compiled)
    assert found.code == code
    assert says in found.message
    assert ("bug in mcugen" in found.help) == (says == "refused the C")


def test_a_library_that_does_not_load(compiled: mcugen.Compiled, a_compiler: Callable[[str], str]) -> None:
    a_compiler('for last; do if [ "$previous" = -o ]; then echo no library > "$last"; fi; previous=$last; done')
    found = refused(compiled)
    assert found.code == "E0602"
    assert "TMPDIR" in found.help
    assert "CC" in found.help


def test_a_folder_where_no_program_may_run(
    compiled: mcugen.Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,size=8m", "none", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount")
    try:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert refused(compiled).code == "E0602"
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.parametrize("target", ["host", "avr"])
def test_a_full_disk(compiled: mcugen.Compiled, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    build: dict[str, Callable[[], object]] = {
        "host": lambda: host.compile_for_host([compiled.unit]),
        "avr": lambda: avr.toolchain.link([compiled.unit], compiled.target.board, tmp_path),
    }
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(McugenError, match="No space left") as caught:
        build[target]()
    assert caught.value.diagnostics[0].code == "E0604"


def test_no_temporary_folder(compiled: mcugen.Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    assert refused(compiled).code == "E0604"
