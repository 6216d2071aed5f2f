"""Cutting a scan and its structures along the anatomical planes, whatever way the scan lies.

A plane is a grid one pixel thick whose rows and columns run along the LPS axes as a radiologist
looks at them: the patient's left is on the viewer's right, anterior is up or to the left, superior
is up. Arrays of a plane have the axes (row, column).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Point, Segment, Segmentation
from MedAssistLib.geometry import index_to_lps

Box = tuple[Point, Point]
FloatPlane = npt.NDArray[np.float32]
LabelPlane = npt.NDArray[np.integer]

_TIE = 1e-6
_DIRECTIONS = ("RL", "AP", "IS")


@dataclass(frozen=True)
class View:
    """How one anatomical plane is looked at.

    Attributes:
        name: What a radiologist calls it.
        right: LPS axis (0, 1, 2) that grows to the viewer's right.
        down: LPS axis that runs along the columns of the picture.
        downward: 1 when ``down`` grows towards the bottom, -1 when it grows towards the top.
        normal: LPS axis that the plane stands on.
        letters: What lies at the left, right, top and bottom edge.
    """

    name: str
    right: int
    down: int
    downward: int
    normal: int
    letters: str


AXIAL = View("Axial", right=0, down=1, downward=1, normal=2, letters="RLAP")
CORONAL = View("Coronal", right=0, down=2, downward=-1, normal=1, letters="RLSI")
SAGITTAL = View("Sagittal", right=1, down=2, downward=-1, normal=0, letters="APSI")


def position(point: Point, axis: int) -> str:
    """Return where a point lies along an LPS axis, such as ``"S 12.3 mm"``."""
    value = round(point[axis], 1)
    return f"{_DIRECTIONS[axis][value >= 0]} {abs(value):.1f} mm"


def plane_grid(view: View, box: Box, point: Point, pixel: float, finer: int = 1) -> sitk.Image:
    """Return the empty one-slice grid of a view through ``point`` that covers ``box``.

    Args:
        view: Which plane.
        box: What must be covered, LPS mm.
        point: Where the plane stands, LPS mm.
        pixel: Pixel size in mm; the box is covered to the nearest pixel.
        finer: Cut every pixel into this many along each side.
    """
    low, high = np.array(box)
    middle = (low + high) / 2.0
    middle[view.normal] = point[view.normal]
    count = np.maximum(np.rint((high - low) / pixel), 1)[[view.right, view.down]] * finer
    axes = np.zeros((3, 3))
    axes[view.right, 0] = 1.0
    axes[view.down, 1] = view.downward
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    step = pixel / finer
    corner = middle - axes[:, :2] @ ((count - 1) / 2.0 * step)
    grid = sitk.Image([int(count[0]), int(count[1]), 1], sitk.sitkUInt8)
    grid.SetSpacing([step, step, step])
    grid.SetDirection(axes.ravel().tolist())
    grid.SetOrigin(corner.tolist())
    return grid


def cut_scan(image: sitk.Image, grid: sitk.Image) -> FloatPlane:
    """Return the scan's intensities on a plane, by linear interpolation; NaN outside the scan."""
    plane = sitk.Resample(
        image, grid, sitk.Transform(), sitk.sitkLinear, float("nan"), sitk.sitkFloat32
    )
    values: FloatPlane = sitk.GetArrayFromImage(plane)[0]
    return values


def cut_labels(labels: sitk.Image, grid: sitk.Image) -> LabelPlane:
    """Return which label lies at each pixel of a plane; 0 outside the label image.

    Each label is interpolated linearly on its own and the strongest wins, the higher one when two
    are equal, so that the answer does not depend on the order of the voxels.
    """
    place = _places(labels, grid)
    last = np.array(labels.GetSize())[:, None, None] - 1
    inside = ((place >= -0.5) & (place <= last + 0.5)).all(axis=0)
    place = np.clip(place[:, inside], 0, last[..., 0])
    first = np.minimum(np.floor(place).astype(np.intp), np.maximum(last[..., 0] - 1, 0))
    corners = _corner_labels(labels, first)
    mixed = (corners != corners[0]).any(axis=0)
    found = corners[0]
    found[mixed] = _strongest(corners[:, mixed], (place - first)[:, mixed])
    plane = np.zeros(inside.shape, dtype=corners.dtype)
    plane[inside] = found
    return plane


