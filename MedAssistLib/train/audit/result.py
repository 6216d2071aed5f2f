"""What an audit found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.case import Finding, Severity
from MedAssistLib.files import csv_text, write_text
from MedAssistLib.train.audit.rule import Flag

COLUMNS = (
    *("severity", "rule", "cases", "structure", "finding", "explanation"),
    *("quantity", "measured", "expected", "unit", "L mm", "P mm", "S mm"),
)
"""Columns of the table."""

_RANK = {Severity.URGENT: 0, Severity.REVIEW: 1, Severity.INFO: 2}
_BETWEEN = "; "


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found.

    Attributes:
        cases: Names of all cases that were looked at.
        flags: Each finding with the cases that it is about, the most severe first.
    """

    cases: tuple[str, ...]
    flags: tuple[Flag, ...]

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of the cases from which nothing can be learned as they are."""
        names = {name for flag in self.flags if flag.refuses for name in flag.cases}
        return tuple(name for name in self.cases if name in names)

    @property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """Names of cases that show the same, which must not lie in two folds."""
        return tuple(flag.cases for flag in self.flags if flag.together)

    def of_case(self, name: str) -> tuple[Finding, ...]:
        """Return the findings that are about a case."""
        return tuple(flag.finding for flag in self.flags if name in flag.cases)

    @property
    def of_set(self) -> tuple[Finding, ...]:
        """The findings that are about the set as a whole."""
        return tuple(flag.finding for flag in self.flags if not flag.cases)

    def rows(self) -> list[dict[str, str]]:
        """Return one row a finding, with the entries of ``COLUMNS``; empty where there is none."""
        return [_row(flag) for flag in self.flags]

    def write_csv(self, path: Path) -> None:
        """Write the table as CSV (RFC 4180).

        Raises:
            ResourceError: If the file cannot be written; an earlier file is as it was.
        """
        write_text(path, csv_text(COLUMNS, self.rows()))


def ranked(flags: list[Flag]) -> tuple[Flag, ...]:
    """Return flags with the most severe first, else in their order."""
    return tuple(sorted(flags, key=lambda flag: _RANK[flag.finding.severity]))


def _row(flag: Flag) -> dict[str, str]:
    finding = flag.finding
    row: dict[str, str] = {
        "severity": finding.severity,
        "rule": finding.rule,
        "cases": _BETWEEN.join(flag.cases),
        "structure": finding.structure,
        "finding": finding.title,
        "explanation": finding.explanation,
    }
    for evidence in finding.evidence[:1]:
        row |= {
            "quantity": evidence.quantity,
            "measured": f"{evidence.measured:.6g}",
            "expected": evidence.expected,
            "unit": evidence.unit,
        }
    if finding.point is not None:
        places = zip(COLUMNS[-3:], finding.point, strict=True)
        row |= {axis: f"{value:.2f}" for axis, value in places}
    return dict.fromkeys(COLUMNS, "") | row
