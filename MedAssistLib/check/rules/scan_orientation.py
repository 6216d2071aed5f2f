"""A header that does not fit the anatomy: front and back exchanged, or two axes swapped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import Survey, survey
from MedAssistLib.check.thresholds import Threshold

_NAME = "scan.orientation"
_AXES = ("head to foot", "front to back", "left to right")
# Cross-section of a trunk.
_TRUNK_CM2 = 400.0
_BONE = (250.0, 2500.0)
_LEAST_BONE_CM2 = 2.0
_LEAST_SLICES = 5
# The spine's bones lie at least that far from the middle, as a share of the body's width.
_OFF_CENTRE = 0.05
# An axis shorter than this shows too little of the body to judge its symmetry.
_LEAST_MM = 120.0
_SYMMETRIC = 0.6
_SMOOTHING_MM = 3.0
_SHIFTS = np.linspace(-0.06, 0.06, 9)


def _measure(context: Context) -> Iterator[Sign]:
    if context.scan.modality not in ("CT", "MR"):
        return
    seen = survey(context)
    if not seen.body.any():
        return
    if context.scan.modality == "CT":
        yield from _spine(seen, seen.areas)
    yield from _symmetry(seen)


def _spine(seen: Survey, areas: npt.NDArray[np.float64]) -> Iterator[Sign]:
    """Look on which side of a trunk its bones lie: the spine is at the back."""
    if np.median(areas) < _TRUNK_CM2:
        return
    bone = (seen.coarse > _BONE[0]) & (seen.coarse < _BONE[1]) & seen.body
    pixel = float(seen.coarse_spacing[1:].prod()) / 100.0
    full = (areas > _TRUNK_CM2) & (bone.sum(axis=(1, 2)) * pixel > _LEAST_BONE_CM2)
    if np.count_nonzero(full) < _LEAST_SLICES:
        return
    offsets = [
        (np.argwhere(bone[k]).mean(axis=0) - np.argwhere(seen.body[k]).mean(axis=0))
        * seen.coarse_spacing[1:]
        / (10.0 * np.sqrt(areas[k]))
        for k in np.flatnonzero(full)
    ]
    back, left = np.median(offsets, axis=0)
    if np.hypot(back, left) < _OFF_CENTRE:
        return
    angle = float(np.degrees(np.arctan2(abs(left), back)))
    if angle <= 0.0:
        return
    yield Sign(
        rule=_NAME,
        kind="spine",
        structure="",
        score=angle,
        severity=Severity.URGENT,
        title=f"The bones of the trunk lie {angle:.0f}° off the back: the scan's directions seem "
        "wrong.",
        explanation="The spine should lie at the back of the body; the header may be mirrored or "
        "its axes swapped, and left may be right.",
        evidence=(
            Evidence(
                quantity="direction of the bones from the back",
                measured=angle,
                expected="",
                unit="deg",
            ),
        ),
    )


def _symmetry(seen: Survey) -> Iterator[Sign]:
    """Look along which axis the body mirrors itself: it must be left to right."""
    extent = np.ptp(np.argwhere(seen.body), axis=0) * seen.coarse_spacing
    long = [axis for axis in range(3) if extent[axis] >= _LEAST_MM]
    if 2 not in long or len(long) < 2:
        return
    smooth = _smoothed(seen)
    likeness = {axis: _likeness(smooth, seen.body, axis) for axis in long}
    best = max(likeness, key=lambda axis: likeness[axis])
    ahead = likeness[best] - likeness[2]
    if best == 2 or likeness[best] < _SYMMETRIC or ahead <= 0.0:
        return
    yield Sign(
        rule=_NAME,
        kind="symmetry",
        structure="",
        score=ahead,
        severity=Severity.URGENT,
        title=f"The body mirrors itself {_AXES[best]} rather than {_AXES[2]}: two axes seem "
        "swapped.",
        explanation="Left and right halves of a body look alike; the header may name its axes "
        "wrongly.",
        evidence=(
            Evidence(
                quantity=f"likeness of the halves {_AXES[best]}",
                measured=likeness[best],
                expected=f"below {likeness[2]:.2f}",
                unit="1",
            ),
        ),
    )


def _smoothed(seen: Survey) -> npt.NDArray[np.float32]:
    low, high = np.percentile(seen.coarse[seen.body], (2.0, 98.0))
    smooth: npt.NDArray[np.float32] = ndimage.gaussian_filter(
        np.clip(seen.coarse, low, high), _SMOOTHING_MM / seen.coarse_spacing
    )
    return smooth


def _likeness(values: npt.NDArray[np.float32], body: npt.NDArray[np.bool_], axis: int) -> float:
    """Return the correlation of the body with its mirror image about its best middle."""
    whole, inside = np.moveaxis(values, axis, 0), np.moveaxis(body, axis, 0)
    filled = np.flatnonzero(inside.any(axis=(1, 2)))
    centre, extent = float(np.argwhere(inside)[:, 0].mean()), len(filled)
    best = 0.0
    for shift in _SHIFTS:
        middle = round(centre + shift * extent)
        half = min(middle - filled[0], filled[-1] - middle)
        if half < extent // 4:
            continue
        one, other = whole[middle - half : middle], whole[middle + 1 : middle + 1 + half][::-1]
        seen = inside[middle - half : middle] | inside[middle + 1 : middle + 1 + half][::-1]
        # Two halves without any contrast are like nothing.
        with np.errstate(invalid="ignore", divide="ignore"):
            likeness = float(np.corrcoef(one[seen], other[seen])[0, 1])
        best = max(best, likeness)
    return best


RULE = Rule(
    name=_NAME,
    looks_for="A header that does not fit the anatomy: front and back exchanged, or two axes "
    "swapped. A scan that is mirrored left to right only cannot be told without organs.",
    advice="Compare with the original DICOM series before you use any left or right.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "spine": Threshold(
            value=60.0,
            unit="deg",
            source="at most 20 on 4 real CT scans of the trunk; 90 and more when turned",
        ),
        "symmetry": Threshold(
            value=0.08,
            unit="1",
            source="0 on 10 real scans; 0.11 and more of heads with two axes swapped",
        ),
    },
    measure=_measure,
)
