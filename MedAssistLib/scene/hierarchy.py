"""The subject hierarchy: the tree of Slicer's Data module.

Slicer gives every node its item by itself; slicer-core, which has no such plugins, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from slicer import vtkMRMLNode


class Series(NamedTuple):
    """What Slicer's DICOM reader noted of a node; empty when it came from elsewhere."""

    modality: str
    uid: str


def put_at_top(node: vtkMRMLNode) -> None:
    """Give a node an item at the top of the tree, unless it has one already."""
    _item(node)


def put_beside(node: vtkMRMLNode, neighbour: vtkMRMLNode) -> None:
    """Put a node into the folder or study of another one."""
    tree = node.GetScene().GetSubjectHierarchyNode()
    tree.SetItemParent(_item(node), tree.GetItemParent(_item(neighbour)))


def series_of(node: vtkMRMLNode) -> Series:
    """Return the DICOM series that a node was read from, without changing the tree."""
    if node.GetScene() is None:
        return Series("", "")
    tree = node.GetScene().GetSubjectHierarchyNode()
    item = tree.GetItemByDataNode(node)
    if not item:
        return Series("", "")
    return Series(tree.GetItemAttribute(item, "DICOM.Modality"), tree.GetItemUID(item, "DICOM"))


def _item(node: vtkMRMLNode) -> int:
    tree = node.GetScene().GetSubjectHierarchyNode()
    item: int = tree.GetItemByDataNode(node) or tree.CreateItem(tree.GetSceneItemID(), node)
    return item
