"""Reference ranges in a report: a small bar that shows where a number lies."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from MedAssistLib.case import Evidence, Finding

_NUMBER = r"[-\N{MINUS SIGN}]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_FROM_TO = re.compile(rf"({_NUMBER}) to ({_NUMBER})")
# The bar in its own units: what is usual is its middle third.
_WIDTH, _LOW, _HIGH, _EDGE = 120.0, 40.0, 80.0, 5.0


@dataclass(frozen=True, kw_only=True)
class ReferenceRange:
    """What a structure usually measures.

    Attributes:
        structure: Name of the segment.
        quantity: What is measured, as measurements name it.
        low: Least usual value.
        high: Greatest usual value, above ``low``.
        unit: UCUM unit of both.
        source: Where it comes from, for people; may be empty.
    """

    structure: str
    quantity: str
    low: float
    high: float
    unit: str
    source: str = ""


@dataclass(frozen=True)
class Bar:
    """A value against what is usual.

    Attributes:
        low: Least usual value.
        high: Greatest usual value.
        value: The value.
    """

    low: float
    high: float
    value: float

    @property
    def word(self) -> str:
        """Where the value lies."""
        return "below" if self.value < self.low else "above" if self.value > self.high else "within"

    @property
    def place(self) -> float:
        """Where the value is drawn, from 0 to 120; what is usual goes from 40 to 80."""
        share = (self.value - self.low) / (self.high - self.low)
        return round(min(max(_LOW + share * (_HIGH - _LOW), _EDGE), _WIDTH - _EDGE), 1)

    @property
    def beyond(self) -> int:
        """-1 or 1 when the value lies beyond the bar's left or right end, else 0."""
        return (self.place >= _WIDTH - _EDGE) - (self.place <= _EDGE)


def ranges_in(findings: Iterable[Finding]) -> Iterator[ReferenceRange]:
    """Yield the ranges that findings about a structure name in their evidence."""
    for finding in findings:
        for evidence in finding.evidence:
            bar = bar_of(evidence)
            if finding.structure and bar:
                yield ReferenceRange(
                    structure=finding.structure,
                    quantity=evidence.quantity,
                    low=bar.low,
                    high=bar.high,
                    unit=evidence.unit,
                )


def bar_of(evidence: Evidence) -> Bar | None:
    """Return the bar of an evidence that expects something such as ``"1100 to 1900"``."""
    found = _FROM_TO.fullmatch(evidence.expected.strip())
    if found is None or not math.isfinite(evidence.measured):
        return None
    low, high = (float(text.replace("\N{MINUS SIGN}", "-")) for text in found.groups())
    return Bar(low, high, evidence.measured) if low < high else None
