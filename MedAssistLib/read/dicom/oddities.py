"""What can be odd about a stack of slices, as findings with amounts and places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Evidence, Finding, Point, Severity
from MedAssistLib.read.dicom.frames import Frame, Vector

TOLERANCE_MM = 0.05
"""Deviations up to this are rounding."""

OVERLAP_SHARE = 0.5
"""Steps below this share of the usual one are overlaps."""

WIDE_RULE = "scan.wide-slices"

_WIDE_MM = 20.0
_PIXEL_TOLERANCE = 0.1
_MOST_NAMED = 8


def sideways_findings(
    along: npt.NDArray[np.float64], sideways: npt.NDArray[np.float64], first: Frame
) -> list[Finding]:
    """Name a gantry tilt by its angle, and other sideways shifts by their amount."""
    largest = float(np.linalg.norm(sideways, axis=1).max())
    tolerance = max(TOLERANCE_MM, _PIXEL_TOLERANCE * min(first.spacing))
    if largest <= tolerance:
        return []
    slope = sideways.T @ along / (along @ along)
    angle = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    if np.abs(sideways - np.outer(along, slope)).max() <= tolerance:
        return [
            Finding(
                rule="scan.tilt",
                severity=Severity.INFO,
                title=f"The slices are tilted by {angle:.1f}° against the way they are stacked.",
                explanation="The gantry was tilted. Each slice was moved sideways to where it "
                "lies, which interpolates its values.",
                evidence=(Evidence(quantity="tilt", measured=angle, expected="0", unit="deg"),),
            )
        ]
    return [
        Finding(
            rule="scan.shifted-slices",
            severity=Severity.REVIEW,
            title=f"Slices lie up to {largest:.2f} mm beside the line of the others.",
            explanation="Each slice was moved to where it says that it lies, which interpolates "
            "its values. Check that the series is one stack.",
            evidence=(Evidence(quantity="shift", measured=largest, expected="0", unit="mm"),),
        )
    ]


def step_findings(
    frames: Sequence[Frame],
    along: npt.NDArray[np.float64],
    levels: npt.NDArray[np.float64],
    step: float,
) -> list[Finding]:
    """Name missing, unevenly spaced and overlapping slices.

    Args:
        frames: Ordered along their normal.
        along: Their places along it, mm.
        levels: Their places on the regular grid, in planes.
        step: mm between planes.
    """
    if np.array_equal(levels, np.arange(len(levels))):
        return [_wide(step)] if step > _WIDE_MM else []
    if np.array_equal(levels, np.rint(levels)):
        return [_missing(frames, levels, step)]
    steps = np.diff(along)
    low, high = float(steps.min()), float(steps.max())
    findings = [
        Finding(
            rule="scan.uneven-slices",
            severity=Severity.REVIEW,
            title=f"Slices are unevenly spaced, from {low:.2f} to {high:.2f} mm.",
            explanation=f"Values were interpolated between them to a step of {step:.2f} mm; small "
            "structures in the wide steps may be missed.",
            evidence=(
                Evidence(quantity="smallest step", measured=low, expected=f"{high:.3g}", unit="mm"),
                Evidence(quantity="largest step", measured=high, expected=f"{low:.3g}", unit="mm"),
            ),
        )
    ]
    close = np.flatnonzero(steps < OVERLAP_SHARE * np.median(steps))
    if len(close):
        places = [frames[int(number) + 1].position for number in close]
        findings.append(
            Finding(
                rule="scan.overlapping-slices",
                severity=Severity.REVIEW,
                title=f"{counted(len(close))} nearer to the one before than half the usual "
                f"distance, at {named(places, frames[0])}.",
                explanation="Two acquisitions may meet there; a structure may show twice.",
                point=point_of(centre_of(frames[int(close[0]) + 1])),
                evidence=(
                    Evidence(
                        quantity="smallest step",
                        measured=low,
                        expected=f"{np.median(steps):.3g}",
                        unit="mm",
                    ),
                ),
            )
        )
    return findings


def _wide(step: float) -> Finding:
    return Finding(
        rule=WIDE_RULE,
        severity=Severity.REVIEW,
        title=f"The slices are {step:.1f} mm apart.",
        explanation="What lies between them is not known. They may be single images rather than "
        "a volume, or the slices between them may be missing.",
        evidence=(Evidence(quantity="step", measured=step, expected=f"<{_WIDE_MM:g}", unit="mm"),),
    )


def _missing(frames: Sequence[Frame], levels: npt.NDArray[np.float64], step: float) -> Finding:
    gaps = sorted(set(range(round(float(levels[-1])))) - {round(float(v)) for v in levels})
    before = [int(np.searchsorted(levels, gap)) - 1 for gap in gaps]
    first = frames[0]
    # From the slice below towards the slice above, because a tilted stack moves sideways too.
    places = []
    for gap, number in zip(gaps, before, strict=True):
        low, high = frames[number].position, frames[number + 1].position
        places.append(low + (high - low) * (gap - levels[number]) / np.diff(levels)[number])
    return Finding(
        rule="scan.missing-slices",
        severity=Severity.REVIEW,
        title=f"{counted(len(gaps))} missing, at {named(places, first)}.",
        explanation=f"The others are {step:.2f} mm apart. What lies there was interpolated from "
        "the neighbours; do not judge it. Export the series again.",
        point=point_of(places[0] + centre_of(first) - first.position),
        evidence=(Evidence(quantity="missing slices", measured=len(gaps), expected="0", unit="1"),),
    )


def named(places: Iterable[Vector], first: Frame) -> str:
    """Return places along the axis that the stack follows most, as ``"z = 12.5, 15.0 mm"``."""
    axis = int(np.abs(first.normal).argmax())
    values = [float(place[axis]) for place in places]
    shown = ", ".join(f"{value:.2f}".removesuffix("0") for value in values[:_MOST_NAMED])
    more = f" and {len(values) - _MOST_NAMED} more" if len(values) > _MOST_NAMED else ""
    return f"{'xyz'[axis]} = {shown} mm{more}"


def centre_of(frame: Frame) -> Vector:
    """Return the middle of a frame, LPS mm."""
    along_i = frame.row * frame.spacing[0] * (frame.size[0] - 1) / 2.0
    along_j = frame.column * frame.spacing[1] * (frame.size[1] - 1) / 2.0
    return frame.position + along_i + along_j


def point_of(place: Vector) -> Point:
    """Return a place as a finding holds it."""
    return float(place[0]), float(place[1]), float(place[2])


def counted(number: int) -> str:
    """Return ``"3 slices are"``."""
    return "One slice is" if number == 1 else f"{number} slices are"
