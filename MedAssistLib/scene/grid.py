"""Where a volume node's voxels lie: MRML says it in RAS, SimpleITK in LPS.

The three parts (spacing, origin, directions) are handed over as they are, never through a 4×4
matrix, so that nothing is rounded. The parent transform of a node is no part of its grid.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.errors import InputError
from MedAssistLib.geometry import direction, index_to_lps
from MedAssistLib.scene.voxels import view, voxels_of

if TYPE_CHECKING:
    from slicer import vtkMRMLTransformableNode, vtkMRMLVolumeNode, vtkOrientedImageData
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkCommonTransforms import vtkAbstractTransform

_FLIP = np.array([-1.0, -1.0, 1.0])
_TOLERANCE = 1e-3  # voxels: file formats round


def set_node_grid(node: vtkMRMLVolumeNode, image: sitk.Image) -> None:
    """Put a volume node's voxels where those of ``image`` are."""
    node.SetSpacing(image.GetSpacing())
    node.SetOrigin((_FLIP * image.GetOrigin()).tolist())
    node.SetIJKToRASDirections(*(_FLIP[:, np.newaxis] * direction(image)).ravel().tolist())


def set_image_grid(image: sitk.Image, node: vtkMRMLVolumeNode) -> None:
    """Put the voxels of ``image`` where those of a volume node are.

    Raises:
        InputError: If the node's axes do not span space.
    """
    columns = []
    for axis in (node.GetIToRASDirection, node.GetJToRASDirection, node.GetKToRASDirection):
        column = [0.0, 0.0, 0.0]
        axis(column)
        columns.append(column)
    lps = _FLIP[:, np.newaxis] * np.array(columns).T
    try:
        image.SetSpacing(node.GetSpacing())
        image.SetOrigin((_FLIP * node.GetOrigin()).tolist())
        image.SetDirection(lps.ravel().tolist())
    except RuntimeError as error:
        hint = "Correct its spacing and axis directions"
        what = "has axes that do not span space"
        raise InputError(what, where=node.GetName() or "volume", hint=hint) from error


def grid_of(node: vtkMRMLVolumeNode) -> sitk.Image:
    """Return an image of two voxels a side that lies where the node's first voxels do.

    Raises:
        InputError: If the node's axes do not span space.
    """
    grid = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    set_image_grid(grid, node)
    # The index of the first voxel, nearly always (0, 0, 0).
    start = node.GetImageData().GetExtent()[::2] if node.GetImageData() else (0, 0, 0)
    if any(start):
        grid.SetOrigin(grid.TransformContinuousIndexToPhysicalPoint([float(n) for n in start]))
    return grid


def lies_on(node: vtkMRMLVolumeNode, size: tuple[int, ...], grid: sitk.Image) -> bool:
    """Tell whether a volume node has a size (i, j, k) and its voxels where ``grid`` has its first.

    Neither is copied. Places may differ by a thousandth of a voxel, because file formats round.

    Raises:
        InputError: If the node's axes do not span space.
    """
    if tuple(voxels_of(node).GetDimensions()) != tuple(size):
        return False
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in size], (1,))))
    apart = corners @ (index_to_lps(grid_of(node)) - index_to_lps(grid)).T
    return bool(np.abs(apart).max() <= _TOLERANCE * min(grid.GetSpacing()))


def ijk_to_ras(node: vtkMRMLVolumeNode) -> vtkMatrix4x4:
    """Return the 4×4 matrix from voxel index (i, j, k) to RAS mm below the parent transform."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix


def right_handed(image: sitk.Image) -> sitk.Image:
    """Return the image with its slices in reverse order if its axes are left-handed.

    Every value stays in its place. Slicer does the same with volumes that it reads, because
    surfaces made on a left-handed grid are inside out.
    """
    return image if np.linalg.det(direction(image)) > 0 else image[:, :, ::-1]


def set_labelmap_grid_right_handed(labelmap: vtkOrientedImageData, image: sitk.Image) -> None:
    """Put the voxels of a segment's label map where the first of ``image`` are.

    Its slices are reversed if those axes are left-handed; see :func:`right_handed`.
    """
    matrix = index_to_lps(image)
    if np.linalg.det(matrix[:3, :3]) < 0:
        slices = view(labelmap)
        slices[:] = slices[::-1].copy()
        matrix[:3, 3] += (len(slices) - 1) * matrix[:3, 2]
        matrix[:3, 2] *= -1.0
    _set_matrix(labelmap, matrix)


def _set_matrix(labelmap: vtkOrientedImageData, index_to_lps: npt.NDArray[np.float64]) -> None:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    matrix.DeepCopy((np.diag([*_FLIP, 1.0]) @ index_to_lps).ravel().tolist())
    labelmap.SetGeometryFromImageToWorldMatrix(matrix)


def between(
    node: vtkMRMLTransformableNode, volume: vtkMRMLTransformableNode
) -> vtkAbstractTransform | None:
    """Return the transform from below one node's parent to below the other's, if they differ."""
    import slicer
    from vtkmodules.vtkCommonTransforms import vtkGeneralTransform, vtkTransform

    source, target = node.GetParentTransformNode(), volume.GetParentTransformNode()
    if source is target:
        return None
    transform, linear = vtkGeneralTransform(), vtkTransform()
    nodes = slicer.vtkMRMLTransformNode
    nodes.GetTransformBetweenNodes(source, target, transform)
    return linear if nodes.IsGeneralTransformLinear(transform, linear) else transform


def image_to_world(image: vtkOrientedImageData) -> npt.NDArray[np.float64]:
    """Return the 4×4 matrix from the voxels (i, j, k) of a label map to its world, RAS mm."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array(matrix.GetData()).reshape(4, 4)


def applied(
    matrix: npt.NDArray[np.float64], points: npt.NDArray[np.integer] | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return points, one a row, where a 4×4 matrix puts them."""
    result: npt.NDArray[np.float64] = points @ matrix[:3, :3].T + matrix[:3, 3]
    return result


def transformed(
    transform: vtkAbstractTransform, points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return points, one a row, where a transform puts them."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints

    before, after = vtkPoints(), vtkPoints()
    before.SetData(numpy_to_vtk(points))
    after.SetDataTypeToDouble()
    transform.TransformPoints(before, after)
    moved: npt.NDArray[np.float64] = vtk_to_numpy(after.GetData()).copy()
    return moved
