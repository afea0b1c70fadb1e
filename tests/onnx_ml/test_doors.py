"""The doors of docs/onnx.md: what each writes compiles with the command below it, and its C answers as the graph does.

No door's packages are dependencies: where one is not installed, its test is skipped with that reason.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOOR = re.compile(
    r"^```python\n# (?P<name>\w+)_door\.py\n(?P<code>.*?)^```\n+    mcugen (?P<command>[^\n]*)$",
    re.MULTILINE | re.DOTALL,
)
DOORS = {found["name"]: found for found in DOOR.finditer((ROOT / "docs" / "onnx.md").read_text(encoding="utf-8"))}


def test_every_door_has_its_command() -> None:
    assert sorted(DOORS) == ["keras", "lightgbm", "sklearn", "tflite", "torch", "xgboost"]


@pytest.mark.parametrize("name", DOORS)
def test_a_door_leads_to_proven_c(name: str, tmp_path: Path) -> None:
    code, command = DOORS[name]["code"], DOORS[name]["command"]
    for package in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        if find_spec(package) is None:  # none of them is a tool of the tests: CI goes on without
            pytest.skip(f"{package} is of another door than the dependencies'")
    (tmp_path / "door.py").write_text(code, encoding="utf-8")
    for line in (["door.py"], ["-m", "mcugen", *command.split(), "-o", "out"]):
        done = subprocess.run(
            [sys.executable, *line], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
            capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert "0 disagreements" in done.stdout + done.stderr
