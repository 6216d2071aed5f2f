"""The disagreement of two readers as colours over the slice views, and away again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.scene.grid import set_node_grid
from MedAssistLib.scene.voxels import fill

_NAME = "MedAssist disagreement"
_OPACITY = 0.6
_COLOURS = 255  # an odd number: the middle one is nothing
_LEAST_MM = 0.5
# Told apart also by people who see no red or green: orange is drawn too far, blue too little.
_TOO_FAR, _TOO_LITTLE = (1.0, 0.55, 0.0), (0.1, 0.45, 1.0)


class DisagreementLayer:
    """A temporary volume node with colours of its own, in front of all slice views."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._ids: list[str] = []
        self._before: dict[str, tuple[str | None, float]] = {}

    @property
    def node(self) -> Any:
        """The temporary volume, or None."""
        return self._scene.GetNodeByID(self._ids[0]) if self._ids else None

    def show(self, values: npt.NDArray[np.float32], grid: sitk.Image, volume: Any) -> None:
        """Lay a map over the slice views.

        Args:
            values: Axes (k, j, i): by how many mm more is drawn (above zero) or less (below);
                zero where both agree.
            grid: An image whose first voxels lie where the map's do.
            volume: The volume that it was made of; gives the transform.
        """
        from vtkmodules.vtkCommonDataModel import vtkImageData

        if self.node is None:
            self._make()
        node = self.node
        voxels = vtkImageData()
        fill(voxels, np.ascontiguousarray(values))
        unblock = node.StartModify()
        node.SetAndObserveImageData(voxels)
        set_node_grid(node, grid)
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        reach = max(float(np.abs(values).max(initial=0.0)), _LEAST_MM)
        node.GetDisplayNode().SetWindowLevelMinMax(-reach, reach)
        node.EndModify(unblock)
        self._lay()

    def remove(self) -> None:
        """Take it out of the views and the scene; the views are as they were."""
        for view in self._views():
            # Whoever has put another volume there meanwhile wants to see that.
            if view.GetID() in self._before and view.GetForegroundVolumeID() in self._ids[:1]:
                foreground, opacity = self._before[view.GetID()]
                view.SetForegroundVolumeID(foreground)
                view.SetForegroundOpacity(opacity)
        for name in self._ids:
            node = self._scene.GetNodeByID(name)
            if node is not None:
                self._scene.RemoveNode(node)
        self._ids, self._before = [], {}

    def _lay(self) -> None:
        for view in self._views():
            if view.GetForegroundVolumeID() == self._ids[0]:
                continue
            self._before[view.GetID()] = view.GetForegroundVolumeID(), view.GetForegroundOpacity()
            view.SetForegroundVolumeID(self._ids[0])
            view.SetForegroundOpacity(_OPACITY)

    def _views(self) -> list[Any]:
        """Return the nodes that say what the slice views show."""
        found = self._scene.GetNodesByClass("vtkMRMLSliceCompositeNode")
        found.UnRegister(None)
        return [found.GetItemAsObject(n) for n in range(found.GetNumberOfItems())]

    def _make(self) -> None:
        import slicer

        self.remove()
        node, colours = slicer.vtkMRMLScalarVolumeNode(), slicer.vtkMRMLColorTableNode()
        for own in (node, colours):
            _hide(own)
            own.SetName(_NAME)
        _set_colours(colours)
        self._scene.AddNode(colours)
        self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        _hide(display)
        display.SetInterpolate(False)
        display.SetAutoWindowLevel(False)
        display.SetAndObserveColorNodeID(colours.GetID())
        self._ids = [node.GetID(), display.GetID(), colours.GetID()]


def _hide(node: Any) -> None:
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetUndoEnabled(False)


def _set_colours(node: Any) -> None:
    """Let a colour node run from too little to too far, stronger with the distance."""
    node.SetTypeToUser()
    node.SetNumberOfColors(_COLOURS)
    middle = _COLOURS // 2
    for number in range(_COLOURS):
        share = (number - middle) / middle
        colour = _TOO_FAR if share > 0.0 else _TOO_LITTLE
        strength = 0.6 + 0.4 * abs(share)
        node.SetColor(number, "", *(strength * part for part in colour), float(share != 0.0))
