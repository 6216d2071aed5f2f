"""Showing a segmentation: in 3D, and over its scan in the slice views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from MedAssistLib.errors import InputError

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLSegmentationNode

_FILL_OPACITY = 0.3  # grey values stay readable below it


def show(
    scene: vtkMRMLScene,
    segmentation_node: vtkMRMLSegmentationNode,
    volume_node: vtkMRMLScalarVolumeNode,
) -> None:
    """Show the segments as surfaces in 3D and as outlines with a light fill over the scan.

    Surfaces are smoothed as the user has set it in Slicer (by default 0.5, by which a brain loses
    0.01 % of its volume). The layout, the zoom and slice views that do not follow the choice of
    volume stay as they are.

    Raises:
        InputError: If the surfaces cannot be made.
    """
    segmentation_node.CreateDefaultDisplayNodes()
    display = segmentation_node.GetDisplayNode()
    unblock = display.StartModify()
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility3D(True)
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(True)
    display.SetOpacity2DFill(_FILL_OPACITY)
    display.EndModify(unblock)
    drawn = segmentation_node.GetSegmentation().GetNumberOfSegments()
    if drawn and not segmentation_node.CreateClosedSurfaceRepresentation():
        where = segmentation_node.GetName() or "segmentation"
        raise InputError("cannot be turned into surfaces", where=where)
    _set_background(scene, volume_node)


def _set_background(scene: vtkMRMLScene, volume: vtkMRMLScalarVolumeNode) -> None:
    """Show a volume in every slice view that follows the choice of volume."""
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        view = scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        if view.GetDoPropagateVolumeSelection():
            view.SetBackgroundVolumeID(volume.GetID())
