"""A header that has head and foot exchanged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import Survey, survey
from MedAssistLib.check.thresholds import Threshold

_NAME = "scan.upside-down"
# Cross-section of a trunk and of a head, cm²; a head is round, two feet are not.
_TRUNK_CM2 = 400.0
_HEAD_CM2 = (150.0, 320.0)
_ROUND = 0.85
_LEAST_MM = 120.0
_END_MM = 10.0
# Lung holds air and tissue, bowel gas nothing but air.
_LUNG = (-950.0, -500.0)
_LUNG_ML = 1500.0
# Less than that of the widest cross-section is bowel, or the lungs' lowest tips.
_LUNG_SHARE = 0.2


def _measure(context: Context) -> Iterator[Sign]:
    if context.scan.modality not in ("CT", "MR"):
        return
    seen = survey(context)
    if not seen.body.any():
        return
    if context.scan.modality == "CT":
        yield from _lungs(seen, seen.areas)
    yield from _crown(seen, seen.areas)


def _lungs(seen: Survey, areas: npt.NDArray[np.float64]) -> Iterator[Sign]:
    """Look on which side of the lungs the trunk goes on: the belly is below them."""
    lung = (seen.coarse > _LUNG[0]) & (seen.coarse < _LUNG[1]) & seen.body
    sections = lung.sum(axis=(1, 2)) * float(seen.coarse_spacing[1:].prod()) / 100.0
    thickness = float(seen.coarse_spacing[0])
    if sections.sum() * thickness / 10.0 < _LUNG_ML:
        return
    aired = np.flatnonzero(sections > _LUNG_SHARE * sections.max())
    trunk = areas > _TRUNK_CM2
    below = thickness * float(np.count_nonzero(trunk[: aired[0]]))
    above = thickness * float(np.count_nonzero(trunk[aired[-1] + 1 :]))
    if above <= below:
        return
    yield Sign(
        rule=_NAME,
        kind="lungs",
        structure="",
        score=above - below,
        severity=Severity.URGENT,
        title=f"The trunk seems upside down: it goes on for {above:.0f} mm above the lungs.",
        explanation="The belly should be below the lungs; the header may be mirrored, and left "
        "may be right.",
        evidence=(
            Evidence(
                quantity="length of the trunk above the lungs",
                measured=above,
                expected=f"less than below them ({below:.0f})",
                unit="mm",
            ),
        ),
    )


def _crown(seen: Survey, areas: npt.NDArray[np.float64]) -> Iterator[Sign]:
    """Look at which end a head is closed: the crown is at the top, the neck goes on."""
    widest = int(areas.argmax())
    if not _HEAD_CM2[0] <= areas[widest] <= _HEAD_CM2[1]:
        return
    if _roundness(seen.body[widest]) < _ROUND or len(areas) * seen.coarse_spacing[0] < _LEAST_MM:
        return
    ends = max(1, round(_END_MM / float(seen.coarse_spacing[0])))
    bottom, top = areas[:ends].mean(), areas[-ends:].mean()
    score = float((top - bottom) / areas[widest])
    if score <= 0.0:
        return
    yield Sign(
        rule=_NAME,
        kind="crown",
        structure="",
        score=score,
        severity=Severity.URGENT,
        title="The head seems upside down: it is open at the top of the scan and closed at the "
        "bottom.",
        explanation="The crown should be at the top; the header may be mirrored, and left may be "
        "right.",
        evidence=(
            Evidence(
                quantity="cross-section at the top",
                measured=float(top),
                expected="smaller than at the bottom",
                unit="cm2",
            ),
            Evidence(
                quantity="cross-section at the bottom",
                measured=float(bottom),
                expected="larger than at the top",
                unit="cm2",
            ),
        ),
    )


def _roundness(section: npt.NDArray[np.bool_]) -> float:
    """Return the area of a cross-section over that of the ellipse in its box."""
    height, width = np.ptp(np.argwhere(section), axis=0) + 1
    return float(np.count_nonzero(section) / (np.pi / 4.0 * height * width))


RULE = Rule(
    name=_NAME,
    looks_for="A header that has head and foot exchanged; told of heads with a neck, and of "
    "chests with a belly.",
    advice="Compare with the original DICOM series before you use any left or right.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "lungs": Threshold(
            value=55.0, unit="mm", source="0 on 1 real CT scan of the chest, 60 when upside down"
        ),
        "crown": Threshold(
            value=0.25,
            unit="1",
            source="0 on 4 real scans of a head; 0.68 and more when upside down",
        ),
    },
    measure=_measure,
)
