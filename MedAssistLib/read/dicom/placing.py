"""Putting a segmentation's voxels on the grid of its scan, and what that changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment
from MedAssistLib.errors import InputError

_WHOLE = 0.05
"""Voxels by which the places of two grids may differ and still be the same."""

_MUCH = 0.1
"""Share of a structure's volume whose change is told."""


def coincide(labels: sitk.Image, scan: sitk.Image) -> bool:
    """Tell whether the voxels of the first are some of the second's, inside it or not."""
    moved = np.linalg.inv(geometry.index_to_lps(scan)) @ geometry.index_to_lps(labels)
    far = np.array([*labels.GetSize(), 1.0])
    near = (np.abs(moved - np.rint(moved)) @ far)[:3].max() <= _WHOLE
    return bool(near and abs(round(float(np.linalg.det(moved[:3, :3])))) == 1)


def placed_on(path: Path, labels: sitk.Image, scan: Scan) -> sitk.Image:
    """Return labels on a scan's grid by nearest neighbour.

    Raises:
        InputError: If a labelled voxel lies outside of the scan.
    """
    outside = _outside(labels, scan.image)
    if outside:
        what = f"lies outside of the scan with {outside} of its voxels"
        raise InputError(what, where=path, hint="Give the scan that it was drawn on")
    placed: sitk.Image = sitk.Resample(
        labels, scan.image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, labels.GetPixelID()
    )
    return placed


def changes_of(
    path: Path, segments: Sequence[Segment], drawn: sitk.Image, placed: sitk.Image
) -> str:
    """Return which structures changed much in volume, with percentages; refuse what vanished."""
    before, after = _volumes(drawn), _volumes(placed)
    changes = []
    for segment in segments:
        old, new = before.get(segment.label, 0.0), after.get(segment.label, 0.0)
        if old and not new:
            what = f"has a structure that is lost between the scan's voxels ({segment.name})"
            raise InputError(what, where=path, hint="Give the scan that it was drawn on")
        if old and abs(new / old - 1.0) > _MUCH:
            changes.append(f"{segment.name} {100.0 * (new / old - 1.0):+.0f} % volume")
    return ", ".join(changes)


def _volumes(labels: sitk.Image) -> dict[int, float]:
    """Return the volume of each label in mm³."""
    numbers, counts = np.unique(sitk.GetArrayViewFromImage(labels), return_counts=True)
    voxel = float(np.prod(labels.GetSpacing()))
    return {int(n): int(count) * voxel for n, count in zip(numbers, counts, strict=True)}


def _outside(labels: sitk.Image, scan: sitk.Image) -> int:
    """Count the labelled voxels whose centre lies in no voxel of the scan, slice by slice."""
    moved = np.linalg.inv(geometry.index_to_lps(scan)) @ geometry.index_to_lps(labels)
    low, high = -0.5 - _WHOLE, np.array(scan.GetSize())[:, None] - 0.5 + _WHOLE
    count = 0
    for k, plane in enumerate(sitk.GetArrayViewFromImage(labels)):
        j, i = np.nonzero(plane)
        places = moved[:3] @ np.stack([i, j, np.full(len(i), k), np.ones(len(i))])
        count += int(((places < low) | (places > high)).any(axis=0).sum())
    return count
