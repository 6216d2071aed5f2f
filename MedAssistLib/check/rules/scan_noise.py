"""A scan so noisy that contours and small structures cannot be trusted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import Survey, Values, survey
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.volumes import Mask

_NAME = "scan.noise"
# The median of the absolute values of a normal distribution, in standard deviations.
_MEDIAN_DEVIATION = 0.6745
_MOST_SLICES = 24
_LEAST_VOXELS = 200


def _measure(context: Context) -> Iterator[Sign]:
    seen = survey(context)
    if context.scan.modality == "CT":
        # Every n-th voxel, because neighbours in a finely reconstructed slice share their noise.
        deviation = _deviation(seen.coarse, seen.body, seen.through)
        if deviation > 0.0:
            yield _ct(deviation)
    elif context.scan.modality == "MR":
        deviation = _deviation(*_slices(seen), 0)
        signal = float(np.median(seen.coarse[seen.body])) if seen.body.any() else 0.0
        if deviation > 0.0 and signal > 0.0:
            yield _mr(deviation / signal)


def _ct(deviation: float) -> Sign:
    return Sign(
        rule=_NAME,
        kind="ct",
        structure="",
        score=deviation,
        severity=Severity.REVIEW,
        title=f"The scan is noisy: its values scatter by {deviation:.0f} HU within tissue.",
        explanation="Soft tissues differ by 20 to 50 HU and can hardly be told apart.",
        evidence=(
            Evidence(
                quantity="standard deviation of the noise",
                measured=deviation,
                expected="",
                unit="[hnsf'U]",
            ),
        ),
    )


def _mr(ratio: float) -> Sign:
    return Sign(
        rule=_NAME,
        kind="mr",
        structure="",
        score=ratio,
        severity=Severity.REVIEW,
        title=f"The scan is noisy: its signal is only {1.0 / ratio:.1f} times its noise.",
        explanation="Tissues of similar brightness can hardly be told apart.",
        evidence=(
            Evidence(
                quantity="signal-to-noise ratio",
                measured=1.0 / ratio,
                expected="",
                unit="1",
            ),
        ),
    )


def _slices(seen: Survey) -> tuple[Values, Mask]:
    """Return some slices with all their voxels, and the body in them; slices come first."""
    across, step = seen.through, seen.steps
    values = np.moveaxis(seen.values, across, 0)
    chosen = np.linspace(0, len(values) - 1, min(len(values), _MOST_SLICES)).astype(int)
    body = np.moveaxis(seen.body, across, 0)[chosen // step[across]]
    for axis, other in enumerate(seen.in_plane, start=1):
        body = body.repeat(step[other], axis).take(range(values.shape[axis]), axis)
    return values[chosen], body


def _deviation(values: Values, body: Mask, across: int) -> float:
    """Return the standard deviation of the noise in the body; 0 if there is too little of it.

    It is the median absolute difference of diagonal neighbours within slices (Haar's diagonal
    detail, Donoho and Johnstone 1994, doi:10.1093/biomet/81.3.425), where structure hardly shows.
    """
    slices, inside = np.moveaxis(values, across, 0), np.moveaxis(body, across, 0)
    quads = [
        (
            slices[:, a : n - 1 + a : 2, b : m - 1 + b : 2],
            inside[:, a : n - 1 + a : 2, b : m - 1 + b : 2],
        )
        for n, m in [slices.shape[1:]]
        for a in (0, 1)
        for b in (0, 1)
    ]
    whole = np.logical_and.reduce([mask for _, mask in quads])
    if np.count_nonzero(whole) < _LEAST_VOXELS:
        return 0.0
    first, second, third, fourth = (part[whole].astype(np.float32) for part, _ in quads)
    detail: npt.NDArray[np.float32] = (first - second - third + fourth) / 2.0
    return float(np.median(np.abs(detail))) / _MEDIAN_DEVIATION


RULE = Rule(
    name=_NAME,
    looks_for="A scan so noisy that contours and small structures cannot be trusted.",
    advice="Treat thin and low-contrast structures with care; a smoother reconstruction, thicker "
    "slices or Enhance with a denoising filter may help.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "ct": Threshold(
            value=50.0,
            unit="[hnsf'U]",
            source="4 to 25 on 6 real CT scans; 68 and more with 60 HU added",
        ),
        "mr": Threshold(
            value=0.125,
            unit="1",
            source="0.01 to 0.09 on 215 real MR scans, 208 of them crops; 0.18 when spoilt",
            inverse=True,
        ),
    },
    measure=_measure,
)
