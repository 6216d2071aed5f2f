"""A segmentation node as the worker gets it, without a copy of its voxels in the window's thread.

A node keeps its segments in layers: label maps that may be cropped, lie on a grid of their own and
hang below another transform than the volume does. They are handed over as they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Segment
from MedAssistLib.errors import InputError
from MedAssistLib.scene.from_nodes import made_by, segment_of
from MedAssistLib.scene.voxels import view
from MedAssistLib.worker.arrays import describe_array

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkOrientedImageData

_LABELMAP = "Binary labelmap"
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SQUARE = 1e-4

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """What the worker needs of one layer.

    Attributes:
        labels: A view of its label values, axes (k, j, i).
        grid: An image that lies where its first voxels do, below the volume's transform.
        segments: The structures in it.
        made_by: Who made them.
    """

    labels: npt.NDArray[np.generic]
    grid: sitk.Image
    segments: tuple[Segment, ...]
    made_by: str

    def write(self, path: Path) -> dict[str, Any]:
        """Write the labels; return the description that the worker reads. For any thread.

        Raises:
            ResourceError: If the file cannot be written.
        """
        # Slicer crops what is drawn, which may leave one slice or none; an image has two or more.
        missing = [(0, max(0, 2 - size)) for size in self.labels.shape]
        labels = np.pad(self.labels, missing)
        if labels.dtype.kind not in "iu" or labels.dtype.itemsize > 4:
            labels = labels.astype(np.int32)
        described = describe_array(labels, self.grid, path, modality="", enhancement=())
        segments = [asdict(segment) for segment in self.segments]
        return {**described, "segments": segments, "made_by": self.made_by}


def layers_of(node: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode) -> list[Layer]:
    """Look at a segmentation node that was drawn on a volume.

    Raises:
        InputError: If it has no segments or no label maps, or lies askew of the volume.
    """
    where = node.GetName() or "segmentation"
    segmentation = node.GetSegmentation()
    if not segmentation.GetNumberOfSegments():
        hint = "Draw one, or choose another segmentation"
        raise InputError("has no segments", where=where, hint=hint)
    if not segmentation.ContainsRepresentation(_LABELMAP):
        hint = "Convert it to a binary labelmap in the Segmentations module"
        raise InputError("has surfaces, but no voxels", where=where, hint=hint)
    below = _between(node, volume)
    by = made_by(node)
    layers = []
    for number in range(segmentation.GetNumberOfLayers(_LABELMAP)):
        image = segmentation.GetLayerDataObject(number, _LABELMAP)
        owns = map(segmentation.GetSegment, segmentation.GetSegmentIDsForLayer(number, _LABELMAP))
        segments = tuple(segment_of(own, own.GetLabelValue()) for own in owns)
        layers.append(Layer(view(image), _grid(image, below, where), segments, by))
    return layers


def _between(node: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode) -> Matrix:
    """Return the matrix from below one node's transform to below the other's, RAS mm.

    Raises:
        InputError: If it is no matrix.
    """
    import slicer
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    source, target = node.GetParentTransformNode(), volume.GetParentTransformNode()
    if source is not target and not slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
        source, target, matrix
    ):
        raise _askew(node.GetName() or "segmentation")
    return np.array(matrix.GetData()).reshape(4, 4)


def _grid(image: vtkOrientedImageData, below: Matrix, where: str) -> sitk.Image:
    """Return an image of two voxels a side that lies where the layer's first voxels do."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    to_world = vtkMatrix4x4()
    image.GetImageToWorldMatrix(to_world)
    placed = _TO_LPS @ below @ np.array(to_world.GetData()).reshape(4, 4)
    spacing = np.linalg.norm(placed[:3, :3], axis=0)
    direction = placed[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > _SQUARE:
        raise _askew(where)
    grid = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(direction.ravel().tolist())
    grid.SetOrigin((placed @ [*image.GetExtent()[::2], 1.0])[:3].tolist())
    return grid


def _askew(where: str) -> InputError:
    hint = "Harden the transforms of both, or put both below the same one"
    return InputError("is warped against the volume by its transform", where=where, hint=hint)
