"""Shapes between two contours, by the distances from both (Raya and Udupa, IEEE TMI 1990)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.volumes import Mask


def between(first: Mask, last: Mask, count: int, spacing: tuple[float, float]) -> Mask:
    """Return the slices that lie evenly between two slices.

    Args:
        first: A slice with a voxel, shape (rows, columns).
        last: Another one, of the same shape.
        count: How many slices lie between.
        spacing: Distance of rows and of columns, mm.

    Returns:
        Shape (count, rows, columns).
    """
    near, far = (_distance(np.pad(mask, 1), spacing) for mask in (first, last))
    shares = np.arange(1, count + 1).reshape(-1, 1, 1) / (count + 1)
    found: Mask = (1.0 - shares) * near + shares * far > 0.0
    return found[:, 1:-1, 1:-1]


def _distance(mask: Mask, spacing: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Return the distance from the contour, mm: above zero inside, below zero outside."""
    inside, outside = (
        ndimage.distance_transform_edt(side, sampling=spacing) for side in (mask, ~mask)
    )
    found: npt.NDArray[np.float64] = inside - outside
    return found
