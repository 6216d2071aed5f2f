"""Two tissues in one label."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import NEVER, Threshold
from MedAssistLib.check.tissue import mixed
from MedAssistLib.volumes import Mask

_NAME = "intensity.mixture"
_LEAST_VOXELS = 100
_CROSS = ndimage.generate_binary_structure(3, 1)
_BINS = 128
# Values that differ by rounding only.
_ALIKE = 1e-6
# Less than that is a vessel, a cyst or noise rather than a second tissue.
_LEAST_SHARE = 0.05
# Otsu's share of the variance for one normal distribution, cut in the middle: 2 / π.
_ONE_TISSUE = 2.0 / np.pi


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        inner = ndimage.binary_erosion(structure.inside, _CROSS)
        if np.count_nonzero(inner) < _LEAST_VOXELS:
            continue
        smooth = _smoothed(structure, inner, context)
        yield from _sign(structure, inner, smooth)


def _smoothed(structure: Structure, inner: Mask, context: Context) -> npt.NDArray[np.float64]:
    """Return the mean of each voxel's neighbourhood within the eroded structure."""
    values = np.where(inner, structure.crop(context.voxels), 0.0).astype(np.float64)
    count = ndimage.uniform_filter(inner.astype(np.float64), 3, mode="constant")
    total: npt.NDArray[np.float64] = ndimage.uniform_filter(values, 3, mode="constant")
    mean: npt.NDArray[np.float64] = total / np.maximum(count, 1e-9)
    return mean


def _sign(structure: Structure, inner: Mask, smooth: npt.NDArray[np.float64]) -> Iterator[Sign]:
    threshold, share = _otsu(smooth[inner])
    bright = inner & (smooth > threshold)
    minority = min(np.count_nonzero(bright), np.count_nonzero(inner & ~bright))
    if minority < _LEAST_SHARE * np.count_nonzero(inner) or share <= _ONE_TISSUE:
        return
    odd = bright if minority == np.count_nonzero(bright) else inner & ~bright
    low = float(np.median(smooth[inner & ~bright]))
    high = float(np.median(smooth[bright]))
    yield Sign(
        rule=_NAME,
        kind="hollow" if mixed(structure.segment) else "mixture",
        structure=structure.name,
        score=(share - _ONE_TISSUE) / (1.0 - _ONE_TISSUE),
        severity=Severity.REVIEW,
        title=f"{structure.name} seems to hold two tissues, of intensities about {low:.0f} and "
        f"{high:.0f}.",
        explanation=f"{100.0 * minority / np.count_nonzero(inner):.0f} % of it belongs to the "
        "rarer one.",
        place=structure.place(np.pad(odd, 1)),
        evidence=(
            Evidence(
                quantity="variance between the two over all variance",
                measured=share,
                expected="about 0.64 for one tissue",
                unit="1",
            ),
        ),
    )


def _otsu(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the threshold that parts values best, and the share of their variance between both.

    Otsu 1979, doi:10.1109/TSMC.1979.4310076.
    """
    low, high = float(values.min()), float(values.max())
    if high - low <= _ALIKE * max(abs(low), abs(high)):
        return high, 0.0
    counts, edges = np.histogram(values, bins=_BINS)
    middles = (edges[:-1] + edges[1:]) / 2.0
    weight = np.cumsum(counts)[:-1] / len(values)
    mean = np.cumsum(counts * middles)[:-1] / len(values)
    whole = float(np.sum(counts * middles)) / len(values)
    variance = float(np.sum(counts * (middles - whole) ** 2)) / len(values)
    between = (whole * weight - mean) ** 2 / np.maximum(weight * (1.0 - weight), 1e-12)
    best = int(between.argmax())
    return float(edges[best + 1]), float(between[best] / variance)


RULE = Rule(
    name=_NAME,
    looks_for="Two tissues in one label.",
    advice="Look whether the rarer tissue belongs to the structure.",
    needs=frozenset({Need.SCAN, Need.SEGMENTATION}),
    thresholds={
        "mixture": Threshold(
            value=0.5, unit="1", source="at most 0.33 on 29 solid structures of 2 real CT scans"
        ),
        "hollow": Threshold(value=NEVER, unit="1", source="only where calibrated"),
    },
    measure=_measure,
)
