"""``slicer.app.coreIOManager()``: reads and writes nodes through their real storage nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Testing.host.errors import MissingStandInError
from Testing.host.mrml import Mrml


class IOManager:
    """Reads volumes, label maps, segmentations and scenes; writes nodes.

    Args:
        mrml: The scene and its logics.
    """

    def __init__(self, mrml: Mrml) -> None:
        self._mrml = mrml

    def fileType(self, path: str) -> str:
        """Return which reader takes a file."""
        if path.endswith((".mrb", ".mrml")):
            return "SceneFile"
        return "SegmentationFile" if path.endswith(".seg.nrrd") else "VolumeFile"

    def fileWriterFileType(self, node: Any) -> str:
        """Return which writer takes a node."""
        return str(node.GetClassName())

    def loadNodes(self, kind: str, properties: dict[str, Any], loaded: Any, messages: Any) -> bool:
        """Read a file into the scene."""
        path = properties["fileName"]
        if kind == "SceneFile":
            return bool(self._mrml.scene.ReadFromMRB(path, False, messages))
        name = properties.get("name") or Path(path).name.split(".")[0]
        if kind == "VolumeFile":
            options = 1 if properties.get("labelmap") else 0
            node = self._mrml.logics["Volumes"].AddArchetypeVolume(path, name, options)
            if node is not None and properties.get("show", True):
                self._show(node)
        elif kind == "SegmentationFile":
            node = self._mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
            node.AddDefaultStorageNode()
            node.GetStorageNode().SetFileName(path)
            if node.GetStorageNode().ReadData(node):
                node.CreateDefaultDisplayNodes()
            else:
                self._mrml.scene.RemoveNode(node)
                node = None
        else:
            raise MissingStandInError(f"the reader {kind}")
        if node is not None:
            loaded.AddItem(node)
        return node is not None

    def saveNodes(self, _kind: str, properties: dict[str, Any], _messages: Any) -> bool:
        """Write a node to a file."""
        node = self._mrml.scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(properties["fileName"])
        return bool(node.GetStorageNode().WriteData(node))

    def _show(self, node: Any) -> None:
        """Show a volume in all slice views, as Slicer does with one that it has read."""
        selection = self._mrml.application.GetSelectionNode()
        if node.IsA("vtkMRMLLabelMapVolumeNode"):
            selection.SetActiveLabelVolumeID(node.GetID())
        else:
            selection.SetActiveVolumeID(node.GetID())
        self._mrml.application.PropagateVolumeSelection(1)
