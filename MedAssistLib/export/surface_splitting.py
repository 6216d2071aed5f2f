"""Making the walls around a label two-sided everywhere: where it touches itself, they part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]


def parted(points: Floats, triangles: Integers, outside: Integers) -> tuple[Floats, Integers]:
    """Return the same surface as a closed 2-manifold.

    Voxels that touch along an edge only share an edge with four triangles, and those that touch in
    a corner only share a point; few programs take such a surface for a closed one. Here edges and
    points are doubled so that every edge has two triangles and every point one fan of them. What
    touches along an edge stays in one piece, as voxels that touch so are counted to one part.

    Args:
        points: Corners (n, 3).
        triangles: Which three corners each triangle has (m, 3), all the same way round.
        outside: A number for the voxel that each triangle shows its outer side to (m,).
    """
    points, triangles = _with_crowded_edges_cut(points, triangles, outside)
    return _with_fans_apart(points, triangles)


def edge_numbers(triangles: Integers) -> npt.NDArray[np.int64]:
    """Return a number for each side of each triangle (3 m,), the same for the same two ends.

    The sides of a triangle run from its first corner to the second, second to third, third to
    first.
    """
    starts = triangles.reshape(-1).astype(np.int64)
    stops = np.roll(triangles, -1, axis=1).reshape(-1).astype(np.int64)
    numbers: npt.NDArray[np.int64] = np.minimum(starts, stops) * (triangles.max() + 1)
    return numbers + np.maximum(starts, stops)


def _with_crowded_edges_cut(
    points: Floats, triangles: Integers, outside: Integers
) -> tuple[Floats, Integers]:
    """Cut each edge of four triangles in the middle, once for each voxel that lies outside it."""
    _, edge, counts = np.unique(edge_numbers(triangles), return_inverse=True, return_counts=True)
    crowded = counts[edge] > 2
    cut = crowded.reshape(-1, 3).any(axis=1)
    if not cut.any():
        return points, triangles
    pairs = np.stack([edge[crowded], np.repeat(outside, 3)[crowded]], axis=1)
    _, first, pair = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    ends = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2).reshape(-1, 2)
    middles = points[ends[crowded][first]].mean(axis=1)
    centres = points[triangles[cut]].mean(axis=1)
    middle = np.full(len(edge), -1)
    middle[crowded] = len(points) + pair.reshape(-1)
    centre = np.repeat(len(points) + len(middles) + np.arange(len(centres)), 3)
    sides, of_side = ends.reshape(-1, 3, 2)[cut].reshape(-1, 2), middle.reshape(-1, 3)[cut].ravel()
    start, stop, whole = sides[:, 0], sides[:, 1], of_side < 0
    pieces = [
        np.stack([start, stop, centre], axis=1)[whole],
        np.stack([start, of_side, centre], axis=1)[~whole],
        np.stack([of_side, stop, centre], axis=1)[~whole],
    ]
    return np.concatenate([points, middles, centres]), np.concatenate([triangles[~cut], *pieces])


def _with_fans_apart(points: Floats, triangles: Integers) -> tuple[Floats, Integers]:
    """Give each fan of triangles around a point a point of its own; edges have two triangles."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = triangles.size
    # The two triangles of an edge run along it in opposite directions.
    one, other = np.argsort(edge_numbers(triangles), kind="stable").reshape(-1, 2).T
    after = np.arange(count).reshape(-1, 3)[:, [1, 2, 0]].reshape(-1)
    rows, columns = np.concatenate([one, after[one]]), np.concatenate([after[other], other])
    same = coo_array((np.ones(count, dtype=np.bool_), (rows, columns)), shape=(count, count))
    _, fan = connected_components(same, directed=False)
    _, first = np.unique(fan, return_index=True)
    return points[triangles.reshape(-1)[first]], fan.reshape(-1, 3)
