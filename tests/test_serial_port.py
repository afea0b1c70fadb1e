"""Serial ports as this computer has them: pseudo-terminals that vanish, that somebody holds, or that are silent."""

from __future__ import annotations

import fcntl
import os
import pty
from pathlib import Path

import pytest
from click.testing import CliRunner
from tools import require

from mcugen.diagnostics import McugenError
from mcugen.targets.link import Session
from mcugen.targets.serial import open_line, require_free


def test_a_port_that_vanishes() -> None:
    require("python:serial")
    master, slave = pty.openpty()
    with open_line(os.ttyname(slave)) as line:
        os.close(slave)
        os.close(master)
        with pytest.raises(McugenError, match="E0703"):
            Session(line, bytes(8)).open()


def test_a_port_that_another_program_has() -> None:
    require("python:serial")
    master, slave = pty.openpty()
    try:
        with open_line(os.ttyname(slave)), pytest.raises(McugenError) as caught, open_line(os.ttyname(slave)):
            pass
    finally:
        os.close(slave)
        os.close(master)
    assert "E0703" in str(caught.value)
    assert "close the program that holds it" in str(caught.value)


def test_a_port_that_is_silent_is_waited_for_no_longer_than_asked() -> None:
    require("python:serial")
    master, slave = pty.openpty()
    try:
        with open_line(os.ttyname(slave)) as line:
            assert line.read(0.05) == b""
            os.write(master, b"abc")
            came = b""
            while len(came) < 3:
                more = line.read(1.0)
                assert more
                came += more
            assert came == b"abc"
            line.write(b"\0x")
            assert os.read(master, 2) == b"\0x"
    finally:
        os.close(slave)
        os.close(master)


def test_verify_asks_for_the_port_first(tmp_path: Path) -> None:
    """Before it reads a model, which may take long."""
    from mcugen.cli import cli

    command = ["verify", "no-such-model", "-b", "uno", "-p", str(tmp_path / "no-port")]
    missing = CliRunner().invoke(cli, [*command, "--on", "board"])
    assert missing.exit_code == 5
    assert "error[E0703]: there is no port" in missing.stderr
    usage = CliRunner().invoke(cli, command)
    assert usage.exit_code == 2
    assert "--on board" in usage.stderr


def test_an_uploader_keeps_off_a_port_in_use(tmp_path: Path) -> None:
    _, other_end = pty.openpty()
    port = os.ttyname(other_end)
    require_free(port)
    with open(port, "rb", buffering=0) as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(McugenError, match=r"E0703(.|\n)*another program"):
            require_free(port)
    require_free(port)
    with pytest.raises(McugenError, match="E0703"):
        require_free(str(tmp_path / "none"))
