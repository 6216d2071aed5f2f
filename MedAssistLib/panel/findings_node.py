"""Findings as a text node: saved with the scene, one for each volume and segmentation.

Its text is a findings file as ``medassist check`` writes it, with the doctor's answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from MedAssistLib.panel.review import SEVERITIES, STATES
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.hierarchy import put_beside

if TYPE_CHECKING:
    from slicer import (
        vtkMRMLScalarVolumeNode,
        vtkMRMLScene,
        vtkMRMLSegmentationNode,
        vtkMRMLTextNode,
    )

FINDINGS = "MedAssist.findings"
"""Attribute of the text nodes."""
_FIELDS = {
    "id", "severity", "title", "explanation", "structure", "point_lps", "box_lps", "evidence",
    "state", "comment",
}  # fmt: skip
_VOLUME, _SEGMENTATION = "MedAssist.volume", "MedAssist.segmentation"


def findings_node(
    scene: vtkMRMLScene,
    volume: vtkMRMLScalarVolumeNode | None,
    segmentation: vtkMRMLSegmentationNode | None,
) -> vtkMRMLTextNode | None:
    """Return the node with the findings in a volume and what was drawn on it, if there is one."""
    if volume is None:
        return None
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLTextNode")):
        node = scene.GetNthNodeByClass(number, "vtkMRMLTextNode")
        about = node.GetNodeReference(_VOLUME), node.GetNodeReference(_SEGMENTATION)
        if node.GetAttribute(FINDINGS) == _kind(segmentation) and about == (volume, segmentation):
            found: vtkMRMLTextNode = node
            return found
    return None


def add_findings_node(
    scene: vtkMRMLScene,
    volume: vtkMRMLScalarVolumeNode,
    segmentation: vtkMRMLSegmentationNode | None,
) -> vtkMRMLTextNode:
    """Add a node for the findings in a volume and what was drawn on it, beside the volume."""
    name = _("{name} findings").format(name=(segmentation or volume).GetName())
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", scene.GenerateUniqueName(name))
    # Its text goes into the scene's own file: no file of its own that can be left behind.
    node.SetForceCreateStorageNode(node.CreateStorageNodeNever)
    node.SetAttribute(FINDINGS, _kind(segmentation))
    node.SetNodeReferenceID(_VOLUME, volume.GetID())
    if segmentation is not None:
        node.SetNodeReferenceID(_SEGMENTATION, segmentation.GetID())
    put_beside(node, volume)
    return node


def _kind(segmentation: vtkMRMLSegmentationNode | None) -> str:
    """Return what findings are about: those in a drawing that is gone are not about the volume."""
    return "volume" if segmentation is None else "segmentation"


def to_text(found: Mapping[str, Any]) -> str:
    """Return a findings file's text."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def read_findings(node: vtkMRMLTextNode | None) -> dict[str, Any] | None:
    """Return what a node holds; ``None`` if it is not what was written there."""
    try:
        found = json.loads(node.GetText() or "") if node else None
    except ValueError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("findings"), list):
        return None
    return found if all(map(_is_finding, found["findings"])) else None


def _is_finding(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() >= _FIELDS
        and entry["severity"] in SEVERITIES
        and entry["state"] in STATES
    )
