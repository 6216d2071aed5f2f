"""Repairs of findings in a segmentation node: looked for, written, and taken back.

Slicer's own logic writes them, as its Segment Editor does: surfaces follow, and no other segment
loses a voxel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from MedAssistLib.errors import InputError
from MedAssistLib.panel.check_second import SecondReader
from MedAssistLib.panel.label_layers import Layer, layers_of
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.voxels import fill

if TYPE_CHECKING:
    from slicer import vtkMRMLSegmentationNode, vtkOrientedImageData

    from MedAssistLib.check.repair import Change, Labels
    from MedAssistLib.volumes import Mask

_LABELMAP = "Binary labelmap"


@dataclass(frozen=True, kw_only=True, eq=False)
class Repair:
    """What would be done, or was done, to one segment.

    Attributes:
        change: What changes.
        segment: The segment's id.
        voxel_mm3: Volume of a voxel.
        place: An image without voxels that lies where the change's block does.
        status: Slicer's mark on the segment before: whether a person had worked on it; ``None``
            without one.
    """

    change: Change
    segment: str
    voxel_mm3: float
    place: vtkOrientedImageData
    status: int | None


def repair_for(
    entry: Mapping[str, Any], node: Any, volume: Any, reader: SecondReader
) -> Repair | None:
    """Return what would repair a finding; nothing is changed.

    Args:
        entry: The finding, as a findings file has it.
        node: The segmentation node that it was found in.
        volume: The volume that it was drawn on.
        reader: The second reader, for findings that have no repair of their own.

    Raises:
        InputError: If the node has nothing drawn, or lies askew of the volume.
    """
    from MedAssistLib.check.repair import repair_of
    from MedAssistLib.check.rule import Place

    if not entry["point_lps"] or not entry["box_lps"]:
        return None
    layers = layers_of(node, volume)
    name = entry["structure"]
    found = _segment(node, layers, reader.drawn_as.get(name, name))
    if found is None:
        return None
    number, label, segment = found
    drawn = _labels(layers[number], label)
    others = tuple(_labels(layer) for n, layer in enumerate(layers) if n != number)
    low, high = entry["box_lps"]
    place = Place(tuple(entry["point_lps"]), (tuple(low), tuple(high)))
    change = repair_of(entry["rule"], place, drawn, others, reader.labels(name))
    if change is None:
        return None
    import slicer

    own, logic = node.GetSegmentation(), slicer.vtkSlicerSegmentationsModuleLogic
    marked = own.GetSegment(segment).HasTag(logic.GetStatusTagName())
    return Repair(
        change=change,
        segment=segment,
        voxel_mm3=float(np.prod(drawn.spacing)),
        place=_block(own.GetLayerDataObject(number, _LABELMAP), change),
        status=logic.GetSegmentStatus(own.GetSegment(segment)) if marked else None,
    )


def write(repair: Repair, node: vtkMRMLSegmentationNode) -> None:
    """Do a repair.

    Raises:
        InputError: If the segment is gone.
    """
    import slicer

    before, after = repair.change.before, repair.change.after
    _modify(repair, node, added=after & ~before, removed=before & ~after)
    # By this mark a segmentation says that a person had a hand in it.
    logic, segment = slicer.vtkSlicerSegmentationsModuleLogic, _own(repair, node)
    if logic.GetSegmentStatus(segment) == logic.NotStarted:
        logic.SetSegmentStatus(segment, logic.InProgress)


def take_back(repair: Repair, node: vtkMRMLSegmentationNode) -> None:
    """Undo a repair; what was drawn elsewhere since then stays.

    Raises:
        InputError: If the segment is gone.
    """
    import slicer

    before, after = repair.change.before, repair.change.after
    _modify(repair, node, added=before & ~after, removed=after & ~before)
    logic, segment = slicer.vtkSlicerSegmentationsModuleLogic, _own(repair, node)
    if repair.status is None:
        segment.RemoveTag(logic.GetStatusTagName())
    else:
        logic.SetSegmentStatus(segment, repair.status)


def _segment(
    node: vtkMRMLSegmentationNode, layers: list[Layer], name: str
) -> tuple[int, int, str] | None:
    """Return the layer, label value and id of the only segment with a name."""
    own = node.GetSegmentation()
    found = [
        (number, own.GetSegment(key).GetLabelValue(), key)
        for number in range(len(layers))
        for key in own.GetSegmentIDsForLayer(number, _LABELMAP)
        if (own.GetSegment(key).GetName() or "").strip().lower() == name.lower()
    ]
    return found[0] if len(found) == 1 else None


def _labels(layer: Layer, label: int = 0) -> Labels:
    from MedAssistLib.check.repair import Labels

    values = cast("npt.NDArray[np.integer]", layer.labels)
    return Labels(values=values, grid=layer.grid, label=label)


def _block(layer: vtkOrientedImageData, change: Change) -> vtkOrientedImageData:
    """Return an image without voxels where a change's block is in a layer."""
    import slicer
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    to_world = vtkMatrix4x4()
    layer.GetImageToWorldMatrix(to_world)
    first = np.array(change.start)[::-1] + layer.GetExtent()[::2]
    last = first + change.before.shape[::-1] - 1
    block = slicer.vtkOrientedImageData()
    block.SetExtent(*np.column_stack([first, last]).ravel().tolist())
    block.SetGeometryFromImageToWorldMatrix(to_world)
    return block


def _own(repair: Repair, node: vtkMRMLSegmentationNode) -> Any:
    """Return the segment.

    Raises:
        InputError: If it is gone.
    """
    segment = node.GetSegmentation().GetSegment(repair.segment)
    if segment is None:
        what, hint = _("has lost the segment that the finding is about"), _("Check it again")
        raise InputError(what, where=node.GetName() or "", hint=hint)
    return segment


def _modify(repair: Repair, node: vtkMRMLSegmentationNode, *, added: Mask, removed: Mask) -> None:
    """Give a segment voxels of the block and take others from it.

    Raises:
        InputError: If the segment is gone.
    """
    import slicer

    _own(repair, node)
    logic, place = slicer.vtkSlicerSegmentationsModuleLogic, repair.place
    if added.any():
        logic.SetBinaryLabelmapToSegment(
            _filled(place, added), node, repair.segment, logic.MODE_MERGE_MASK, place.GetExtent()
        )
    if removed.any():
        # All may be overwritten, and none is: else it would get a layer of its own.
        everyone = node.GetSegmentation().GetSegmentIDs()
        logic.SetBinaryLabelmapToSegment(
            _filled(place, ~removed),
            node,
            repair.segment,
            logic.MODE_MERGE_MIN,
            place.GetExtent(),
            False,
            everyone,
        )
    node.Modified()


def _filled(place: vtkOrientedImageData, mask: Mask) -> vtkOrientedImageData:
    """Return a mask as an image that lies at a place."""
    import slicer
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    to_world = vtkMatrix4x4()
    place.GetImageToWorldMatrix(to_world)
    image = slicer.vtkOrientedImageData()
    fill(image, mask.astype(np.uint8))
    image.SetExtent(place.GetExtent())
    image.SetGeometryFromImageToWorldMatrix(to_world)
    return image
