"""A scan that was changed by filters before it was checked."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.thresholds import Threshold

_NAME = "scan.filters"


def _measure(context: Context) -> Iterator[Sign]:
    filters = context.scan.enhancement
    if not filters:
        return
    yield Sign(
        rule=_NAME,
        kind="filters",
        structure="",
        score=float(len(filters)),
        severity=Severity.INFO,
        title=f"The scan was enhanced before it was checked: {', '.join(filters)}.",
        explanation="Its intensities are not the scanner's, and fine structures may be smoothed.",
        evidence=(Evidence(quantity="filters", measured=len(filters), expected="0", unit="1"),),
    )


RULE = Rule(
    name=_NAME,
    looks_for="A scan that was changed by filters before it was checked.",
    advice="Look at the scan as it was read before you decide on a finding.",
    needs=frozenset({Need.SCAN}),
    thresholds={"filters": Threshold(value=0.0, unit="1", source="any filter is told")},
    measure=_measure,
)
