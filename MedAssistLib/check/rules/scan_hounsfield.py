"""CT values that are no Hounsfield units: wrong rescale, a burnt-in window, misleading fill."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import Survey, survey
from MedAssistLib.check.thresholds import Threshold

_NAME = "scan.hounsfield"
_HOUNSFIELD = "[hnsf'U]"
_AIR = -1000.0
# Median of a body's solid parts, from fat to a skull without a brain.
_SOFT = (-150.0, 800.0)
# An offset that DICOM CT files usually have (Rescale Intercept); air is about 0 without it.
_INTERCEPT = 1024.0
_INTERCEPT_MARGIN = 100.0
# Below that share of the scan there is no air to speak of.
_LEAST_AIR = 0.01
# What is filled in below this looks like air to every program.
_LIKE_AIR = -900.0


def _measure(context: Context) -> Iterator[Sign]:
    if context.scan.modality != "CT" or context.scan.enhancement:
        return
    seen = survey(context)
    if np.count_nonzero(seen.around) > _LEAST_AIR * seen.around.size:
        yield from _air(seen)
    else:
        yield from _tissue(seen)
    yield from _flat(seen)


def _air(seen: Survey) -> Iterator[Sign]:
    air = float(np.median(seen.coarse[seen.around]))
    if air == _AIR:
        return
    yield Sign(
        rule=_NAME,
        kind="air",
        structure="",
        score=abs(air - _AIR),
        severity=Severity.URGENT,
        title=f"The air around the body measures {air:.0f} HU instead of {_AIR:.0f}.",
        explanation=_guess(air),
        evidence=(
            Evidence(
                quantity="median of the air", measured=air, expected="-1000", unit=_HOUNSFIELD
            ),
        ),
    )


def _guess(air: float) -> str:
    if abs(air - _AIR - _INTERCEPT) < _INTERCEPT_MARGIN:
        return "All values seem 1024 too high: the rescale intercept was not applied."
    return "The values were rescaled, windowed or exported as a picture."


def _tissue(seen: Survey) -> Iterator[Sign]:
    # A body may be mostly lung, and a phantom hollow.
    solid = seen.coarse[seen.body & (seen.coarse > seen.threshold)]
    if not solid.size:
        return
    tissue = float(np.median(solid))
    off = max(_SOFT[0] - tissue, tissue - _SOFT[1], 0.0)
    if off <= 0.0:
        return
    expected = f"{_SOFT[0]:.0f} to {_SOFT[1]:.0f}"
    yield Sign(
        rule=_NAME,
        kind="tissue",
        structure="",
        score=off,
        severity=Severity.URGENT,
        title=f"The tissue of the body measures {tissue:.0f} HU; {expected} is possible.",
        explanation="The values were rescaled, windowed or exported as a picture.",
        evidence=(
            Evidence(
                quantity="median of the tissue",
                measured=tissue,
                expected=expected,
                unit=_HOUNSFIELD,
            ),
        ),
    )


def _flat(seen: Survey) -> Iterator[Sign]:
    """Tell of regions of one constant value, which a scanner's noise never leaves."""
    here = seen.coarse[:-1, :-1, :-1]
    ahead = (seen.coarse[1:, :-1, :-1], seen.coarse[:-1, 1:, :-1], seen.coarse[:-1, :-1, 1:])
    same = (here == ahead[0]) & (here == ahead[1]) & (here == ahead[2]) & (here > _LIKE_AIR)
    share = 100.0 * float(np.count_nonzero(same)) / max(same.size, 1)
    if share <= 0.0:
        return
    values, counts = np.unique(here[same], return_counts=True)
    value = float(values[counts.argmax()])
    yield Sign(
        rule=_NAME,
        kind="flat",
        structure="",
        score=share,
        severity=Severity.REVIEW,
        title=f"{share:.0f} % of the scan is filled with constant values, mostly {value:.0f} HU.",
        explanation="A scanner's values are never constant: they were clipped to a window, or "
        "what the scanner did not see was filled with a value that looks like tissue.",
        evidence=(
            Evidence(quantity="constant regions", measured=share, expected="", unit="%"),
            Evidence(
                quantity="their value", measured=value, expected="below -900", unit=_HOUNSFIELD
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="CT values that are no Hounsfield units.",
    advice="Read the original DICOM series. Do not trust models, thresholds, windows and "
    "intensities until the values are right.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "air": Threshold(
            value=200.0,
            unit=_HOUNSFIELD,
            source="at most 33 on 6 real CT scans; 500 and more with a wrong rescale",
        ),
        "tissue": Threshold(
            value=0.0,
            unit=_HOUNSFIELD,
            source="0 on 6 real CT scans; 200 and more without the intercept",
        ),
        "flat": Threshold(
            value=2.0,
            unit="%",
            source="at most 0.01 on 6 real CT scans; 19 and more when filled or windowed",
        ),
    },
    measure=_measure,
)
