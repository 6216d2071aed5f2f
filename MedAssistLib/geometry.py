"""Grids in physical space: are two the same, how are they turned, and moving images between them.

Points and directions are LPS millimetres, index order (i, j, k), as in SimpleITK.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Point

Matrix = npt.NDArray[np.float64]

_GRID_TOLERANCE = 1e-3


def direction(image: sitk.Image) -> Matrix:
    """Return the 3×3 direction matrix; its columns are the LPS directions of the axes i, j, k."""
    return np.array(image.GetDirection(), dtype=np.float64).reshape(3, 3)


def index_to_lps(image: sitk.Image) -> Matrix:
    """Return the 4×4 matrix from voxel index (i, j, k) to LPS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = direction(image) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return matrix


def same_grid(first: sitk.Image, second: sitk.Image) -> bool:
    """Tell whether two images have the same size and every voxel in the same place.

    Places may differ by a thousandth of a voxel, because file formats round.
    """
    if first.GetSize() != second.GetSize():
        return False
    tolerance = _GRID_TOLERANCE * min(first.GetSpacing())
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in first.GetSize()])))
    homogeneous = np.column_stack([corners, np.ones(len(corners))])
    apart = homogeneous @ (index_to_lps(first) - index_to_lps(second)).T
    return bool(np.abs(apart[:, :3]).max() <= tolerance)


def stored_as(image: sitk.Image, reference: sitk.Image) -> sitk.Image | None:
    """Return ``image`` with its voxels in the order in which ``reference`` stores the same ones.

    Axes are swapped and flipped; no voxel moves in space. ``None`` if the grids differ otherwise.
    """
    turned = sitk.DICOMOrient(image, orientation(reference))
    if not same_grid(turned, reference):
        return None
    return from_array(sitk.GetArrayViewFromImage(turned), reference)


def orientation(image: sitk.Image) -> str:
    """Return the three letters that the axes i, j, k point to most nearly, such as ``"LPS"``."""
    code: str = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    return code


def is_orientation(code: str) -> bool:
    """Tell whether three letters name an orientation: one of R/L, one of A/P, one of S/I."""
    return len(code) == 3 and all(len(set(code) & set(pair)) == 1 for pair in ("RL", "AP", "SI"))


def obliqueness(image: sitk.Image) -> float:
    """Return the largest angle, in degrees, between an axis and its nearest anatomical axis."""
    cosines = np.abs(direction(image)).max(axis=0)
    return float(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))).max())


def voxel_volume(image: sitk.Image) -> float:
    """Return the volume of one voxel in mm³."""
    return float(np.prod(image.GetSpacing()))


def box_lps(image: sitk.Image, start: npt.ArrayLike, size: npt.ArrayLike) -> tuple[Point, Point]:
    """Return the box along the LPS axes that just holds a block of voxels, with their full extent.

    Args:
        image: The image whose grid it is.
        start: First index (i, j, k) of the block.
        size: Number of voxels along i, j, k.
    """
    low = np.asarray(start, dtype=np.float64) - 0.5
    high = low + np.asarray(size, dtype=np.float64)
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    points = corners @ index_to_lps(image)[:3, :3].T + index_to_lps(image)[:3, 3]
    return _point(points.min(axis=0)), _point(points.max(axis=0))


def empty_like(image: sitk.Image, pixel: int, size: tuple[int, ...] | None = None) -> sitk.Image:
    """Return a zero image of the given pixel type on ``image``'s grid."""
    blank = sitk.Image(list(size or image.GetSize()), pixel)
    blank.SetSpacing(image.GetSpacing())
    blank.SetOrigin(image.GetOrigin())
    blank.SetDirection(image.GetDirection())
    return blank


def from_array(array: npt.NDArray[np.generic], grid: sitk.Image) -> sitk.Image:
    """Return an image with the values of ``array`` (axes k, j, i) and the place of ``grid``."""
    image: sitk.Image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.GetSpacing())
    image.SetOrigin(grid.GetOrigin())
    image.SetDirection(grid.GetDirection())
    return image


def upright_grid(image: sitk.Image) -> sitk.Image:
    """Return an empty grid along the LPS axes that covers ``image``, with as fine a spacing.

    The spacing along L, P and S is that of the image axis nearest to each.
    """
    low, high = (np.array(p) for p in box_lps(image, (0, 0, 0), image.GetSize()))
    nearest = np.abs(direction(image)).argmax(axis=1)
    spacing = np.array(image.GetSpacing())[nearest]
    size = np.maximum(np.ceil((high - low) / spacing - _GRID_TOLERANCE), 1).astype(int)
    grid = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    grid.SetSpacing([float(s) for s in spacing])
    middle = (low + high) / 2.0
    grid.SetOrigin([float(x) for x in middle - (size - 1) / 2.0 * spacing])
    return grid


def _point(values: npt.NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
