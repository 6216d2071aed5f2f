"""Segmentations as segmentation nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import terminology
from MedAssistLib.case import Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.scene.grid import lies_on, set_labelmap_grid_right_handed
from MedAssistLib.scene.hierarchy import put_beside
from MedAssistLib.scene.voxels import fill, read_npy

if TYPE_CHECKING:
    from slicer import (
        vtkMRMLScalarVolumeNode,
        vtkMRMLScene,
        vtkMRMLSegmentationNode,
        vtkOrientedImageData,
        vtkSegment,
    )
    from vtkmodules.vtkCommonDataModel import vtkPolyData

MADE_BY = "MedAssist.made_by"
"""Attribute of segmentation nodes."""
_LARGEST_LABEL = 2**31 - 1


class SegmentsWithLabels(NamedTuple):
    """Segments whose voxels are in VTK's memory already.

    Attributes:
        segments: The structures.
        made_by: Who made them.
        labelmap: Where they are; every label in it is one of a segment.
    """

    segments: tuple[Segment, ...]
    made_by: str
    labelmap: vtkOrientedImageData


def add_segmentation(
    scene: vtkMRMLScene, segmentation: Segmentation, volume_node: vtkMRMLScalarVolumeNode
) -> vtkMRMLSegmentationNode:
    """Put a segmentation into a scene: on the volume, below its transform, beside it in the tree.

    Every segment gets an id made of its name, its name, colour, codes and label value; an absent
    one stays as an empty segment.

    Raises:
        InputError: If the labels are not on the volume's grid, or one of them is not listed.
    """
    size = segmentation.labels.GetSize()
    if not lies_on(volume_node, size, segmentation.labels):
        hint = "Choose the volume that the segmentation was made on"
        where = volume_node.GetName() or "volume"
        raise InputError("has another grid than the segmentation", where=where, hint=hint)
    labels = SegmentsWithLabels(
        segmentation.segments, segmentation.made_by, _labelmap(segmentation)
    )
    return add_labelmap(scene, labels, volume_node)


def label_values(segmentation: Segmentation) -> npt.NDArray[np.generic]:
    """Return the labels (axes k, j, i) in the smallest type that holds them.

    Raises:
        InputError: If one of them is not listed: its voxels would vanish.
    """
    values = sitk.GetArrayViewFromImage(segmentation.labels)
    present = np.unique(values[values != 0])
    listed = {segment.label for segment in segmentation.segments}
    unlisted = [str(value) for value in present if int(value) not in listed]
    if unlisted:
        what = f"has voxels with label {', '.join(unlisted)}, which no segment has"
        raise InputError(what, where="segmentation", hint="Name every label of the image")
    largest = max(listed, default=0)
    if largest > _LARGEST_LABEL:
        what = f"has label {largest}, which a scene cannot hold"
        raise InputError(what, where="segmentation", hint=f"Use labels up to {_LARGEST_LABEL}")
    return values.astype(np.min_scalar_type(largest), copy=False)


def read_labelmap(path: Path, grid: sitk.Image) -> vtkOrientedImageData:
    """Return the label image of a ``.npy`` file for :func:`add_labelmap`. For any thread.

    Args:
        path: The file, axes (k, j, i), in the smallest type that holds its labels.
        grid: Its first voxels lie where those of the file do.

    Raises:
        OSError: If the file is gone.
        ValueError: If it holds no volume.
    """
    import slicer

    labelmap = slicer.vtkOrientedImageData()
    read_npy(path, labelmap)
    set_labelmap_grid_right_handed(labelmap, grid)
    return labelmap


def add_labelmap(
    scene: vtkMRMLScene,
    labels: SegmentsWithLabels,
    volume_node: vtkMRMLScalarVolumeNode,
    surfaces: Sequence[vtkPolyData] = (),
) -> vtkMRMLSegmentationNode:
    """Do what :func:`add_segmentation` does, without a look at the voxels: in milliseconds.

    Args:
        scene: The scene.
        labels: The segments and their voxels.
        volume_node: The volume that they lie on.
        surfaces: The surface of each segment in its order, so that Slicer need not make them.
    """
    name = f"{volume_node.GetName()} segmentation"
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    unblock = node.StartModify()
    node.CreateDefaultDisplayNodes()
    # The transform comes first: the reference geometry is stored relative to it.
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    node.SetAttribute(MADE_BY, labels.made_by)
    identifiers = terminology.segment_ids(labels.segments)
    for number, (segment, identifier) in enumerate(zip(labels.segments, identifiers, strict=True)):
        own = _vtk_segment(segment)
        own.AddRepresentation("Binary labelmap", labels.labelmap)
        if surfaces:  # Each one that came later would have every view drawn anew.
            own.AddRepresentation("Closed surface", surfaces[number])
        node.GetSegmentation().AddSegment(own, identifier)
    node.EndModify(unblock)
    put_beside(node, volume_node)
    return node


def _labelmap(segmentation: Segmentation) -> vtkOrientedImageData:
    """Return the label image for a segmentation node.

    All segments share it, which makes it one layer.
    """
    import slicer

    labelmap = slicer.vtkOrientedImageData()
    fill(labelmap, label_values(segmentation))
    set_labelmap_grid_right_handed(labelmap, segmentation.labels)
    return labelmap


def _vtk_segment(segment: Segment) -> vtkSegment:
    import slicer

    own = slicer.vtkSegment()
    own.SetName(" ".join(segment.name.split()))  # a line break would end the entry in its file
    own.SetNameAutoGenerated(False)
    own.SetColor(*(value / 255.0 for value in segment.colour))
    own.SetColorAutoGenerated(False)
    own.SetTerminology(terminology.to_slicer(segment))
    own.SetLabelValue(segment.label)
    return own
