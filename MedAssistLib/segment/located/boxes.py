"""Blocks of a scan's voxels, as slices along i, j, k: about a place, and about what is there."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Point
from MedAssistLib.segment.region import Slices
from MedAssistLib.volumes import largest_component

# So far a place may stick out of the scan: the head is not found more exactly.
_TOLERANCE_MM = 6.0
_LEAST_VOXELS = 2

Labels = npt.NDArray[np.integer]
Indices = npt.NDArray[np.float64]


def placed(image: sitk.Image, head: sitk.Transform, corners: tuple[Point, Point]) -> Slices | None:
    """Return the block that holds a box of an atlas.

    Args:
        image: The scan.
        head: From places in the atlas to places in the scan, LPS mm.
        corners: Two opposite corners of the box in the atlas, LPS mm.

    Returns:
        ``None`` if the scan does not show all of the box.
    """
    points = map(head.TransformPoint, itertools.product(*zip(*corners, strict=True)))
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(point) for point in points])
    low, high = indices.min(axis=0), indices.max(axis=0)
    beyond = _TOLERANCE_MM / np.array(image.GetSpacing())
    if (low < -beyond).any() or (high > np.array(image.GetSize()) - 1 + beyond).any():
        return None
    return _slices(low, high, image)


def centred(labels: Labels, block: Slices, image: sitk.Image) -> Slices | None:
    """Return a block as large as another one about the middle of what was found in that.

    Args:
        labels: What was found, axes (k, j, i); the largest connected part counts.
        block: Where it was looked for.
        image: The scan.

    Returns:
        ``None`` if nothing was found.
    """
    found = _extent(labels, block)
    if found is None:
        return None
    middle = (found[0] + found[1]) / 2.0
    half = np.array([part.stop - part.start - 1 for part in block]) / 2.0
    return _slices(middle - half, middle + half, image)


def about(labels: Labels, block: Slices, image: sitk.Image, margin: float) -> Slices | None:
    """Return the block with a margin about what was found in another one.

    Args:
        labels: What was found, axes (k, j, i); the largest connected part counts.
        block: Where it was looked for.
        image: The scan.
        margin: mm about it.

    Returns:
        ``None`` if nothing was found.
    """
    found = _extent(labels, block)
    if found is None:
        return None
    around = margin / np.array(image.GetSpacing())
    return _slices(found[0] - around, found[1] + around, image)


def _extent(labels: Labels, block: Slices) -> tuple[Indices, Indices] | None:
    """Return the first and the last index (i, j, k) of the largest part."""
    if not labels.any():
        return None
    found = np.argwhere(largest_component(labels > 0))[:, ::-1] + [part.start for part in block]
    return found.min(axis=0).astype(np.float64), found.max(axis=0).astype(np.float64)


def _slices(low: Indices, high: Indices, image: sitk.Image) -> Slices:
    """Return the voxels from one index to another, as far as the scan goes."""
    size = np.array(image.GetSize())
    start = np.clip(np.round(low), 0, size - _LEAST_VOXELS).astype(int)
    stop = np.clip(np.round(high) + 1, start + _LEAST_VOXELS, size).astype(int)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return i, j, k
