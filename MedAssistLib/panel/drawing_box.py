"""A box in which a segmentation of the scene is chosen: the newest, unless the user chose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import Ticker, on

_SEGMENTATION = "vtkMRMLSegmentationNode"
_LATER_MS = 50


class DrawingBox:
    """The controller of a node selector for segmentations.

    Args:
        context: The panel's.
        box: The selector.
        name: Names the choice in the parameter node.
        changed: Called after a segmentation came into the scene or went.
    """

    def __init__(self, context: Context, box: Any, name: str, changed: Callable[[], None]) -> None:
        self._context, self._box, self._changed = context, box, changed
        self._role, self._alone = f"{name}Segmentation", f"{name}Alone"
        scene, self._count = context.scene, 0
        box.setMRMLScene(scene)
        # One that comes or goes changes what is chosen, once the box has listed it.
        self._later = Ticker(_LATER_MS, self._scene_changed)
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent)
        self._tags = [scene.AddObserver(event, lambda *_given: self._note()) for event in events]
        on(box, "currentNodeChanged(vtkMRMLNode*)", self._choose)

    @property
    def node(self) -> Any:
        """The node that the user sees chosen, or None."""
        return self._box.currentNode()

    def show(self) -> None:
        """Show what was chosen, or the segmentation that came last into the scene."""
        choices = self._context.choices
        if choices is None:
            return
        alone = bool(choices.number(self._alone, 0.0))
        node = None if alone else choices.reference(self._role) or self._newest()
        if self.node is not node:
            was = self._box.blockSignals(True)
            self._box.setCurrentNode(node)
            self._box.blockSignals(was)

    def forget(self) -> None:
        """Take the segmentation that came last from now on, whatever the user chose."""
        if self._context.choices:
            self._context.choices.refer(self._role, None)
            self._context.choices.set_number(self._alone, 0.0)

    def close(self) -> None:
        """Let go of the scene."""
        self._later.stop()
        for tag in self._tags:
            self._context.scene.RemoveObserver(tag)
        self._box.setMRMLScene(None)

    def _note(self) -> None:
        """Look later at what was added to the scene or removed, if it was a segmentation."""
        count = self._context.scene.GetNumberOfNodesByClass(_SEGMENTATION)
        if count != self._count:
            self._count = count
            self._later.restart()

    def _scene_changed(self) -> None:
        self._later.stop()
        self._changed()

    def _choose(self, node: Any) -> None:
        choices = self._context.choices
        if choices:
            # With none left in the scene it was not the user who chose none.
            choices.set_number(self._alone, float(node is None and self._newest() is not None))
            choices.refer(self._role, node)

    def _newest(self) -> Any:
        scene = self._context.scene
        count = scene.GetNumberOfNodesByClass(_SEGMENTATION)
        return scene.GetNthNodeByClass(count - 1, _SEGMENTATION) if count else None
