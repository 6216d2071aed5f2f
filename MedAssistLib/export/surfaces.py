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
from MedAssistLib.errors import ResourceError
from MedAssistLib.export.planes import structure_mask
from MedAssistLib.export.surface_splitting import parted
from MedAssistLib.export.surface_volume import let_out, pieces, radii
from MedAssistLib.geometry import index_to_lps, voxel_volume

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]

GLASS_OPACITY = 0.3
"""How opaque a structure is drawn that covers another one."""
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
    """Return the surface of each structure that has voxels: closed, and of the voxels' volume.

    The walls between voxels are found for all at once by surface nets (Frisken, JCGT 2022). Each
    closed surface is then smoothed by a windowed sinc (Taubin, Zhang and Golub, ECCV 1996) and let
    out evenly by what it lost.

    Raises:
        ResourceError: If VTK is missing.
    """
    _require_vtk()
    segments = segmentation.segments
    # Along LPS as nearly as it goes, so that the directions are never a mirror image.
    labels = sitk.DICOMOrient(segmentation.labels, "LPS")
    mask = structure_mask(labels, segments)
    if not mask.any():
        return []
    start, block = _padded_block(sitk.GetArrayViewFromImage(labels), mask)
    points, triangles, sides = _surface_nets(block, segments)
    matrix = index_to_lps(labels)
    covering = _covering(sides)
    voxel = voxel_volume(labels) ** (1.0 / 3.0)
    found = []
    for segment in segments:
        corners, faces = _walls_of(segment.label, points, triangles, sides)
        if len(faces):
            corners, faces = parted(corners, faces, _voxels_outside(corners, faces, block.shape))
            corners = (corners + start) @ matrix[:3, :3].T + matrix[:3, 3]
            smooth = _smoothed(corners, faces, voxel)
            found.append(Surface(segment, smooth, faces, segment.label in covering))
    return found


def _require_vtk() -> None:
    try:
        import vtkmodules.vtkFiltersCore  # noqa: F401
    except ImportError as error:
        hint = 'Install it with: pip install "medassist[scene]"'
        raise ResourceError("surfaces need VTK, which is missing", hint=hint) from error


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
    block: Integers, segments: tuple[Segment, ...]
) -> tuple[Floats, Integers, Integers]:
    """Return points (n, 3) as indices (i, j, k), triangles (m, 3), and the labels at their sides.

    The sides are (m, 2): a triangle's normal points from the first label to the second, and the
    background (0) is always the second.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D

    image = vtkImageData()
    image.SetDimensions(block.shape[::-1])
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
    triangles: Integers = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3)
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


def _voxels_outside(
    points: Floats, triangles: Integers, shape: tuple[int, ...]
) -> npt.NDArray[np.int64]:
    """Return the number of the voxel beyond each triangle (m,) of walls between voxels."""
    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    towards = np.sign(np.cross(second - first, third - first))
    i, j, k = np.rint((first + second + third) / 3.0 + towards / 4.0).astype(np.int64).T
    number: npt.NDArray[np.int64] = (k * shape[1] + j) * shape[2] + i
    return number


def _smoothed(points: Floats, triangles: Integers, voxel: float) -> Floats:
    """Return the points moved to where the steps between voxels are gone.

    Pieces that are thin are smoothed less, because vessels would become threads.
    """
    piece = pieces(len(points), triangles)
    thickness = radii(points, triangles, piece) / voxel
    bands = np.clip(_SMOOTH_AT_ONE_VOXEL / thickness**2, _MOST_SMOOTH, _LEAST_SMOOTH)
    # Of a few kinds, each smoothed at once.
    bands = 2.0 ** np.rint(np.log2(bands))
    moved = points.copy()
    for band in np.unique(bands):
        own = (bands == band)[piece]
        moved[own] = _windowed_sinc(points, triangles[own[triangles[:, 0]]], float(band))[own]
    return let_out(moved, points, triangles, piece)


def _windowed_sinc(points: Floats, triangles: Integers, band: float) -> Floats:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(poly_data(points, triangles))
    smoother.SetNumberOfIterations(_SMOOTHING_STEPS)
    smoother.SetPassBand(band)
    smoother.NormalizeCoordinatesOn()
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
