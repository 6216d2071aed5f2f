"""The preview in a slice view: a volume of one slice over the view's own, and away again."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from MedAssistLib.scene.grid import set_node_grid
from MedAssistLib.scene.voxels import fill

_TAG = "MedAssistPreview"
_COMPARABLE = 3.0  # times wider or narrower: the input's window would show nothing


class PreviewLayer:
    """A temporary volume node, shown as the foreground of one slice view."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._view = ""
        self._before: tuple[str | None, float] = (None, 0.0)
        self._node: Any = None

    @property
    def node(self) -> Any:
        """The temporary volume, or None."""
        return self._node

    def show(self, image: sitk.Image, volume: Any, view: str, *, seen: bool) -> None:
        """Lay a slice over a view.

        Args:
            image: The slice, in its place.
            volume: The volume that it was made of; gives transform, window and level.
            view: Name of the slice view.
            seen: Whether it is seen at once, or kept for later.
        """
        from vtkmodules.vtkCommonDataModel import vtkImageData

        if view != self._view:
            self.hide()
        if self._node is None:
            self._node = self._make()
        voxels = vtkImageData()
        array = sitk.GetArrayViewFromImage(image)
        fill(voxels, array)
        self._node.SetAndObserveImageData(voxels)
        set_node_grid(self._node, image)
        self._node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        self._set_window(array, volume)
        self._lay(view, seen=seen)

    def see(self, *, seen: bool) -> None:
        """Show the slice as it will be, or as it is."""
        composite = self._composite()
        if composite is not None:
            composite.SetForegroundOpacity(1.0 if seen else 0.0)

    def hide(self) -> None:
        """Take it out of the view and the scene; the view is as it was."""
        composite = self._composite()
        ours = self._node.GetID() if self._node is not None else ""
        # Whoever has put another volume there meanwhile wants to see that.
        if composite is not None and composite.GetForegroundVolumeID() == ours:
            composite.SetForegroundVolumeID(self._before[0])
            composite.SetForegroundOpacity(self._before[1])
        self._view = ""
        if self._node is not None and self._node.GetScene() is not None:
            display = self._node.GetDisplayNode()
            self._scene.RemoveNode(self._node)
            if display is not None:
                self._scene.RemoveNode(display)
        self._node = None

    def _make(self) -> Any:
        import slicer

        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName(_TAG)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetUndoEnabled(False)
        self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetUndoEnabled(False)
        display.SetInterpolate(False)
        return node

    def _lay(self, view: str, *, seen: bool) -> None:
        if self._view != view:
            self._view = view
            composite = self._composite()
            if composite is None:
                self._view = ""
                return
            was = composite.GetForegroundVolumeID()
            self._before = (was, composite.GetForegroundOpacity())
            composite.SetForegroundVolumeID(self._node.GetID())
        self.see(seen=seen)

    def _composite(self) -> Any:
        """Return the node that says what the view shows."""
        if not self._view:
            return None
        found = self._scene.GetNodesByClass("vtkMRMLSliceCompositeNode")
        found.UnRegister(None)
        nodes = [found.GetItemAsObject(n) for n in range(found.GetNumberOfItems())]
        return next((node for node in nodes if node.GetLayoutName() == self._view), None)

    def _set_window(self, array: Any, volume: Any) -> None:
        """Take over the input's window where it shows the result too, else that of the slice."""
        display, own = volume.GetDisplayNode(), self._node.GetDisplayNode()
        low, high = (float(value) for value in np.percentile(array, (1.0, 99.0)))
        own.SetAutoWindowLevel(False)
        if display is not None:
            width, level = display.GetWindow(), display.GetLevel()
            reach = max(high - low, 1e-9)
            apart = abs((low + high) / 2.0 - level)
            fits = width / _COMPARABLE < reach < width * _COMPARABLE
            if (fits and apart < width) or high <= low:
                own.SetWindowLevel(width, level)
                return
        own.SetWindowLevel(max(high - low, 1e-9), (low + high) / 2.0)
