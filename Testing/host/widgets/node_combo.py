"""``qMRMLNodeComboBox``: the nodes of some classes that are in the scene."""

from __future__ import annotations

import functools
from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.host.widgets.declare import stored, with_setters
from Testing.host.widgets.scene_widget import SceneHolder, Watch

_SCENE_EVENTS = ("NodeAddedEvent", "NodeRemovedEvent", "EndCloseEvent", "EndImportEvent")


@with_setters
class qMRMLNodeComboBox(SceneHolder, QtWidgets.QWidget):
    """Stands in for the class of this name; checked against Slicer's source and behaviour."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    SIGNALS = (
        "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeIDChanged(QString)",
        "nodeActivated(vtkMRMLNode*)",
        "nodeAdded(vtkMRMLNode*)",
        "nodeAddedByUser(vtkMRMLNode*)",
        "nodeAboutToBeRemoved(vtkMRMLNode*)",
    )

    nodeTypes = stored("nodeTypes", "QStringList", (), "_refresh")
    hideChildNodeTypes = stored("hideChildNodeTypes", "QStringList", (), "_refresh")
    showHidden = stored("showHidden", bool, default=False, changed="_refresh")
    showChildNodeTypes = stored("showChildNodeTypes", bool, default=True, changed="_refresh")
    baseName = stored("baseName", str, "")
    noneEnabled = stored("noneEnabled", bool, default=False, changed="_refresh")
    addEnabled = stored("addEnabled", bool, default=True, changed="_refresh")
    removeEnabled = stored("removeEnabled", bool, default=True, changed="_refresh")
    editEnabled = stored("editEnabled", bool, default=False, changed="_refresh")
    renameEnabled = stored("renameEnabled", bool, default=False, changed="_refresh")
    selectNodeUponCreation = stored("selectNodeUponCreation", bool, default=True)
    noneDisplay = stored("noneDisplay", str, "None", "_refresh")
    interactionNodeSingletonTag = stored("interactionNodeSingletonTag", str, "")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._nodes: list[Any] = []
        self._current: Any = None
        self._requested: Any = None
        self._attributes: dict[tuple[str, str], Any] = {}
        self._watch, self._watch_nodes = Watch(), Watch()
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox()
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._combo.setMinimumContentsLength(1)
        policy = QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self._combo.setSizeAdjustPolicy(policy)
        layout.addWidget(self._combo)
        self._combo.connect("activated(int)", self._activated)
        self.enabled = False

    def setMRMLScene(self, scene: Any) -> None:
        """Show the nodes of a scene; without None, the first is chosen if there is one."""
        if scene is self._scene:
            return
        self._watch.clear()
        self._watch_nodes.clear()
        self._keep_scene(scene)
        wanted, self._requested = self._requested or self._current, None
        self.enabled = scene is not None
        if scene is not None:
            for event in _SCENE_EVENTS:
                self._watch.add(scene, getattr(scene, event), self._refresh)
        self._list()
        if wanted not in self._nodes:
            wanted = None if self.noneEnabled or not self._nodes else self._nodes[0]
        self._choose(wanted)

    def currentNode(self) -> Any:
        """Return the chosen node or None."""
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node that the box lists; any other is as None."""
        if isinstance(node, str):
            self.setCurrentNodeID(node)
            return
        if self._scene is None:
            self._requested = node
            return
        self._refresh()
        self._choose(node if node in self._nodes else None)

    def _read_id(self) -> str:
        return self._current.GetID() if self._current is not None else ""

    def setCurrentNodeID(self, name: str) -> None:
        """Choose a node by its ID."""
        self.setCurrentNode(self._scene.GetNodeByID(name) if self._scene and name else None)

    currentNodeID = QtCore.Property(str, _read_id, setCurrentNodeID)

    def setCurrentNodeIndex(self, index: int) -> None:
        """Choose the node in this place."""
        self._choose(self.nodeFromIndex(index))

    def nodeCount(self) -> int:
        """Return how many nodes are listed."""
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        """Return the node in this place or None."""
        return self._nodes[index] if 0 <= index < len(self._nodes) else None

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """List only nodes of a class that have an attribute (of a value)."""
        self._attributes[node_type, name] = value
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        """Undo :meth:`addAttribute`."""
        self._attributes.pop((node_type, name), None)
        self._refresh()

    def addNode(self, node_type: str = "") -> Any:
        """Make a node, as the entry "Create new" does."""
        node = self._scene.CreateNodeByClass(node_type or self.nodeTypes[0])
        node.UnRegister(None)
        prefix = self.baseName or node.GetDefaultNodeNamePrefix()
        node.SetName(self._scene.GetUniqueNameByString(prefix))
        self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        """Remove the chosen node from the scene, as the entry "Delete current" does."""
        if self._current is not None:
            self.nodeAboutToBeRemoved.emit(self._current)
            self._scene.RemoveNode(self._current)

    def _refresh(self) -> None:
        """List the scene's nodes again; if the chosen one is gone, the one before it is chosen."""
        if self._scene is None:
            return
        before = list(self._nodes)
        self._list()
        if self._current is None or self._current in self._nodes:
            self._fill()
            return
        place = max(before.index(self._current) - 1, 0) if self._current in before else 0
        none = self.noneEnabled and (self._current not in before or before[0] is self._current)
        self._choose(
            None if none or not self._nodes else self._nodes[min(place, len(self._nodes) - 1)]
        )

    def _list(self) -> None:
        scene = self._scene
        every = []
        if scene is not None:
            every = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
        self._nodes = [node for node in every if self._is_listed(node)]
        self._watch_nodes.clear()
        for node in self._nodes:
            renamed = functools.partial(self._renamed, node, node.GetName())
            self._watch_nodes.add(node, "ModifiedEvent", renamed)

    def _renamed(self, node: Any, before: str) -> None:
        """Show a new name; a chosen node is told of once more, for the box's text has changed."""
        if node.GetName() != before:
            self._refresh()
            if node is self._current:
                self.currentNodeChanged.emit(node)

    def _is_listed(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if any(node.IsA(kind) for kind in self.hideChildNodeTypes if kind not in self.nodeTypes):
            return False
        fits = node.IsA if self.showChildNodeTypes else lambda kind: node.GetClassName() == kind
        if not any(fits(kind) for kind in self.nodeTypes):
            return False
        return all(
            node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
            for (kind, name), value in self._attributes.items()
            if node.IsA(kind)
        )

    def _choose(self, node: Any) -> None:
        changed = node is not self._current
        self._current = node
        self._fill()
        if changed:
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _fill(self) -> None:
        """Show the names; Slicer's box shows them all as they change."""
        entries = [(self.noneDisplay, None)] if self.noneEnabled else []
        entries += [(node.GetName() or "", node) for node in self._nodes]
        self._combo.clear()
        for text, _node in entries:
            self._combo.addItem(text)
        shown = [node for _text, node in entries]
        self._combo.currentIndex = shown.index(self._current) if self._current in shown else -1

    def _activated(self, index: int) -> None:
        node = self.nodeFromIndex(index - (1 if self.noneEnabled else 0))
        self._choose(node)
        self.nodeActivated.emit(node)
