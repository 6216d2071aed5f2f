"""What speaks against running a model on a scan, though nothing forbids it."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.case import Finding, Scan, Severity
from MedAssistLib.enhance import without_unit
from MedAssistLib.models.card import ModelCard

_HOUNSFIELD = "CT"


def doubts(scan: Scan, card: ModelCard) -> Iterator[Finding]:
    """Yield what a person should know before they trust the result.

    Args:
        scan: The scan.
        card: The model that is run on it.
    """
    lost = without_unit(scan.enhancement) if card.modality == _HOUNSFIELD else ()
    if lost:
        yield Finding(
            rule="segment.no-hounsfield",
            severity=Severity.REVIEW,
            title=f"Values are no Hounsfield units after {', '.join(lost)}, but the model "
            f"{card.name} expects them.",
            explanation="Segment the scan as it was read, or enhanced without these filters.",
        )
