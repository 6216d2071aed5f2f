"""Areas, volumes and normals of closed surfaces, and letting them out to a given volume."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]
Pieces = npt.NDArray[np.int32]

_KEPT = 0.5
_EXACT = 1e-4
_MOST_STEPS = 20


def pieces(count: int, triangles: Integers) -> Pieces:
    """Return which closed piece of a surface each of its ``count`` points is of (count,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = triangles.reshape(-1), np.roll(triangles, -1, axis=1).reshape(-1)
    joined = coo_array((np.ones(len(rows), dtype=np.bool_), (rows, columns)), shape=(count, count))
    piece: Pieces = connected_components(joined, directed=False)[1]
    return piece


def radii(points: Floats, triangles: Integers, piece: Pieces) -> Floats:
    """Return how thick each piece is: three times volume over area, which is a ball's radius."""
    return 3.0 * np.abs(_volumes(points, triangles, piece)) / _areas(points, triangles, piece)


def let_out(points: Floats, before: Floats, triangles: Integers, piece: Pieces) -> Floats:
    """Return the points moved along their normals until each piece has the volume it had before.

    A piece that lost much is first moved back halfway, as often as it takes: islands of a few
    voxels would be inside out.

    Args:
        points: Corners (n, 3) of a closed surface, mm.
        before: Where the corners were (n, 3), mm.
        triangles: Which three corners each triangle has (m, 3), anticlockwise from outside.
        piece: As from :func:`pieces`.
    """
    wanted = _volumes(before, triangles, piece)
    while (spoilt := _volumes(points, triangles, piece) / wanted < _KEPT).any():
        points = np.where(spoilt[piece][:, None], (points + before) / 2.0, points)
    for _ in range(_MOST_STEPS):
        lost = wanted - _volumes(points, triangles, piece)
        if (np.abs(lost) <= _EXACT * np.abs(wanted)).all():
            break
        step = lost / _areas(points, triangles, piece)
        points = points + step[piece][:, None] * point_normals(points, triangles)
    return points


def point_normals(points: Floats, triangles: Integers) -> Floats:
    """Return the outward unit normal at each point (n, 3), larger triangles weighing more."""
    across = _across(points, triangles)
    normals = np.empty_like(points)
    for axis in range(3):
        weights = np.repeat(across[:, axis], 3)
        normals[:, axis] = np.bincount(triangles.reshape(-1), weights, minlength=len(points))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: Floats = normals / np.where(length > 0.0, length, 1.0)
    return unit


def _across(points: Floats, triangles: Integers) -> Floats:
    """Return the normal of each triangle (m, 3), as long as twice its area."""
    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    across: Floats = np.cross(second - first, third - first)
    return across


def _areas(points: Floats, triangles: Integers, piece: Pieces) -> Floats:
    areas = np.linalg.norm(_across(points, triangles), axis=1) / 2.0
    total: Floats = np.bincount(piece[triangles[:, 0]], areas).astype(np.float64)
    return total


def _volumes(points: Floats, triangles: Integers, piece: Pieces) -> Floats:
    """Return the volume of each piece; that of a hollow within another one is below zero."""
    # From a point nearby, because the places are large numbers and the volumes small ones.
    near = points - points[0]
    volumes = np.einsum("ij,ij->i", near[triangles[:, 0]], _across(near, triangles)) / 6.0
    total: Floats = np.bincount(piece[triangles[:, 0]], volumes).astype(np.float64)
    return total
