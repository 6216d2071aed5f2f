"""Segmentations as segmentation nodes, and back."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import terminology
from MedAssistLib.case import Evidence, Finding, Point, Segment, Segmentation, Severity
from MedAssistLib.errors import InputError
from MedAssistLib.geometry import box_lps, from_array, same_grid, voxel_volume
from MedAssistLib.scene.grid import right_handed, set_labelmap_grid
from MedAssistLib.scene.hierarchy import put_beside
from MedAssistLib.scene.layers import Overlap, flatten
from MedAssistLib.scene.volumes import image_from_volume
from MedAssistLib.scene.voxels import fill

if TYPE_CHECKING:
    from slicer import (
        vtkMRMLScalarVolumeNode,
        vtkMRMLScene,
        vtkMRMLSegmentationNode,
        vtkOrientedImageData,
        vtkSegment,
    )

_MADE_BY = "MedAssist.made_by"
_STATUS = "Segmentation.Status"
_LARGEST_LABEL = 2**31 - 1


class SegmentationInScene(NamedTuple):
    """A segmentation as it was found in a scene.

    Attributes:
        segmentation: Its segments on the volume's grid.
        findings: What one label image could not take over: overlaps, in which the later segment
            was taken, and segments that reach beyond the volume.
    """

    segmentation: Segmentation
    findings: tuple[Finding, ...]


def add_segmentation(
    scene: vtkMRMLScene, segmentation: Segmentation, volume_node: vtkMRMLScalarVolumeNode
) -> vtkMRMLSegmentationNode:
    """Put a segmentation into a scene: on the volume, below its transform, beside it in the tree.

    Every segment gets an id made of its name, its name, colour, codes and label value; an absent
    one stays as an empty segment.

    Raises:
        InputError: If the labels are not on the volume's grid, or one of them is not listed.
    """
    _require_same_grid(segmentation, volume_node)
    _require_listed(segmentation)
    labelmap = _labelmap(segmentation)
    name = f"{volume_node.GetName()} segmentation"
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    unblock = node.StartModify()
    node.CreateDefaultDisplayNodes()
    # The transform comes first: the reference geometry is stored relative to it.
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    node.SetAttribute(_MADE_BY, segmentation.made_by)
    identifiers = terminology.segment_ids(segmentation.segments)
    for segment, identifier in zip(segmentation.segments, identifiers, strict=True):
        own = _vtk_segment(segment)
        own.AddRepresentation("Binary labelmap", labelmap)
        node.GetSegmentation().AddSegment(own, identifier)
    node.EndModify(unblock)
    put_beside(node, volume_node)
    return node


def segmentation_from_node(
    node: vtkMRMLSegmentationNode, volume_node: vtkMRMLScalarVolumeNode
) -> SegmentationInScene:
    """Return a segmentation node as one label image on the volume's grid.

    Where segments overlap, the later one in the node's list is taken, and a finding says so. A
    segment keeps its label value unless an earlier one has the same.

    Raises:
        InputError: If the volume has no voxels, or the segments cannot be turned into voxels.
    """
    volume = image_from_volume(volume_node)
    flattened = flatten(node, volume_node)
    segments = _segments(node)
    label_of = np.array([0, *(segment.label for segment in segments)])
    labels = from_array(
        label_of.astype(np.min_scalar_type(label_of.max()))[flattened.ranks], grid=volume
    )
    overlaps = [_overlap_finding(overlap, segments, volume) for overlap in flattened.overlaps]
    outside = [_outside_finding(segments[rank - 1]) for rank in flattened.outside]
    return SegmentationInScene(
        Segmentation(labels=labels, segments=segments, made_by=_made_by(node)),
        (*overlaps, *outside),
    )


def _require_same_grid(segmentation: Segmentation, volume: vtkMRMLScalarVolumeNode) -> None:
    if not same_grid(segmentation.labels, image_from_volume(volume)):
        hint = "Choose the volume that the segmentation was made on"
        where = volume.GetName() or "volume"
        raise InputError("has another grid than the segmentation", where=where, hint=hint)


def _require_listed(segmentation: Segmentation) -> None:
    """Refuse voxels that would vanish because no segment has their label."""
    values = sitk.GetArrayViewFromImage(segmentation.labels)
    present = np.unique(values[values != 0])
    listed = {segment.label for segment in segmentation.segments}
    unlisted = [str(value) for value in present if int(value) not in listed]
    if unlisted:
        what = f"has voxels with label {', '.join(unlisted)}, which no segment has"
        raise InputError(what, where="segmentation", hint="Name every label of the image")
    if max(listed, default=0) > _LARGEST_LABEL:
        what = f"has label {max(listed)}, which a scene cannot hold"
        raise InputError(what, where="segmentation", hint=f"Use labels up to {_LARGEST_LABEL}")


def _labelmap(segmentation: Segmentation) -> vtkOrientedImageData:
    """Return the label image for a segmentation node, in the smallest type that holds its labels.

    All segments share it, which makes it one layer.
    """
    import slicer

    labels = right_handed(segmentation.labels)
    largest = max((segment.label for segment in segmentation.segments), default=0)
    labelmap = slicer.vtkOrientedImageData()
    values = sitk.GetArrayViewFromImage(labels)
    fill(labelmap, values.astype(np.min_scalar_type(largest)))
    set_labelmap_grid(labelmap, labels)
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


def _segments(node: vtkMRMLSegmentationNode) -> tuple[Segment, ...]:
    """Return the node's segments, each with a label value of its own: layers may repeat them."""
    segmentation = node.GetSegmentation()
    owns = [segmentation.GetSegment(name) for name in segmentation.GetSegmentIDs()]
    wanted = [own.GetLabelValue() for own in owns]
    reserved, taken = set(wanted), set[int]()
    free = (value for value in itertools.count(1) if value not in reserved)
    segments = []
    for own, value in zip(owns, wanted, strict=True):
        label = next(free) if value < 1 or value in taken else value
        taken.add(label)
        segments.append(_segment(own, label))
    return tuple(segments)


