"""Where the files that are not Python live: templates, boards and firmware, in a checkout or in an installed wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def data_dir() -> Path:
    """The folder that holds templates/, boards/ and firmware/: `mcugen/_data` in a wheel, else the checkout's root."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent


def templates_dir() -> Path:
    """The Jinja templates that all generated text comes from."""
    return data_dir() / "templates"


def boards_dir() -> Path:
    """The board files, one TOML each."""
    return data_dir() / "boards"


def firmware_dir() -> Path:
    """Hand-written C/C++: simulator runners, harnesses, the PlatformIO platform."""
    return data_dir() / "firmware"
