"""Local histogram equalisation: curves of tiles, and the blend of the curves around each voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.progress import Progress

_BINS = 256
# Values in between bins, so that a smooth image stays smooth.
_LEVELS = 1024
_ROUNDS = 20

Curves = npt.NDArray[np.float32]
Neighbours = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Tiles:
    """What :func:`equalise` needs to know of the whole image.

    Attributes:
        grid: An image with one voxel a tile; only its place matters.
        curves: Axes (k, j, i, level): where each level goes in each tile, in [0, 1].
        low: The value of level 0.
        high: The value of the last level.
    """

    grid: sitk.Image
    curves: Curves
    low: float
    high: float


def tiles_of(
    image: sitk.Image, size: float, limit: float, ends: tuple[float, float], progress: Progress
) -> Tiles:
    """Return the equalising curve of each tile of an image.

    Args:
        image: The whole image.
        size: Rough size of a tile in mm; the image is cut into a whole number of equal ones.
        limit: Largest slope of a curve, as a multiple of the straight line's.
        ends: Values from which to which the curves go.
        progress: Looked at for cancellation.
    """
    values = sitk.GetArrayViewFromImage(image)
    spacing = image.GetSpacing()[::-1]
    # No tile without voxels, and those of the borders as large as the others.
    counts = [
        min(max(1, round(n * s / size)), n) for n, s in zip(values.shape, spacing, strict=True)
    ]
    cuts = [
        np.rint(np.linspace(0, n, count + 1)).astype(int)
        for n, count in zip(values.shape, counts, strict=True)
    ]
    curves = np.empty((*counts, _LEVELS), dtype=np.float32)
    for place in np.ndindex(*counts):
        progress.check()
        block = values[tuple(slice(c[p], c[p + 1]) for c, p in zip(cuts, place, strict=True))]
        curves[place] = _curve(block, limit, ends)
    return Tiles(_grid_of(image, counts[::-1]), curves, *ends)


def equalise(image: sitk.Image, tiles: Tiles, progress: Progress) -> sitk.Image:
    """Return an image or a slab of it equalised; values stay between the tiles' low and high."""
    values = sitk.GetArrayViewFromImage(image)
    result = np.empty(values.shape, dtype=np.float32)
    columns, rows, planes = (_neighbours(image, tiles.grid, axis) for axis in range(3))
    scale = (_LEVELS - 1) / (tiles.high - tiles.low)
    for k, (before, after, share) in enumerate(zip(*planes, strict=True)):
        progress.update(k / len(values))
        # Unlike clip(), these two make a level of what is not a number.
        levels = np.fmin(np.fmax((values[k] - tiles.low) * scale + 0.5, 0), _LEVELS - 1)
        curves = (1 - share) * tiles.curves[before] + share * tiles.curves[after]
        result[k] = tiles.low + (tiles.high - tiles.low) * _blend(
            levels.astype(np.intp), curves, rows, columns
        )
    progress.update(1.0)
    return geometry.from_array(result, image)


def _curve(block: npt.NDArray[np.float32], limit: float, ends: tuple[float, float]) -> Curves:
    """Return where each level goes: the cumulated histogram, with its slope limited."""
    low, high = ends
    inside = block[(block >= low) & (block <= high)]
    counts = np.histogram(inside, _BINS, ends)[0].astype(np.float64)
    if not counts.any():
        return np.linspace(0.0, 1.0, _LEVELS, dtype=np.float32)
    most = limit * counts.sum() / _BINS
    for _ in range(_ROUNDS):
        over = np.maximum(counts - most, 0.0).sum()
        counts = np.minimum(counts, most) + over / _BINS
    share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    levels = np.linspace(0.0, _BINS, _LEVELS)
    curve: Curves = np.interp(levels, np.arange(_BINS + 1), share).astype(np.float32)
    return curve


def _grid_of(image: sitk.Image, counts: list[int]) -> sitk.Image:
    """Return an image with ``counts`` voxels along i, j, k that covers the same space."""
    per_tile = np.array(image.GetSize()) / counts
    grid = sitk.Image(counts, sitk.sitkUInt8)
    grid.SetSpacing((per_tile * image.GetSpacing()).tolist())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((per_tile / 2 - 0.5).tolist()))
    grid.SetDirection(image.GetDirection())
    return grid


def _neighbours(image: sitk.Image, grid: sitk.Image, axis: int) -> Neighbours:
    """Return the tile before each voxel along an axis, the one after, and the share of that."""
    start = grid.TransformPhysicalPointToContinuousIndex(image.GetOrigin())[axis]
    step = image.GetSpacing()[axis] / grid.GetSpacing()[axis]
    last = grid.GetSize()[axis] - 1
    places = np.clip(start + step * np.arange(image.GetSize()[axis]), 0, last)
    before = np.minimum(places.astype(np.intp), max(last - 1, 0))
    return before, np.minimum(before + 1, last), (places - before).astype(np.float32)


def _blend(
    levels: npt.NDArray[np.intp], curves: Curves, rows: Neighbours, columns: Neighbours
) -> npt.NDArray[np.float32]:
    """Return where the levels of a plane go, axes (j, i), between the four tiles around each."""
    flat, width = curves.ravel(), curves.shape[1]

    def of_row(tiles: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        first, second, share = columns
        start = tiles[:, None] * width
        left = flat[(start + first) * _LEVELS + levels]
        right = flat[(start + second) * _LEVELS + levels]
        mixed: npt.NDArray[np.float32] = left + share * (right - left)
        return mixed

    above, below = of_row(rows[0]), of_row(rows[1])
    blend: npt.NDArray[np.float32] = above + rows[2][:, None] * (below - above)
    return blend
