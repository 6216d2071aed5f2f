"""Segmenting only a part of a scan: cutting the box out, and putting the answer back."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Point
from MedAssistLib.errors import InputError

# Voxels: a box that ends on a voxel's edge, but for rounding, does not take the next one.
_ROUNDING = 1e-3

Slices = tuple[slice, slice, slice]
Value = TypeVar("Value", bound=np.generic)


def region_slices(image: sitk.Image, box: tuple[Point, Point]) -> Slices:
    """Return the block of voxels, as slices along i, j, k, that holds a box of space.

    Args:
        image: The scan.
        box: Two opposite corners, LPS mm.

    Raises:
        InputError: If less than two voxels a side of the scan lie in the box.
    """
    low, high = np.minimum(*box), np.maximum(*box)
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1)
    matrix = np.linalg.inv(geometry.index_to_lps(image))
    indices = matrix[:3, :3] @ corners + matrix[:3, 3:]
    start = np.maximum(np.floor(indices.min(axis=1) + 0.5 + _ROUNDING), 0).astype(int)
    stop = np.minimum(np.ceil(indices.max(axis=1) + 0.5 - _ROUNDING), image.GetSize()).astype(int)
    if (stop - start < 2).any():
        hint = "Give a box within the scan, in LPS millimetres"
        raise InputError("the region holds too little of the scan", hint=hint)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return i, j, k


def put_back(part: npt.NDArray[Value], slices: Slices, image: sitk.Image) -> npt.NDArray[Value]:
    """Return an array for the whole scan, zero outside the part; the last axes are (k, j, i)."""
    shape = (*part.shape[:-3], *image.GetSize()[::-1])
    whole = np.zeros(shape, dtype=part.dtype)
    whole[(..., *slices[::-1])] = part
    return whole
