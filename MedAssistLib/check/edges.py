"""Where the scan has its edge near a structure's boundary, patch by patch of its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.check.structure import Structure, Voxels
from MedAssistLib.volumes import Mask

Numbers = npt.NDArray[np.float64]

REACH_MM = 3.0
"""How far from the boundary an edge is looked for, to either side."""

_STEP_MM = 0.5
_MOST_POINTS = 20_000
# Enough to average the noise, and little enough to follow a small structure's edges.
_PATCH_VOXELS = 3.0
_LEAST_POINTS = 4
# The normals of single voxels point along the axes; over some voxels they follow the surface.
_NORMAL_VOXELS = 1.5
_CROSS = ndimage.generate_binary_structure(3, 1)
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """Patches of a structure's surface, three voxels wide.

    Attributes:
        offsets: Distances from the boundary, mm, outwards, shape (steps,).
        steepness: Change of intensity along the outward normal per mm, averaged over each patch,
            shape (patches, steps).
        points: Number of surface points of each patch.
        middles: Index (k, j, i) into the structure's mask of the point nearest to each patch's
            middle.
    """

    offsets: Numbers
    steepness: Numbers
    points: npt.NDArray[np.int64]
    middles: Numbers


def patches(
    structure: Structure,
    voxels: npt.NDArray[np.generic],
    labels: npt.NDArray[np.integer],
) -> Patches | None:
    """Sample a scan along the normals of a structure's surface.

    Where another structure begins, as between parts of an organ, the scan need not have an edge;
    the surface there is left out, and so is what lies at the border of the image.

    Args:
        structure: The structure.
        voxels: The whole scan, axes (k, j, i).
        labels: The label values of the whole segmentation, axes (k, j, i).

    Returns:
        The patches; ``None`` if there are none.
    """
    spacing = np.array(structure.spacing)
    margin = np.ceil((REACH_MM + _STEP_MM) / spacing).astype(int) + 1
    block, start = _around(structure, margin, voxels.shape)
    mask = labels[block] == structure.segment.label
    values = voxels[block].astype(np.float32)
    neighbours = ndimage.binary_dilation((labels[block] != 0) & ~mask, _TOUCHING)
    surface = mask & ~ndimage.binary_erosion(mask, _CROSS, border_value=1)
    points = np.argwhere(surface & ~neighbours)
    if len(points) < _LEAST_POINTS:
        return None
    points = points[:: len(points) // _MOST_POINTS + 1]
    normals, depth = _normals(mask, spacing, points)
    offsets = np.arange(-REACH_MM, REACH_MM + _STEP_MM / 2.0, _STEP_MM)
    edges = np.append(offsets - _STEP_MM / 2.0, offsets[-1] + _STEP_MM / 2.0)
    along = (depth[:, None] + edges)[..., None] * normals[:, None, :] / spacing
    where = points[:, None, :] + along
    within = ((where >= 0.0) & (where <= np.array(mask.shape) - 1.0)).all(axis=(1, 2))
    if np.count_nonzero(within) < _LEAST_POINTS:
        return None
    sampled = ndimage.map_coordinates(values, where[within].reshape(-1, 3).T, order=1)
    steepness = np.diff(sampled.reshape(-1, len(edges)), axis=1) / _STEP_MM
    return _averaged(offsets, steepness, points[within], spacing, start)


def _around(
    structure: Structure, margin: npt.NDArray[np.int64], shape: tuple[int, ...]
) -> tuple[Voxels, npt.NDArray[np.int64]]:
    """Return the block of the image around a structure, and its first index in the mask."""
    k, j, i = (
        slice(max(part.start - extra, 0), min(part.stop + extra, size))
        for part, extra, size in zip(structure.box, margin.tolist(), shape, strict=True)
    )
    return (k, j, i), np.array([k.start, j.start, i.start]) - structure.offset


def _normals(
    mask: Mask, spacing: Numbers, points: npt.NDArray[np.int64]
) -> tuple[Numbers, Numbers]:
    """Return the outward unit normals (mm) at surface voxels, and how deep these lie inside, mm."""
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), _NORMAL_VOXELS, mode="nearest")
    slopes = np.stack(np.gradient(smooth, *spacing), axis=-1)[tuple(points.T)].astype(np.float64)
    length = np.linalg.norm(slopes, axis=1, keepdims=True)
    normals = -slopes / np.maximum(length, 1e-12)
    # The boundary runs between the voxels: half of one away, measured along the normal.
    return normals, 0.5 / np.linalg.norm(normals / spacing, axis=1).clip(1e-6)


def _averaged(
    offsets: Numbers,
    steepness: Numbers,
    points: npt.NDArray[np.int64],
    spacing: Numbers,
    start: npt.NDArray[np.int64],
) -> Patches | None:
    """Average the profiles over the blocks of voxels that the surface passes through."""
    width = _PATCH_VOXELS * float(np.cbrt(spacing.prod()))
    blocks = ((points - points.min(axis=0)) * spacing // width).astype(np.int64)
    keys = np.ravel_multi_index(tuple(blocks.T), tuple(blocks.max(axis=0) + 1))
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(keys[order]) > 0))
    counts = np.diff(np.append(starts, len(keys)))
    large = counts >= _LEAST_POINTS
    if not large.any():
        return None
    mean = np.add.reduceat(steepness[order], starts, axis=0) / counts[:, None]
    middles = []
    for first, count in zip(starts[large], counts[large], strict=True):
        patch = points[order[first : first + count]]
        away = np.square((patch - patch.mean(axis=0)) * spacing).sum(axis=1)
        middles.append(patch[away.argmin()] + start)
    return Patches(
        offsets=offsets,
        steepness=mean[large],
        points=counts[large],
        middles=np.array(middles, dtype=np.float64),
    )
