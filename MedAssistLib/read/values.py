"""Voxel values that no verb can use: all the same, or not numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Evidence, Finding, Scan, Severity
from MedAssistLib.errors import InputError

GAPS_RULE = "scan.not-a-number"

_NOTABLE_SHARE = 0.001


def checked_values(scan: Scan) -> Scan:
    """Refuse a scan without content, and set voxels that are not finite to the lowest value.

    Args:
        scan: The scan as it was read.

    Returns:
        The scan, with a finding more if voxels had to be set.

    Raises:
        InputError: If every voxel has the same value or none is a number.
    """
    array = sitk.GetArrayViewFromImage(scan.image)
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        scan = _without_gaps(scan)
        array = sitk.GetArrayViewFromImage(scan.image)
    low, high = array.min(), array.max()
    if low == high:
        what = f"holds nothing: every voxel is {low:g}"
        raise InputError(what, where=scan.source or scan.name, hint="Copy or export it again")
    return scan


def gaps_finding(count: int, voxels: int, value: float) -> Finding:
    """Return the finding that ``count`` of ``voxels`` were not finite and were set to ``value``."""
    share = count / voxels
    return Finding(
        rule=GAPS_RULE,
        severity=Severity.REVIEW if share > _NOTABLE_SHARE else Severity.INFO,
        title=f"{count} voxels ({share:.2g} of the scan) are not numbers; set to {value:g}.",
        explanation="Programs write NaN or infinity where they have no value; "
        "what lies there cannot be judged.",
        evidence=(Evidence(quantity="voxels not finite", measured=count, expected="0", unit="1"),),
    )


def _without_gaps(scan: Scan) -> Scan:
    array = sitk.GetArrayFromImage(scan.image)
    gaps = ~np.isfinite(array)
    if gaps.all():
        raise nothing_finite(scan.source or scan.name)
    lowest = float(array[~gaps].min())
    array[gaps] = lowest
    finding = gaps_finding(int(gaps.sum()), array.size, lowest)
    image = geometry.from_array(array, scan.image)
    return replace(scan, image=image, findings=(*scan.findings, finding))


def nothing_finite(place: str | Path) -> InputError:
    """Return the error for a scan in which no voxel is a number."""
    what = "holds nothing: no voxel is a number (all NaN or infinite)"
    return InputError(what, where=place, hint="Copy or export it again")
