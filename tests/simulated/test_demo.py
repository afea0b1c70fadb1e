"""`mcugen demo`: the whole way on real data, and how it ends where tools are missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mcugen.demo import demo
from mcugen.diagnostics import EXIT_TOOL, EXIT_VERIFY, McugenError, error


@pytest.mark.long
def test_demo_says_what_it_measured(require, tmp_path):
    require("avr-gcc", "simavr", "arduino-core-avr", "avrdude", "platformio", "python:serial", "python:elftools")
    lines: list[str] = []
    demo(tmp_path, lines.append)
    text = "\n".join(lines)
    proofs = [line for line in lines if "disagreements" in line]
    assert len(proofs) == 4
    assert all(line.startswith("  proven: ") and " 0 disagreements" in line for line in proofs)
    assert "rows of digits on the host" in text
    assert "rows of digits on the simulator" in text
    assert "SRAM: 0 B static" in text
    assert "pio run: success" in text
    assert "bytes of flash verified" in text
    assert "scikit-learn's answer to the sample row: 1, the same" in text
    assert "20 more test rows, sent to its serial port: 20 answers, all of them scikit-learn's" in text
    assert "not done" not in text
    for file in ("digits.skops", "digits.npy", "arduino/digits/library.properties", "platformio/platformio.ini"):
        assert (tmp_path / file).is_file()


@pytest.fixture
def only_a_host_compiler(require, tmp_path, monkeypatch) -> None:
    """A PATH with a C compiler for this computer and nothing else."""
    require("gcc")
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "cc", "gcc", "as", "ld"):
        (folder / tool).symlink_to(shutil.which(tool) or "/bin/false")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MCUGEN_PLATFORMIO", "system")


def test_demo_goes_on_without_tools(only_a_host_compiler, tmp_path):
    lines: list[str] = []
    with pytest.raises(McugenError) as raised:
        demo(tmp_path / "out", lines.append)
    assert raised.value.exit_code == EXIT_TOOL
    assert sum("0 disagreements" in line for line in lines) == 2  # on the host
    assert "  not done: avr-gcc is not installed" in lines
    assert "  not done: nothing was built" in lines
    assert all(one.help for one in raised.value.diagnostics)


def test_a_disagreement_decides_the_exit_code(monkeypatch, tmp_path):
    def fail(code):
        def step(*_):
            raise error(code, "no", help="none")

        return step

    steps = {"_on_host": "E0601", "_on_simulator": "E0801", "_build": "E0605", "_flash": "E0605"}
    for step, code in steps.items():
        monkeypatch.setattr(f"mcugen.demo.{step}", fail(code))
    with pytest.raises(McugenError) as raised:
        demo(Path(tmp_path), lambda _: None)
    assert raised.value.exit_code == EXIT_VERIFY
    assert [one.code for one in raised.value.diagnostics] == ["E0801", "E0601", "E0605"]
