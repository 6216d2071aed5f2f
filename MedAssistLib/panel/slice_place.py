"""Which slice of a volume a slice view shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from MedAssistLib.scene.grid import ijk_to_ras
from MedAssistLib.scene.voxels import voxels_of

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSliceNode

_TILTED = 2.0  # degrees


@dataclass(frozen=True)
class SlicePlace:
    """A slice of a volume as it is stored.

    Attributes:
        axis: The index axis (0 for i, 1 for j, 2 for k) across the slice.
        index: Which slice along this axis.
        tilted: Whether the view is turned against the volume's slices.
    """

    axis: int
    index: int
    tilted: bool


def place_in(view: vtkMRMLSliceNode, volume: vtkMRMLScalarVolumeNode) -> SlicePlace | None:
    """Return the slice that a view looks at; ``None`` if its middle lies outside the volume.

    Raises:
        InputError: If the volume has no voxels.
    """
    size = voxels_of(volume).GetDimensions()
    to_ijk = _world_to_ijk(volume)
    matrix = view.GetSliceToRAS()
    plane = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(3)])
    middle, normal = plane[:, 3], plane[:, 2]
    start, end = to_ijk(middle), to_ijk(middle + normal)
    # Millimetres along each index axis: a step in a thick direction is worth more.
    along = (end - start) * np.array(volume.GetSpacing())
    axis = int(np.abs(along).argmax())
    index = round(float(start[axis]))
    if not 0 <= index < size[axis]:
        return None
    cosine = abs(along[axis]) / np.linalg.norm(along)
    angle = float(np.degrees(np.arccos(min(cosine, 1.0))))
    return SlicePlace(axis, index, angle > _TILTED)


def _world_to_ijk(volume: vtkMRMLScalarVolumeNode):  # type: ignore[no-untyped-def]
    """Return the map from world RAS mm to voxel indices, through the volume's transform."""
    import slicer
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

    below = vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        None, volume.GetParentTransformNode(), below
    )
    inverse = vtkMatrix4x4()
    vtkMatrix4x4.Invert(ijk_to_ras(volume), inverse)

    def convert(point: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        local = below.TransformPoint([float(value) for value in point])
        return np.array(inverse.MultiplyPoint([*local, 1.0])[:3])

    return convert
