"""The mark on the finding at hand: a point and a box, in a folder of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from MedAssistLib.panel.sight import to_ras
from MedAssistLib.panel.text import tr as _

_COLOUR = (1.0, 0.85, 0.0)
_SMALLEST_MM = 2.0
_GLYPH_SCALE = 1.5  # percent of the view: half of Slicer's own, to see what lies below


class PlaceMark:
    """A locked point and a locked box; not saved with the scene, and made when first needed."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._ids: tuple[str, str] | None = None

    @property
    def nodes(self) -> tuple[Any, Any] | None:
        """The point's node and the box's, if both are in the scene."""
        found = [self._scene.GetNodeByID(name) for name in self._ids or ()]
        return (found[0], found[1]) if found and all(found) else None

    def show(self, volume: Any, entry: dict[str, Any]) -> None:
        """Mark a finding's place below the volume's transform; a finding without one has none."""
        if not entry["point_lps"]:
            self.remove()
            return
        point, box = self.nodes or self._make()
        for node in (point, box):
            node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        unblock = point.StartModify()
        point.RemoveAllControlPoints()
        point.AddControlPoint(to_ras(entry["point_lps"]), entry["structure"] or _("Finding"))
        point.SetLocked(True)
        point.EndModify(unblock)
        corners = entry["box_lps"]
        if corners:
            _set_box(box, corners)
        box.GetDisplayNode().SetVisibility(bool(corners))

    def remove(self) -> None:
        """Take the mark and its folder out of the scene."""
        for name in self._ids or ():
            node = self._scene.GetNodeByID(name)
            if node is not None:
                self._scene.RemoveNode(node)
        tree = self._scene.GetSubjectHierarchyNode()
        # One more for each time that the scene was saved with a mark: its tree keeps the folder.
        while tree is not None and (folder := tree.GetItemByName(_folder_name())):
            _remove_folder(tree, folder)
        self.forget()

    def forget(self) -> None:
        """Know nothing of it any more: the scene is going."""
        self._ids = None

    def _make(self) -> tuple[Any, Any]:
        self.remove()
        kinds = ("vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsROINode")
        names = (_("Place of the finding"), _("Box of the finding"))
        point, box = (
            self._scene.AddNewNodeByClass(kind, name)
            for kind, name in zip(kinds, names, strict=True)
        )
        tree = self._scene.GetSubjectHierarchyNode()
        folder = tree.CreateFolderItem(tree.GetSceneItemID(), _folder_name())
        for node in (point, box):
            node.CreateDefaultDisplayNodes()
            for own in (node, node.GetDisplayNode()):
                own.SetSaveWithScene(False)
            node.SetLocked(True)
            display = node.GetDisplayNode()
            display.SetColor(*_COLOUR)
            display.SetSelectedColor(*_COLOUR)
            display.SetHandlesInteractive(False)
            display.SetGlyphScale(_GLYPH_SCALE)
            item = tree.GetItemByDataNode(node) or tree.CreateItem(folder, node)
            tree.SetItemParent(item, folder)
        box.GetDisplayNode().SetFillVisibility(False)
        box.GetDisplayNode().SetPointLabelsVisibility(False)
        box.GetDisplayNode().SetPropertiesLabelVisibility(False)
        self._ids = (point.GetID(), box.GetID())
        return point, box


def _folder_name() -> str:
    return _("MedAssist finding")


def _remove_folder(tree: Any, folder: int) -> None:
    """Take a folder out of the tree; what a person put into it moves up and stays."""
    from vtkmodules.vtkCommonCore import vtkIdList

    inside = vtkIdList()
    tree.GetItemChildren(folder, inside)
    items = [inside.GetId(index) for index in range(inside.GetNumberOfIds())]
    for item in (*(item for item in items if tree.GetItemDataNode(item) is None), folder):
        tree.RemoveItem(item, False, False)


def _set_box(node: Any, corners: Sequence[Sequence[float]]) -> None:
    """Give an ROI the place of two corners, LPS mm."""
    first, second = (np.array(to_ras(corner)) for corner in corners)
    size = np.maximum(np.abs(second - first), _SMALLEST_MM)
    unblock = node.StartModify()
    node.SetCenter(((first + second) / 2.0).tolist())
    node.SetSize(size.tolist())
    node.SetLocked(True)
    node.EndModify(unblock)