def centre(scan: sitk.Image, segmentation: Segmentation | None) -> Point:
    """Return the point through which the planes are cut, in LPS mm.

    It is the centre of mass of all structures, or the voxel of theirs nearest to it when it lies
    in none; without structures it is the scan's centre.
    """
    middle = (np.array(scan.GetSize()) - 1) / 2.0
    if segmentation is not None:
        mask = structure_mask(segmentation.labels, segmentation.segments)
        if mask.any():
            middle = _middle(mask, scan.GetSpacing())[::-1]
    matrix = index_to_lps(scan)
    x, y, z = matrix[:3, :3] @ middle + matrix[:3, 3]
    return float(x), float(y), float(z)


def structure_mask(labels: sitk.Image, segments: tuple[Segment, ...]) -> npt.NDArray[np.bool_]:
    """Return where any of the structures is, axes (k, j, i)."""
    volume = sitk.GetArrayViewFromImage(labels)
    wanted = [segment.label for segment in segments]
    mask = np.empty(volume.shape, dtype=np.bool_)
    # Slice by slice, because isin needs many times the memory of what it looks at.
    for inside, values in zip(mask, volume, strict=True):
        inside[:] = np.isin(values, wanted)
    return mask


def _middle(mask: npt.NDArray[np.bool_], spacing: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Return the index (k, j, i) of the mask's centre of mass, or of its voxel nearest to that.

    Args:
        mask: Where the structures are (k, j, i); not empty.
        spacing: Voxel size along i, j, k in mm.
    """
    others = [tuple(a for a in range(3) if a != axis) for axis in range(3)]
    mass = [mask.sum(axis=other) for other in others]
    mean = np.array([np.average(np.arange(len(m)), weights=m) for m in mass])
    if mask[tuple(np.rint(mean).astype(int))]:
        return mean
    nearest, least = mean, np.inf
    away = np.abs(np.arange(len(mask)) - mean[0]) * spacing[2]
    for k in np.argsort(away):
        if away[k] ** 2 >= least:
            break
        rows, columns = np.nonzero(mask[k])
        if not rows.size:
            continue
        across = ((rows - mean[1]) * spacing[1]) ** 2 + ((columns - mean[2]) * spacing[0]) ** 2
        best = across.argmin()
        if across[best] + away[k] ** 2 < least:
            least = across[best] + away[k] ** 2
            nearest = np.array([k, rows[best], columns[best]], dtype=np.float64)
    return nearest


def _places(labels: sitk.Image, grid: sitk.Image) -> npt.NDArray[np.float64]:
    """Return where each pixel of a plane lies among the voxels: (i j k, row, column)."""
    step = np.linalg.inv(index_to_lps(labels)) @ index_to_lps(grid)
    columns, rows, _ = grid.GetSize()
    along = step[:3, 0, None, None] * np.arange(columns)
    down = step[:3, 1, None, None] * np.arange(rows)[:, None]
    places: npt.NDArray[np.float64] = step[:3, 3, None, None] + down + along
    return places


def _corner_labels(labels: sitk.Image, first: npt.NDArray[np.intp]) -> npt.NDArray[np.integer]:
    """Return the labels (8, n) of the voxels around n places, the last axis (k) fastest.

    Args:
        labels: The label image.
        first: Lowest index i, j, k of the eight voxels around each place (3, n).
    """
    volume: LabelPlane = sitk.GetArrayViewFromImage(labels)
    second = np.minimum(first + 1, np.array(labels.GetSize())[:, None] - 1)
    ends = (first, second)
    return np.stack([volume[ends[c][2], ends[b][1], ends[a][0]] for a, b, c in np.ndindex(2, 2, 2)])


def _strongest(
    corners: npt.NDArray[np.integer], fraction: npt.NDArray[np.float64]
) -> npt.NDArray[np.integer]:
    """Return the label with the most weight at each of n places between eight voxels.

    Args:
        corners: Labels (8, n) as from :func:`_corner_labels`.
        fraction: How far each place is from the first voxel to the second, along i, j, k (3, n).
    """
    sides = (1.0 - fraction, fraction)
    weights = np.stack([sides[a][0] * sides[b][1] * sides[c][2] for a, b, c in np.ndindex(2, 2, 2)])
    best: LabelPlane = corners[0]
    most = np.full(corners.shape[1], -1.0)
    for corner in corners:
        weight = (weights * (corners == corner)).sum(axis=0)
        tie = (np.abs(weight - most) < _TIE) & (corner > best)
        better = (weight > most + _TIE) | tie
        best, most = np.where(better, corner, best), np.where(better, weight, most)
    return best
