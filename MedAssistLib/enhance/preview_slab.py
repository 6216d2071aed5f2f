"""Slices and slabs of a scan: which of them a chain of filters needs for one slice."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.chain import Chain
from MedAssistLib.enhance.options import unknown
from MedAssistLib.enhance.voxels import slices
from MedAssistLib.errors import UsageError

_PLANES = {"axial": "SI", "coronal": "AP", "sagittal": "LR"}
_ROUNDING = 1e-6
_COARSE_VOXELS = 1 << 18


@dataclass(frozen=True)
class Plane:
    """A slice of an image: the axis (0, 1, 2) across it and its index along this axis."""

    axis: int
    index: int


def plane_of(image: sitk.Image, axis: int | str, index: int) -> Plane:
    """Return a slice of an image.

    Args:
        image: The image.
        axis: Its axis, or ``"axial"``, ``"coronal"``, ``"sagittal"`` for the axis that is nearest
            to across such a plane.
        index: Number of the slice.

    Raises:
        UsageError: If there is no such axis, plane or slice.
    """
    if isinstance(axis, str):
        if axis not in _PLANES:
            raise unknown("plane", axis, tuple(_PLANES))
        letters = geometry.orientation(image)
        axis = next(n for n, letter in enumerate(letters) if letter in _PLANES[axis])
    if axis not in (0, 1, 2):
        raise UsageError(f"there is no axis {axis}", hint="Give 0, 1 or 2")
    slices_there = image.GetSize()[axis]
    if not 0 <= index < slices_there:
        hint = f"Give one from 0 to {slices_there - 1}"
        raise UsageError(f"there is no slice {index}", hint=hint)
    return Plane(axis, index)


def nearest_plane(old: sitk.Image, plane: Plane, new: sitk.Image) -> Plane:
    """Return the slice of another grid that is nearest to a slice."""
    if new is old:
        return plane
    along = geometry.direction(old)[:, plane.axis]
    axis = int(np.abs(along @ geometry.direction(new)).argmax())
    middle = [(n - 1) / 2 for n in old.GetSize()]
    middle[plane.axis] = plane.index
    point = old.TransformContinuousIndexToPhysicalPoint(middle)
    place = round(new.TransformPhysicalPointToContinuousIndex(point)[axis])
    return Plane(axis, min(max(place, 0), new.GetSize()[axis] - 1))


def contexts(image: sitk.Image, steps: Chain, axis: int) -> list[int]:
    """Return how many slices on each side are needed before each filter, and after the last: 0."""
    spacing = image.GetSpacing()[axis]
    needed = [0]
    for step in reversed(steps):
        reach = step.kind.reach(step.options, spacing)
        needed.append(needed[-1] + math.ceil(reach / spacing - _ROUNDING))
    return needed[::-1]


def slab_sizes(image: sitk.Image, steps: Chain, axis: int) -> list[int]:
    """Return how many voxels each filter works on for one slice."""
    size = image.GetSize()
    within = math.prod(size) // size[axis]
    needed = contexts(image, steps, axis)
    worked = [
        after if step.kind.part else before
        for step, before, after in zip(steps, needed[:-1], needed[1:], strict=True)
    ]
    return [within * min(2 * n + 1, size[axis]) for n in worked]


def slab_around(image: sitk.Image, plane: Plane, context: int) -> tuple[sitk.Image, int]:
    """Return a slice with its context as float32, and which slice of the slab it is.

    The slab has two slices at least: ITK's gradients need them.
    """
    most = image.GetSize()[plane.axis]
    first = max(plane.index - context, 0)
    stop = min(plane.index + context + 1, most)
    if stop - first < 2:
        first, stop = (first, stop + 1) if stop < most else (first - 1, stop)
    slab = slices(image, plane.axis, max(first, 0), stop)
    return sitk.Cast(slab, sitk.sitkFloat32), plane.index - max(first, 0)


def coarse_copy(image: sitk.Image) -> sitk.Image:
    """Return every n-th voxel of an image, so that about a quarter of a million is left."""
    volume = math.prod(image.GetSize()) * math.prod(image.GetSpacing())
    wanted = (volume / _COARSE_VOXELS) ** (1 / 3)
    factors = [
        min(max(round(wanted / spacing), 1), max(n // 4, 1))
        for spacing, n in zip(image.GetSpacing(), image.GetSize(), strict=True)
    ]
    coarse: sitk.Image = sitk.Shrink(image, factors)
    return coarse
