"""Volumes and what was drawn on them, as a training set on the disk.

What needs the scene is done in milliseconds (:func:`take`); the voxels are read and written in any
thread (:func:`write_training_set`), whatever becomes of the nodes meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.images import write_image
from MedAssistLib.files import make_folder, write_text
from MedAssistLib.geometry import from_array
from MedAssistLib.scene.from_nodes import SegmentationInScene, segmentation_from_node
from MedAssistLib.scene.grid import between, ijk_to_ras
from MedAssistLib.scene.hierarchy import series_of
from MedAssistLib.scene.volumes import enhancement_of, scan_from_volume

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

_LABELMAP = "Binary labelmap"
_MODALITY = "MedAssist.modality"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A volume and what was drawn on it, apart from their scene.

    Attributes:
        patient: Number of its patient in the subject hierarchy; 0 if none is stated there.
        read: Returns the scan and the segments on its grid. For any thread.
    """

    patient: int
    read: Callable[[], tuple[Scan, SegmentationInScene]]


class WrittenSet(NamedTuple):
    """A training set that was written.

    Attributes:
        cases: Names of its cases, in the order in which they were given.
        findings: What a label image could not take over, each with the case that it is about.
    """

    cases: tuple[str, ...]
    findings: tuple[tuple[str, Finding], ...]


def take(segmentation: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode) -> Drawn:
    """Look at a segmentation and its volume; no voxel is copied.

    Raises:
        InputError: If it is not one 3-D volume of single numbers.
    """
    modality = series_of(volume).modality or volume.GetAttribute(_MODALITY) or ""
    enhancement = enhancement_of(volume)
    # Only the scene knows how they lie to each other.
    below = between(segmentation, volume)
    labels, voxels = _segmentation_alone(segmentation), _volume_alone(volume)

    def read() -> tuple[Scan, SegmentationInScene]:
        scan = replace(scan_from_volume(voxels), modality=modality, enhancement=enhancement)
        return scan, segmentation_from_node(labels, voxels, below)

    return Drawn(_patient(volume), read)


def structures(drawn: Sequence[vtkMRMLSegmentationNode]) -> tuple[str, ...]:
    """Return the names of the segments of all nodes, in the order in which they come."""
    names: dict[str, None] = {}
    for node in drawn:
        own = node.GetSegmentation()
        names |= dict.fromkeys(own.GetSegment(key).GetName() for key in own.GetSegmentIDs())
    return tuple(names)


def write_training_set(
    drawn: Sequence[Drawn], folder: Path, tell: Callable[[float], None] = lambda _share: None
) -> WrittenSet:
    """Write a training set: a folder of pairs with a description. For any thread.

    A structure has one label value in all cases, whatever it is in the scene. Cases have numbers
    for names, because volumes are often named after patients; those of one patient are marked.

    Args:
        drawn: The cases.
        folder: Where to; made if it is not there.
        tell: Called with the share that is done.

    Raises:
        InputError: If a volume cannot be read, or nothing is drawn.
        ResourceError: If a file cannot be written.
    """
    make_folder(folder / "images")
    make_folder(folder / "labels")
    values: dict[str, int] = {}
    modalities, cases, findings = set(), [], []
    for number, each in enumerate(drawn, start=1):
        tell((number - 1) / len(drawn))
        name = f"sub-{each.patient}_case_{number}" if each.patient else f"case_{number}"
        scan, found = each.read()
        for segment in found.segmentation.segments:
            values.setdefault(segment.name, len(values) + 1)
        write_image(scan.image, folder / "images" / f"{name}.nrrd")
        write_image(_renumbered(found.segmentation, values), folder / "labels" / f"{name}.nrrd")
        modalities.add(scan.modality)
        cases.append(name)
        findings += [(name, finding) for finding in found.findings]
    if not values:
        raise InputError("nothing is drawn on these volumes", hint="Draw the structures first")
    channel = modalities.pop() if len(modalities) == 1 else ""
    described = {
        "name": "Cases of a scene",
        "labels": {"background": 0, **values},
        "channel_names": {"0": channel or "image"},
    }
    write_text(folder / "dataset.json", json.dumps(described, ensure_ascii=False, indent=1) + "\n")
    return WrittenSet(tuple(cases), tuple(findings))


def _renumbered(made: Segmentation, values: dict[str, int]) -> sitk.Image:
    """Return the labels with the value of each structure's name."""
    highest = max((segment.label for segment in made.segments), default=0)
    table = np.zeros(highest + 1, dtype=np.uint16)
    for segment in made.segments:
        table[segment.label] = values[segment.name]
    return from_array(table[sitk.GetArrayViewFromImage(made.labels)], made.labels)


def _segmentation_alone(node: vtkMRMLSegmentationNode) -> vtkMRMLSegmentationNode:
    """Return a node outside the scene with the same segments; their voxels are shared."""
    import slicer

    twin, own = slicer.vtkMRMLSegmentationNode(), node.GetSegmentation()
    twin.SetName(node.GetName())
    if not own.ContainsRepresentation(_LABELMAP):
        twin.GetSegmentation().DeepCopy(own)
        return twin
    for layer in range(own.GetNumberOfLayers(_LABELMAP)):
        # An image of its own, because the scene's may grow while it is read.
        voxels = slicer.vtkOrientedImageData()
        voxels.ShallowCopy(own.GetLayerDataObject(layer, _LABELMAP))
        for name in own.GetSegmentIDsForLayer(layer, _LABELMAP):
            segment = slicer.vtkSegment()
            segment.DeepCopyMetadata(own.GetSegment(name))
            segment.AddRepresentation(_LABELMAP, voxels)
            twin.GetSegmentation().AddSegment(segment, name)
    return twin


def _volume_alone(node: vtkMRMLScalarVolumeNode) -> vtkMRMLScalarVolumeNode:
    """Return a node outside the scene with the same voxels in the same place."""
    import slicer
    from vtkmodules.vtkCommonDataModel import vtkImageData

    twin = slicer.vtkMRMLScalarVolumeNode()
    twin.SetName(node.GetName())
    if node.GetImageData() is not None:
        voxels = vtkImageData()
        voxels.ShallowCopy(node.GetImageData())
        twin.SetAndObserveImageData(voxels)
    twin.SetIJKToRASMatrix(ijk_to_ras(node))
    return twin


def _patient(node: vtkMRMLScalarVolumeNode) -> int:
    """Return the item of the volume's patient in the subject hierarchy; 0 if there is none."""
    import slicer

    tree = node.GetScene().GetSubjectHierarchyNode()
    item = tree.GetItemByDataNode(node)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    return int(tree.GetItemAncestorAtLevel(item, level)) if item else 0
