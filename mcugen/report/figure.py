"""A number of the report, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SOURCE = Literal["measured", "estimated", "unknown"]


@dataclass(frozen=True)
class Figure:
    """A number with its unit, and whether it was measured, estimated, or is not known; then `value` is 0."""

    value: int
    unit: str
    source: SOURCE = "estimated"

    @classmethod
    def of(cls, value: int | None, unit: str = "B") -> Figure:
        """An estimate, or what is not known where it is None."""
        return cls(0, unit, "unknown") if value is None else cls(value, unit)

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return self.source != "unknown"
