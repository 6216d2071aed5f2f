"""What a network that learns makes of a case that it has not seen, shown over its scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.handover import grid_at
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.grid import set_node_grid
from MedAssistLib.scene.volumes import VoxelsInMemory, read_voxels

_LABELS = "vtkMRMLLabelMapVolumeNode"
_OPACITY = 0.5
_COMPOSITE = "vtkMRMLSliceCompositeNode"


class Shown(NamedTuple):
    """What a preview shows, read into VTK's memory.

    Attributes:
        told: What the worker told of it.
        scan: The scan's voxels; ``None`` if they are in the scene already.
        labels: The labels' voxels.
    """

    told: Mapping[str, Any]
    scan: VoxelsInMemory | None
    labels: VoxelsInMemory


class TrainPreview:
    """The case in the slice views; its nodes are not saved with the scene.

    Args:
        context: The panel's.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._scene = context, context.scene
        self._seen = False
        self._news: Mapping[str, Any] = {}
        self._case, self._centred = "", False
        self._scan: Any = None
        self._labels: Any = None
        self._colours: Any = None
        self._before: dict[str, tuple[str | None, str | None, float]] = {}

    @property
    def nodes(self) -> tuple[Any, Any]:
        """The scan's node and the labels', or None for each."""
        return self._scan, self._labels

    def begin(self) -> None:
        """Begin with another training."""
        self.show(seen=False)
        self._news, self._case = {}, ""

    def add(self, news: Mapping[str, Any]) -> None:
        """Take in a newer preview."""
        self._news = news
        if self._seen:
            self._load()

    def show(self, *, seen: bool) -> None:
        """Show the case, or the views as they were before."""
        self._seen = seen
        if seen and self._news:
            self._load()
        elif not seen:
            self._remove()

    def forget(self) -> None:
        """Let go of the nodes, because their scene is going."""
        self._seen, self._case = False, ""
        self._scan = self._labels = self._colours = None
        self._before = {}

    def _load(self) -> None:
        told = self._news["preview"]
        known = self._case == told["case"] and self._scan is not None
        number = self._context.scene_number

        def take(shown: Shown) -> None:
            if self._seen and number == self._context.scene_number:
                self._show(shown)

        self._context.run(lambda: _read(told, known=known), take)

    def _show(self, shown: Shown) -> None:
        if shown.scan is not None:
            self._remove()
            self._case = shown.told["case"]
            self._add(shown.told, shown.scan)
        if self._labels is None:
            return
        self._labels.SetAndObserveImageData(shown.labels.image)
        set_node_grid(self._labels, shown.labels.grid)
        middle = shown.told["middle"]
        if middle and not self._centred:
            self._centred = True
            for view in _all(self._scene, "vtkMRMLSliceNode"):
                view.JumpSliceByOffsetting(-middle[0], -middle[1], middle[2])

    def _add(self, told: Mapping[str, Any], voxels: VoxelsInMemory) -> None:
        """Put the case into the scene and the views."""
        title = _("Held-out case {case}").format(case=told["case"])
        self._scan = self._hidden("vtkMRMLScalarVolumeNode", title)
        set_node_grid(self._scan, voxels.grid)
        self._scan.SetAndObserveImageData(voxels.image)
        if voxels.window is not None:
            self._scan.GetDisplayNode().SetAutoWindowLevel(False)
            self._scan.GetDisplayNode().SetWindowLevelMinMax(*voxels.window)
        self._labels = self._hidden(_LABELS, _("What the network finds in it"))
        self._colours = self._hidden("vtkMRMLColorTableNode", _("Structures"))
        self._fill_colours(told["values"])
        self._labels.GetDisplayNode().SetAndObserveColorNodeID(self._colours.GetID())
        self._centred = False
        for view in _all(self._scene, _COMPOSITE):
            if view.GetDoPropagateVolumeSelection():
                was = view.GetBackgroundVolumeID(), view.GetLabelVolumeID(), view.GetLabelOpacity()
                self._before[view.GetID()] = was
                view.SetBackgroundVolumeID(self._scan.GetID())
                view.SetLabelVolumeID(self._labels.GetID())
                view.SetLabelOpacity(_OPACITY)
        _fit_views()

    def _hidden(self, kind: str, name: str) -> Any:
        """Add a node that no list shows and no file keeps, with its display node."""
        import slicer

        node = getattr(slicer, kind)()
        node.SetName(name)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.SetUndoEnabled(False)
        self._scene.AddNode(node)
        if node.IsA("vtkMRMLVolumeNode"):
            node.CreateDefaultDisplayNodes()
            node.GetDisplayNode().SetSaveWithScene(False)
        return node

    def _fill_colours(self, values: Sequence[int]) -> None:
        """Give each value the colour of its structure."""
        node = self._colours
        node.SetTypeToUser()
        node.SetNumberOfColors(max(values) + 1)
        names, colours = self._news["structures"], self._news["colours"]
        for value, name, colour in zip(values, names, colours, strict=True):
            node.SetColor(value, name, *(part / 255.0 for part in colour), 1.0)

    def _remove(self) -> None:
        """Take the case out of the scene; the views show what they showed before."""
        ours = {node.GetID() for node in self.nodes if node is not None}
        for view in _all(self._scene, _COMPOSITE):
            background, label, opacity = self._before.pop(view.GetID(), (None, None, 0.0))
            # Whoever has put another volume there meanwhile wants to see that.
            if view.GetBackgroundVolumeID() in ours:
                view.SetBackgroundVolumeID(background)
            if view.GetLabelVolumeID() in ours:
                view.SetLabelVolumeID(label)
                view.SetLabelOpacity(opacity)
        for node in (*self.nodes, self._colours):
            if node is not None and node.GetScene() is not None:
                display = node.GetDisplayNode() if node.IsA("vtkMRMLVolumeNode") else None
                self._scene.RemoveNode(node)
                if display is not None:
                    self._scene.RemoveNode(display)
        if ours:
            _fit_views()
        self._scan = self._labels = self._colours = None
        self._case = ""


def _read(told: Mapping[str, Any], *, known: bool) -> Shown:
    """Read what the worker wrote. For any thread."""
    scan, grid = told["scan"], grid_at(told["scan"])
    low, high = scan["window"]
    voxels = None if known else read_voxels(Path(scan["array"]), grid, (low, high))
    return Shown(told, voxels, read_voxels(Path(told["labels"]), grid, (0.0, 1.0)))


def _all(scene: Any, kind: str) -> list[Any]:
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]


def _fit_views() -> None:
    import slicer

    if slicer.app.layoutManager() is not None:
        slicer.util.resetSliceViews()
