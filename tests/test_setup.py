"""scripts/setup: what it leaves alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "setup"
NEEDED = ("bash", "dirname", "readlink", "python3")  # no apt-get: nothing is installed


@pytest.mark.skipif(not SCRIPT.is_file(), reason="installed without scripts/setup")
def test_an_environment_behind_a_link_is_not_cleared(tmp_path: Path) -> None:
    """It is another checkout's: `python -m venv --clear` would empty that."""
    for name in ("tools", "environment", "tree/scripts"):
        (tmp_path / name).mkdir(parents=True)
    for name in NEEDED:
        (tmp_path / "tools" / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "environment" / "kept").touch()
    (tmp_path / "tree" / ".venv").symlink_to(tmp_path / "environment")
    script = Path(shutil.copy(SCRIPT, tmp_path / "tree" / "scripts"))
    env = {"PATH": str(tmp_path / "tools")}
    done = subprocess.run([script], capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "is a link to" in done.stderr
    assert [found.name for found in (tmp_path / "environment").iterdir()] == ["kept"]