def _segment(own: vtkSegment, label: int) -> Segment:
    codes = terminology.from_slicer(own.GetTerminology())
    red, green, blue = (round(255 * min(max(value, 0.0), 1.0)) for value in own.GetColor())
    name = (own.GetName() or "").strip() or f"segment {label}"
    return Segment(label=label, name=name, colour=(red, green, blue), **codes._asdict())


def _made_by(node: vtkMRMLSegmentationNode) -> str:
    """Return who made it; Slicer marks the segments that a person has worked on since."""
    made_by: str = node.GetAttribute(_MADE_BY) or ""
    segmentation = node.GetSegmentation()
    touched = any(
        segmentation.GetSegment(name).HasTag(_STATUS) for name in segmentation.GetSegmentIDs()
    )
    return f"{made_by}, edited or reviewed by hand" if made_by and touched else made_by


def _overlap_finding(
    overlap: Overlap, segments: tuple[Segment, ...], volume: sitk.Image
) -> Finding:
    below, above = segments[overlap.below - 1].name, segments[overlap.above - 1].name
    indices = overlap.indices
    millilitres = len(indices) * voxel_volume(volume) / 1000.0
    middle = indices[np.square(indices - indices.mean(axis=0)).sum(axis=1).argmin()]
    low = indices.min(axis=0)
    return Finding(
        rule="overlap",
        severity=Severity.REVIEW,
        title=f"{below} and {above} overlap",
        explanation=(
            f"{len(indices)} voxels belong to both. They were counted as {above}, "
            "the later one in the list; remove them from one of the two."
        ),
        structure=above,
        point=_lps(volume, middle),
        box=box_lps(volume, low, indices.max(axis=0) - low + 1),
        evidence=(Evidence(quantity="overlap", measured=millilitres, expected="none", unit="mL"),),
    )


def _outside_finding(segment: Segment) -> Finding:
    return Finding(
        rule="outside",
        severity=Severity.REVIEW,
        title=f"{segment.name} reaches beyond the scan",
        explanation=(
            "Only the part within the scan was taken, so that it measures too small. "
            "Choose the scan that it was drawn on."
        ),
        structure=segment.name,
    )


def _lps(volume: sitk.Image, index: npt.NDArray[np.intp]) -> Point:
    x, y, z = volume.TransformIndexToPhysicalPoint([int(value) for value in index])
    return x, y, z
