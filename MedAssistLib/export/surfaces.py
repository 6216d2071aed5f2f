"""Smooth closed surfaces of structures, in LPS millimetres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Segment, Segmentation
from MedAssistLib.export.planes import structure_mask
from MedAssistLib.geometry import direction, voxel_volume

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]

_HIDDEN_BELOW = 0.1
_SMOOTHING_STEPS = 30
_MOST_SMOOTH, _LEAST_SMOOTH = 0.01, 0.5
_SMOOTH_AT_ONE_VOXEL = 0.2


@dataclass(frozen=True, eq=False)
class Surface:
    """The surface of one structure.

    Attributes:
        segment: The structure.
        points: Corners (n, 3), LPS mm.
        triangles: Which three corners each triangle has (m, 3), anticlockwise from outside.
        covers: Whether it hides another structure, which lies within it.
    """

    segment: Segment
    points: Floats
    triangles: Integers
    covers: bool


def make_surfaces(segmentation: Segmentation) -> list[Surface]:
    """Return the surface of each structure that has voxels.

    The walls between voxels are found for all at once by surface nets (Frisken, JCGT 2022), and
    each closed surface is then smoothed without shrinking (Taubin, Eurographics 1996).
    """
    segments = segmentation.segments
    # Along LPS as nearly as it goes, so that the directions are never a mirror image.
    labels = sitk.DICOMOrient(segmentation.labels, "LPS")
    mask = structure_mask(labels, segments)
    if not mask.any():
        return []
    start, block = _padded_block(sitk.GetArrayViewFromImage(labels), mask)
    points, triangles, sides = _surface_nets(block, start, labels.GetSpacing(), segments)
    points = points @ direction(labels).T + np.array(labels.GetOrigin())
    covering = _covering(sides)
    voxel = voxel_volume(labels) ** (1.0 / 3.0)
    found = []
    for segment in segments:
        corners, faces = _walls_of(segment.label, points, triangles, sides)
        if len(faces):
            smooth = _smoothed(corners, faces, voxel)
            found.append(Surface(segment, smooth, faces, segment.label in covering))
    return found


def _padded_block(
    volume: Integers, mask: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.intp], Integers]:
    """Return the part of a volume (k, j, i) with the mask and one empty voxel around it.

    Also returns the index (i, j, k) of the part's first voxel; surfaces would be open at the edge
    of the volume without the empty voxels.
    """
    within = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        used = np.flatnonzero(mask.any(axis=others))
        within.append(slice(used[0], used[-1] + 1))
    block = np.pad(np.where(mask[tuple(within)], volume[tuple(within)], 0), 1)
    return np.array([part.start - 1 for part in reversed(within)]), block


def _surface_nets(
    block: Integers,
    start: npt.NDArray[np.intp],
    spacing: tuple[float, ...],
    segments: tuple[Segment, ...],
) -> tuple[Floats, Integers, Integers]:
    """Return points (n, 3) in mm along the axes, triangles (m, 3), and the labels at their sides.

    The sides are (m, 2): a triangle's normal points from the first label to the second, and the
    background (0) is always the second.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D

    image = vtkImageData()
    image.SetDimensions(block.shape[::-1])
    image.SetSpacing(spacing)
    image.SetOrigin((start * np.array(spacing)).tolist())
    image.GetPointData().SetScalars(numpy_to_vtk(block.reshape(-1)))
    nets = vtkSurfaceNets3D()
    nets.SetInputData(image)
    for number, segment in enumerate(segments):
        nets.SetLabel(number, segment.label)
    nets.SetOutputMeshTypeToTriangles()
    # Its own smoothing shrinks what is a few voxels thick to a thread.
    nets.SmoothingOff()
    nets.Update()
    mesh = nets.GetOutput()
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    sides = vtk_to_numpy(mesh.GetCellData().GetArray("BoundaryLabels"))
    return vtk_to_numpy(mesh.GetPoints().GetData()).astype(np.float64), triangles, sides


def _walls_of(
    label: int, points: Floats, triangles: Integers, sides: Integers
) -> tuple[Floats, Integers]:
    """Return the points and triangles of one label's closed surface, facing outwards."""
    inner, outer = triangles[sides[:, 0] == label], triangles[sides[:, 1] == label]
    own = np.concatenate([inner, outer[:, ::-1]])
    used, renumbered = np.unique(own, return_inverse=True)
    return points[used], renumbered.reshape(-1, 3)


def _smoothed(points: Floats, triangles: Integers, voxel: float) -> Floats:
    """Return the points moved to where the steps between voxels are gone.

    What is thin is smoothed less: vessels and small lesions keep their volume within a tenth where
    they are two voxels thick. Thickness is three times volume over area, a ball's radius.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(second - first, third - first), axis=1).sum() / 2.0
    volume = np.einsum("ij,ij->", first - points[0], np.cross(second - first, third - first)) / 6.0
    thickness = 3.0 * volume / area / voxel
    band = np.clip(_SMOOTH_AT_ONE_VOXEL / thickness**2, _MOST_SMOOTH, _LEAST_SMOOTH)
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(poly_data(points, triangles))
    smoother.SetNumberOfIterations(_SMOOTHING_STEPS)
    smoother.SetPassBand(float(band))
    smoother.NormalizeCoordinatesOn()
    smoother.NonManifoldSmoothingOn()
    smoother.BoundarySmoothingOff()
    smoother.Update()
    moved: Floats = vtk_to_numpy(smoother.GetOutput().GetPoints().GetData()).astype(np.float64)
    return moved


def poly_data(points: Floats, triangles: Integers) -> vtkPolyData:
    """Return points (n, 3) and triangles (m, 3) as VTK takes them."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    corners, faces = vtkPoints(), vtkCellArray()
    corners.SetData(numpy_to_vtk(points, deep=True))
    order = np.ascontiguousarray(triangles, dtype=np.int64).reshape(-1)
    faces.SetData(3, numpy_to_vtkIdTypeArray(order, deep=True))
    mesh = vtkPolyData()
    mesh.SetPoints(corners)
    mesh.SetPolys(faces)
    return mesh


def _covering(sides: Integers) -> set[int]:
    """Return the labels that hide others: most of the wall of a label that hardly meets air."""
    neighbours: dict[int, Counter[int]] = {}
    for (first, second), area in _counted(sides):
        neighbours.setdefault(first, Counter())[second] += area
        neighbours.setdefault(second, Counter())[first] += area
    hidden = (
        walls
        for label, walls in neighbours.items()
        if label and walls[0] < _HIDDEN_BELOW * walls.total()
    )
    return {walls.most_common(1)[0][0] for walls in hidden} - {0}


def _counted(sides: Integers) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield each pair of labels that meet and how many triangles their wall has."""
    pairs, counts = np.unique(sides.astype(np.int64) @ np.array([2**32, 1]), return_counts=True)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        yield divmod(pair, 2**32), count
