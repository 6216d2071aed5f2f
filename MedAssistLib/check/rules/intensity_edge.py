"""A structure whose boundary does not lie on the scan's edges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.edges import Patches, patches
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold

_NAME = "intensity.edge"
# A voxel's edge may lie half a millimetre off without anybody being wrong.
_ON_EDGE_MM = 0.5
_LEAST_VOXELS = 50


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        if structure.voxels < _LEAST_VOXELS:
            continue
        found = patches(structure, context.voxels, context.labels)
        if found is not None:
            yield from _sign(structure, found)


def _sign(structure: Structure, found: Patches) -> Iterator[Sign]:
    steepness = np.abs(found.steepness)
    near = np.abs(found.offsets) <= _ON_EDGE_MM
    here, best = steepness[:, near].max(axis=1), steepness.max(axis=1)
    # Every patch counts alike: a bone nearby is steeper than the organ's own edge.
    losses = 1.0 - here / np.maximum(best, np.finfo(float).tiny)
    lost = 100.0 * float(np.average(losses, weights=found.points))
    away = float(np.average(np.abs(found.offsets[steepness.argmax(axis=1)]), weights=found.points))
    if lost <= 0.0:
        return
    worst = found.middles[(found.points * losses).argmax()]
    yield Sign(
        rule=_NAME,
        kind="lost",
        structure=structure.name,
        score=lost,
        severity=Severity.REVIEW,
        title=f"The boundary of {structure.name} lies off the scan's edges, by {away:.1f} mm on "
        "average.",
        explanation=f"The scan is {lost:.0f} % less steep at the boundary than at the steepest "
        "place within 3 mm of it; the structure may be shifted, too large or too small.",
        place=Place(structure.point(worst), structure.whole.box),
        evidence=(
            Evidence(
                quantity="steepness lost at the boundary",
                measured=lost,
                expected="",
                unit="%",
            ),
            Evidence(
                quantity="mean distance to the steepest place",
                measured=away,
                expected="below 1",
                unit="mm",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="A structure whose boundary does not lie on the scan's edges.",
    advice="Compare the contour with the scan in all three planes, first where the finding points.",
    needs=frozenset({Need.SCAN, Need.SEGMENTATION}),
    thresholds={
        "lost": Threshold(
            value=75.0, unit="%", source="at most 64 on 71 structures of 2 real CT scans"
        )
    },
    measure=_measure,
)
