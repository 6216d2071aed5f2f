"""One volume for each channel of a model."""

from __future__ import annotations

from typing import Any

import qt
import slicer

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import clear_form, on
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.grid import grid_of

_KIND = "vtkMRMLScalarVolumeNode"


class ChannelForm:
    """A row for each further channel; the first is the input volume itself."""

    def __init__(self, context: Context, form: Any) -> None:
        self._context, self._form = context, form
        self._names: tuple[str, ...] = ("",)
        self._boxes: list[Any] = []

    def show(self, names: tuple[str, ...]) -> None:
        """Show what a model wants."""
        if names != self._names:
            self._names = names
            self._build()
        choices = self._context.choices
        if choices is None:
            return
        for number, box in enumerate(self._boxes, start=1):
            wanted = choices.reference(_role(number))
            if box.currentNode() is not wanted:
                box.setCurrentNode(wanted)

    def volumes(self) -> list[Any]:
        """Return the volumes in the order of the channels."""
        return [self._context.volume, *(box.currentNode() for box in self._boxes)]

    def why_not(self) -> str:
        """Return what is missing; empty if nothing is."""
        volumes = self.volumes()
        for name, volume in zip(self._names, volumes, strict=True):
            if volume is None:
                return _("Choose a volume for the channel {name}.").format(name=name)
        sizes = {(v.GetImageData().GetDimensions()) for v in volumes if v.GetImageData()}
        if len(sizes) > 1 or any(not _same_place(volumes[0], other) for other in volumes[1:]):
            return _("The channels must be volumes on one grid: resample them first.")
        return ""

    def close(self) -> None:
        """Let go of the scene."""
        for box in self._boxes:
            box.setMRMLScene(None)

    def _build(self) -> None:
        self.close()
        clear_form(self._form)
        self._boxes = []
        for number, name in enumerate(self._names[1:], start=1):
            box = slicer.qMRMLNodeComboBox()
            box.nodeTypes = [_KIND]
            box.showChildNodeTypes = False
            box.addEnabled = box.removeEnabled = False
            box.noneEnabled = True
            box.setMRMLScene(self._context.scene)
            on(
                box,
                "currentNodeChanged(vtkMRMLNode*)",
                lambda node, n=number: self._choose(n, node),
            )
            self._form.addRow(qt.QLabel(f"{name}:"), box)
            self._boxes.append(box)

    def _choose(self, number: int, node: Any) -> None:
        if self._context.choices:
            self._context.choices.refer(_role(number), node)


def _role(number: int) -> str:
    return f"Channel{number}"


def _same_place(first: Any, second: Any) -> bool:
    from MedAssistLib.geometry import same_grid

    return same_grid(grid_of(first), grid_of(second))
