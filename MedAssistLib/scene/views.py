"""The views of a scene that Slicer has not shown yet: where each one looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode

    from MedAssistLib.scene.headless import HeadlessScene


class _SliceView(NamedTuple):
    """One of the slice views of Slicer's standard layouts."""

    name: str
    orientation: str
    label: str
    colour: tuple[int, int, int]


_SLICE_VIEWS = (
    _SliceView("Red", "Axial", "R", (243, 74, 51)),
    _SliceView("Yellow", "Sagittal", "Y", (237, 213, 76)),
    _SliceView("Green", "Coronal", "G", (110, 176, 75)),
)
_WINDOW = 500  # pixels a side; Slicer keeps the field of view when its own window differs
_FIRST_3D_VIEW = "1"
_CAMERA_DISTANCE = 2.0  # diagonals of the volume: all of it fits into a view angle of 30 degrees


def add_views(headless: HeadlessScene, volume: vtkMRMLScalarVolumeNode) -> None:
    """Add Slicer's three standard slice views and its first camera, all looking at a volume.

    They have the tags by which Slicer knows its own, so that opening the scene turns Slicer's views
    to the volume and leaves its layout alone.
    """
    for view in _SLICE_VIEWS:
        _add_slice_view(headless, volume, view)
    _add_camera(headless, volume)


def _add_slice_view(
    headless: HeadlessScene, volume: vtkMRMLScalarVolumeNode, view: _SliceView
) -> None:
    """Add a slice view through the middle of the volume that shows all of it."""
    import slicer

    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(headless.application)
    logic.SetMRMLScene(headless.scene)
    node = logic.AddSliceNode(view.name)
    node.SetLayoutLabel(view.label)
    node.SetLayoutColor(*(value / 255.0 for value in view.colour))
    node.SetOrientation(view.orientation)
    logic.ResizeSliceNode(_WINDOW, _WINDOW)
    logic.FitSliceToVolume(volume, _WINDOW, _WINDOW)


def _add_camera(headless: HeadlessScene, volume: vtkMRMLScalarVolumeNode) -> None:
    """Look at the middle of the volume from the front, head up."""
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds).reshape(3, 2).T
    middle = (low + high) / 2.0
    away = np.array([0.0, _CAMERA_DISTANCE * np.linalg.norm(high - low), 0.0])
    camera = headless.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
    camera.SetLayoutName(_FIRST_3D_VIEW)
    camera.SetFocalPoint(*middle.tolist())
    camera.SetPosition(*(middle + away).tolist())
    camera.SetViewUp(0.0, 0.0, 1.0)
