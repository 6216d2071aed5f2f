"""How far the surfaces of two masks are from each other, element by element."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from MedAssistLib.measure.agreement.elements import (
    INSIDE,
    Codes,
    Floats,
    Spacing,
    corner_codes,
    element_areas,
)
from MedAssistLib.volumes import Mask

Corners = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceDistances:
    """The elements of one mask's surface and how far each is from another mask's surface.

    Attributes:
        points: Where they are, n × 3: voxel index (k, j, i) in halves, as they lie between voxels.
        signed: Distance in mm to the nearest element of the other surface, n: above zero outside
            the other mask, below zero inside it; infinite if the other mask is empty.
        areas: Area of each in mm², n.
    """

    points: Floats
    signed: Floats
    areas: Floats

    @property
    def distances(self) -> Floats:
        """Distance in mm to the other surface, n."""
        return np.abs(self.signed)


def compare_surfaces(
    first: Mask, second: Mask, spacing: Spacing
) -> tuple[SurfaceDistances, SurfaceDistances]:
    """Return the distances of the first mask's surface to the second's, and the other way round.

    For a prediction and its reference: what the prediction has too much is above zero on its own
    surface (the first one returned), what it misses is above zero on the reference's.

    Args:
        first: Axes (k, j, i).
        second: Of the same shape.
        spacing: Millimetres along (k, j, i).
    """
    box = _box(first | second)
    if box is None:
        nothing = SurfaceDistances(points=np.zeros((0, 3)), signed=np.zeros(0), areas=np.zeros(0))
        return nothing, nothing
    codes = corner_codes(first[box]), corner_codes(second[box])
    borders = _border(codes[0]), _border(codes[1])
    corners = np.argwhere(borders[0]), np.argwhere(borders[1])
    millimetres = np.array(spacing)
    areas = element_areas(spacing)
    offset = np.array([part.start for part in box]) - 0.5

    def seen_from(mine: int) -> SurfaceDistances:
        other = 1 - mine
        there = codes[other][borders[mine]]
        return SurfaceDistances(
            points=corners[mine] + offset,
            signed=_signed(corners[mine], corners[other], there, millimetres),
            areas=areas[codes[mine][borders[mine]]],
        )

    return seen_from(0), seen_from(1)


def _box(mask: Mask) -> tuple[slice, slice, slice] | None:
    """Return the block that just holds a mask; ``None`` if it is empty."""
    if not mask.any():
        return None
    k, j, i = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return slice(k[0], k[-1] + 1), slice(j[0], j[-1] + 1), slice(i[0], i[-1] + 1)


def _border(codes: Codes) -> Mask:
    border: Mask = (codes != 0) & (codes != INSIDE)
    return border


def _signed(mine: Corners, other: Corners, there: Codes, millimetres: Floats) -> Floats:
    """Return the distance of each corner to the nearest other one, mm, below zero inside ``other``.

    Args:
        mine: Where the corners are, n × 3.
        other: Where those of the other surface are, m × 3.
        there: The code that the other mask has at ``mine``.
        millimetres: From one voxel to the next along each axis.
    """
    sign = np.where(there == INSIDE, -1.0, 1.0)
    if not len(other):
        return sign * np.inf
    # Most elements of two good segmentations are the same ones: nothing to look for.
    apart = np.flatnonzero((there == INSIDE) | (there == 0))
    distances = np.zeros(len(mine))
    # Corners lie on a grid: a plain tree is built quicker and answers as quickly.
    tree = cKDTree(other * millimetres, balanced_tree=False, compact_nodes=False)
    nearest = tree.query(mine[apart] * millimetres)[1]
    # Whole voxels first: so the last digits do not depend on where in the image it is.
    steps = (mine[apart] - other[nearest]) * millimetres
    distances[apart] = np.sqrt(np.square(steps).sum(axis=1))
    return sign * distances
