"""Where mcugen keeps what it builds for itself: simulators, bootloaders, its PlatformIO core folder."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The per-user cache folder: `$MCUGEN_CACHE`, else `~/.cache/mcugen`. It may not exist yet; deleting it is safe."""
    return Path(os.environ.get("MCUGEN_CACHE") or Path.home() / ".cache" / "mcugen")
