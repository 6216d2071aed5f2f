"""Segmentation nodes as segmentations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import terminology
from MedAssistLib.case import EDITED, Evidence, Finding, Point, Segment, Segmentation, Severity
from MedAssistLib.geometry import box_lps, from_array, voxel_volume
from MedAssistLib.scene.layers import Flattened, Overlap, flatten
from MedAssistLib.scene.segmentations import MADE_BY
from MedAssistLib.scene.volumes import image_from_volume

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkSegment
    from vtkmodules.vtkCommonTransforms import vtkAbstractTransform

_STATUS = "Segmentation.Status"
_MOST_NAMES = 5


class SegmentationInScene(NamedTuple):
    """A segmentation as it was found in a scene.

    Attributes:
        segmentation: Its segments on the volume's grid.
        findings: What one label image could not take over: overlaps, in which the later segment
            was taken, segments that reach beyond the volume, and what was drawn on other voxels.
    """

    segmentation: Segmentation
    findings: tuple[Finding, ...]


def segmentation_from_node(
    node: vtkMRMLSegmentationNode,
    volume_node: vtkMRMLScalarVolumeNode,
    below: vtkAbstractTransform | None = None,
) -> SegmentationInScene:
    """Return a segmentation node as one label image on the volume's grid.

    Where segments overlap, the later one in the node's list is taken, and a finding says so. A
    segment keeps its label value unless an earlier one has the same.

    Args:
        node: The segmentation.
        volume_node: Gives the grid.
        below: For nodes outside a scene; see :func:`MedAssistLib.scene.layers.flatten`.

    Raises:
        InputError: If the volume has no voxels, or the segments cannot be turned into voxels.
    """
    volume = image_from_volume(volume_node)
    flattened = flatten(node, volume_node, below)
    segments = _segments(node)
    label_of = np.array([0, *(segment.label for segment in segments)])
    labels = from_array(
        label_of.astype(np.min_scalar_type(label_of.max()))[flattened.ranks], grid=volume
    )
    overlaps = [_overlap_finding(overlap, segments, volume) for overlap in flattened.overlaps]
    outside = [_outside_finding(segments[rank - 1]) for rank in flattened.outside]
    return SegmentationInScene(
        Segmentation(labels=labels, segments=segments, made_by=made_by(node)),
        (*overlaps, *outside, *_moved_finding(flattened, segments)),
    )


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
        segments.append(segment_of(own, label))
    return tuple(segments)


def segment_of(own: vtkSegment, label: int) -> Segment:
    """Return a node's segment with a label value."""
    codes = terminology.from_slicer(own.GetTerminology())
    red, green, blue = (round(255 * min(max(value, 0.0), 1.0)) for value in own.GetColor())
    name = (own.GetName() or "").strip() or f"segment {label}"
    return Segment(label=label, name=name, colour=(red, green, blue), **codes._asdict())


def made_by(node: vtkMRMLSegmentationNode) -> str:
    """Return who made it; Slicer marks the segments that a person has worked on since."""
    by: str = node.GetAttribute(MADE_BY) or ""
    segmentation = node.GetSegmentation()
    touched = any(
        segmentation.GetSegment(name).HasTag(_STATUS) for name in segmentation.GetSegmentIDs()
    )
    return by + EDITED if by and touched else by


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


def _moved_finding(flattened: Flattened, segments: tuple[Segment, ...]) -> Iterator[Finding]:
    """Yield that details are lost, which a finer drawing than the scan has, if there are some."""
    if not flattened.moved:
        return
    gone = [segments[rank - 1].name for rank in flattened.vanished]
    more = f" and {len(gone) - _MOST_NAMES} more" if len(gone) > _MOST_NAMES else ""
    lost = f" Nothing is left of {', '.join(gone[:_MOST_NAMES])}{more}." if gone else ""
    only = len(flattened.moved) == 1
    name = segments[flattened.moved[0] - 1].name if only else ""
    yield Finding(
        rule="moved",
        severity=Severity.REVIEW,
        title=f"{name or 'The segmentation'} was drawn on other voxels than the scan's",
        explanation=(
            f"It was brought to the scan's, so that details below their size are lost.{lost} "
            "Choose the scan that it was drawn on, or resample that scan to the finer voxels."
        ),
        structure=name,
    )


def _lps(volume: sitk.Image, index: npt.NDArray[np.intp]) -> Point:
    x, y, z = volume.TransformIndexToPhysicalPoint([int(value) for value in index])
    return x, y, z
