"""What was done to which attribute, counted over all files: names only, never values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

KEPT = "kept"

Deeds = set[tuple[str, str]]
"""Attribute and what was done to it, in one file."""


@dataclass(frozen=True)
class Row:
    """What was done to one attribute in how many files."""

    attribute: str
    deed: str
    files: int


@dataclass(frozen=True)
class LeftOut:
    """A file of the input that is not in the output, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What de-identifying did.

    Attributes:
        output: The file or folder that was written.
        files: How many files were written.
        rows: What was done to each attribute; what was kept comes last.
        left_out: What was not written.
        warnings: What a person must know before giving the output away.
    """

    output: Path
    files: int
    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]


class Tally:
    """Counts."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, deeds: Deeds) -> None:
        """Add what was done in one file."""
        self._counts.update(deeds)

    def rows(self) -> tuple[Row, ...]:
        """Return the counts by what was done, then by name."""
        rows = [Row(name, deed, count) for (name, deed), count in self._counts.items()]
        return tuple(sorted(rows, key=lambda row: (row.deed == KEPT, row.deed, row.attribute)))
