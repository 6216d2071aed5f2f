"""What the user chose for the case at hand: the module's parameter node, saved with the scene.

The widgets are filled from here and write here, so that undo, loading a scene and a script's
changes show in the panel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slicer import vtkMRMLNode, vtkMRMLScriptedModuleNode

INPUT, REGION = "InputVolume", "Region"


class Choices:
    """Typed access to the parameter node.

    Args:
        node: The parameter node.
    """

    def __init__(self, node: vtkMRMLScriptedModuleNode) -> None:
        self.node = node
        self._tags: list[int] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Call a function whenever a choice changes."""
        from vtkmodules.vtkCommonCore import vtkCommand

        self._tags.append(
            self.node.AddObserver(vtkCommand.ModifiedEvent, lambda _caller, _event: changed())
        )

    def forget(self) -> None:
        """Stop calling."""
        for tag in self._tags:
            self.node.RemoveObserver(tag)
        self._tags.clear()

    @property
    def volume(self) -> Any:
        """The input volume's node, or None."""
        return self.reference(INPUT)

    @volume.setter
    def volume(self, node: vtkMRMLNode | None) -> None:
        self.refer(INPUT, node)

    @property
    def region(self) -> Any:
        """The markups ROI that limits a run, or None."""
        return self.reference(REGION)

    @region.setter
    def region(self, node: vtkMRMLNode | None) -> None:
        self.refer(REGION, node)

    @property
    def check_model(self) -> str:
        """Name of the model to check with; empty for none."""
        return self._text("CheckModel")

    @check_model.setter
    def check_model(self, name: str) -> None:
        self._keep("CheckModel", name)

    @property
    def sex(self) -> str:
        """Sex of the person, ``"F"`` or ``"M"``; empty if not known."""
        return self._text("Sex")

    @sex.setter
    def sex(self, code: str) -> None:
        self._keep("Sex", code)

    @property
    def model(self) -> str:
        """Name of the chosen model; empty for none."""
        return self._text("Model")

    @model.setter
    def model(self, name: str) -> None:
        self._keep("Model", name)

    @property
    def chain(self) -> list[str]:
        """The filters, each as the command line writes it."""
        return self._list("Chain")

    @chain.setter
    def chain(self, steps: Sequence[str]) -> None:
        self._keep("Chain", json.dumps(list(steps)))

    @property
    def classes(self) -> list[str]:
        """The structures that are wanted of the chosen model; empty for all."""
        return self._list("Classes")

    @classes.setter
    def classes(self, names: Sequence[str]) -> None:
        self._keep("Classes", json.dumps(list(names)))

    @property
    def view(self) -> str:
        """Name of the slice view that shows the preview."""
        return self._text("View") or "Red"

    @view.setter
    def view(self, name: str) -> None:
        self._keep("View", name)

    def number(self, name: str, default: float) -> float:
        """Return a number of the advanced options."""
        try:
            return float(self._text(name))
        except ValueError:
            return default

    def set_number(self, name: str, value: float) -> None:
        """Set a number of the advanced options."""
        self._keep(name, repr(float(value)))

    def text(self, name: str) -> str:
        """Return a text; empty if it was not set."""
        return self._text(name)

    def set_text(self, name: str, text: str) -> None:
        """Set a text."""
        self._keep(name, text)

    def reference(self, role: str) -> Any:
        """Return the node that has a role, or None."""
        return self.node.GetNodeReference(role)

    def refer(self, role: str, node: vtkMRMLNode | None) -> None:
        """Give a node a role."""
        wanted = node.GetID() if node else None
        if self.node.GetNodeReferenceID(role) != wanted:
            self.node.SetNodeReferenceID(role, wanted)

    def _text(self, name: str) -> str:
        return str(self.node.GetParameter(name) or "")

    def _list(self, name: str) -> list[str]:
        try:
            found = json.loads(self._text(name) or "[]")
        except ValueError:
            return []
        return [str(entry) for entry in found] if isinstance(found, list) else []

    def _keep(self, name: str, value: str) -> None:
        if self._text(name) != value:
            self.node.SetParameter(name, value)
