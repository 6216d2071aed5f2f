"""The surface of a mask, cut into one element at each corner where voxels in and out of it meet.

A corner has eight voxels around it, so that 256 patterns are possible, each with triangles of
marching cubes. Source: Nikolov et al. 2021, doi:10.2196/26151, and the table of the package
``surface-distance`` 0.1 (DeepMind, Apache-2.0), which 13 patterns and their symmetries make up.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import numpy.typing as npt

from MedAssistLib.volumes import Mask

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Spacing = tuple[float, float, float]
"""Millimetres between voxels along the array's axes (k, j, i)."""

INSIDE = 255
"""The code of a corner with all eight voxels in the mask; 0 is that of a corner with none."""

_CORNERS = list(itertools.product((0, 1), repeat=3))
_MOST_TRIANGLES = 4
# Pattern (bit n set: the voxel at _CORNERS[n] is in) → triangles, as 8 × their area in voxel faces
# along each axis. Mirrored, turned and inverted patterns have the same triangles.
_TRIANGLES = {
    0b00000001: [(1, 1, 1)],
    0b00000011: [(2, 2, 0), (2, 2, 0)],
    0b00000110: [(1, 1, 1), (1, 1, 1)],
    0b00000111: [(4, 0, 0), (2, 2, 2), (1, 1, 1)],
    0b00001111: [(4, 0, 0), (4, 0, 0)],
    0b00010110: [(1, 1, 1), (1, 1, 1), (1, 1, 1)],
    0b00010111: [(1, 1, 1), (2, 2, 2), (2, 2, 2), (1, 1, 1)],
    0b00011000: [(1, 1, 1), (1, 1, 1)],
    0b00011001: [(0, 2, 2), (0, 2, 2), (1, 1, 1)],
    0b00011011: [(1, 1, 1), (3, 3, 3), (0, 2, 2), (2, 0, 2)],
    0b00011110: [(4, 0, 0), (1, 1, 1), (2, 2, 2), (1, 1, 1)],
    0b00111100: [(2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0)],
    0b01101001: [(1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)],
}


def corner_codes(mask: Mask) -> Codes:
    """Return which of the eight voxels around each corner are in a mask.

    Args:
        mask: Axes (k, j, i); beyond its borders nothing is in it.

    Returns:
        One number a corner, one corner more than voxels along each axis: corner (k, j, i) lies half
        a voxel before the centre of voxel (k, j, i) along every axis.
    """
    voxels = np.pad(mask, 1).view(np.uint8)
    size = [length + 1 for length in mask.shape]
    codes = np.zeros(size, dtype=np.uint8)
    for bit, corner in enumerate(_CORNERS):
        window = tuple(slice(start, start + n) for start, n in zip(corner, size, strict=True))
        codes |= voxels[window] << np.uint8(bit)
    return codes


def element_areas(spacing: Spacing) -> Floats:
    """Return the area in mm² of the surface at a corner, for each of the 256 codes."""
    faces = np.prod(spacing) / np.asarray(spacing)
    areas: Floats = np.linalg.norm(_triangles() * faces, axis=2).sum(axis=1)
    return areas


@cache
def _triangles() -> Floats:
    """Return the area vectors of each code's triangles, 256 × 4 × 3, in voxel faces."""
    found = np.zeros((256, _MOST_TRIANGLES, 3))
    turns = list(itertools.product(itertools.permutations(range(3)), _CORNERS))
    for pattern, triangles in _TRIANGLES.items():
        cube = np.array([pattern >> bit & 1 for bit in range(8)], dtype=np.uint8).reshape(2, 2, 2)
        vectors = np.array(triangles) / 8.0
        for order, flips in turns:
            turned = cube.transpose(order)[tuple(slice(None, None, 1 - 2 * flip) for flip in flips)]
            code = int(np.packbits(turned.ravel(), bitorder="little")[0])
            found[[code, INSIDE - code], : len(vectors)] = vectors[:, order]
    return found
