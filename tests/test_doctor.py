"""doctor: every line has a use and a way to get it; what is missing is found missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcugen import doctor
from mcugen.doctor import examine


def asked(**env: str) -> tuple[int, dict[str, object]]:
    env |= {"PYTHONPATH": str(Path(doctor.__file__).parent.parent)}
    # ziglang may be installed beside the tests, and would be a C compiler that needs no PATH
    code = "import sys; sys.modules['ziglang'] = None; from mcugen.cli import main; main()"
    command = [sys.executable, "-c", code, "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **env}, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_every_line_is_whole() -> None:
    found = [*examine()]
    assert len({check.name for check in found}) == len(found)
    assert all(check.use and check.install for check in found)
    assert next(check.found for check in found if check.name == "numpy")


def test_exit_code_and_list_agree() -> None:
    code, found = asked()
    assert code == (5 if found["missing"] else 0)


def test_without_a_path_the_tools_are_missing() -> None:
    code, found = asked(PATH="", CC="")
    assert code == 5
    assert isinstance(found["missing"], list)
    assert {"avr-gcc", "avr-libc", "avrdude", "libsimavr"} <= {*found["missing"]}
    assert "numpy" not in found["missing"]


def test_the_arduino_core_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("MCUGEN_ARDUINO_AVR", str(tmp_path))
    assert doctor._arduino_core() is None


def test_a_program_that_fails_is_missing() -> None:
    assert doctor._said([sys.executable, "-c", "import sys; sys.exit(1)"]) is None
    assert doctor._said(["no-such-program-anywhere"]) is None
    assert doctor._said([sys.executable, "-c", "print('1.2\\nmore')"]) == "1.2"
