"""What is learned from: a folder or table of labelled cases, or segmentations of the scene."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import Ticker, fill, on, open_file, open_folder
from MedAssistLib.panel.settings import Settings
from MedAssistLib.panel.text import tr as _

FILES, SCENE = "", "scene"
SOURCE, PATH = "TrainSource", "TrainPath"
_SEGMENTATION, _VOLUME = "vtkMRMLSegmentationNode", "vtkMRMLScalarVolumeNode"
_REFERENCE = "referenceImageGeometryRef"
_FEWEST = 5
_LATER_MS = 50


class TrainData:
    """The upper part of ``Train.ui``.

    Args:
        context: The panel's.
        ui: The children of the form.
        changed: Called after another choice was made.
    """

    def __init__(self, context: Context, ui: Any, changed: Callable[[], None]) -> None:
        self._context, self._ui, self._changed = context, ui, changed
        self._settings = Settings()
        self._listed: list[tuple[str, str]] = []
        self._volumes: list[tuple[str, str]] = []
        self._left_out: set[str] = set()
        self._drawn_on: dict[str, str] = {}
        self._filling = False
        menu = qt.QMenu(ui.choosePath)
        on(menu.addAction(_("A folder…")), "triggered()", self._choose_folder)
        on(menu.addAction(_("A CSV table…")), "triggered()", self._choose_table)
        ui.choosePath.setMenu(menu)
        fill(ui.dataSource, [_("a folder or a table"), _("this scene")], 0)
        for column in (0, 1):
            ui.pairs.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.Stretch)
        on(ui.dataSource, "activated(int)", self._choose_source)
        on(ui.path, "editingFinished()", lambda: self._set_path(str(ui.path.text).strip()))
        on(ui.pairs, "itemChanged(QTableWidgetItem*)", lambda _item: self._ticked())
        # Nodes that come, go or are renamed change the table, once they are complete.
        self._later = Ticker(_LATER_MS, self._scene_changed)
        scene = context.scene
        events = (scene.NodeAddedEvent, scene.NodeRemovedEvent)
        self._tags = [scene.AddObserver(event, lambda *_given: self._note()) for event in events]

    @property
    def of_scene(self) -> bool:
        """Whether the scene's segmentations are learned from."""
        choices = self._context.choices
        return choices is not None and choices.text(SOURCE) == SCENE

    @property
    def path(self) -> str:
        """The folder or table that was chosen; empty for none."""
        choices = self._context.choices
        return choices.text(PATH) if choices and not self.of_scene else ""

    def pairs(self) -> list[tuple[Any, Any]]:
        """Return the segmentation nodes that are learned from, each with its volume's node."""
        scene, found = self._context.scene, []
        for name, _title in self._listed:
            volume = scene.GetNodeByID(self._drawn_on.get(name) or "")
            if name not in self._left_out and volume is not None:
                found.append((scene.GetNodeByID(name), volume))
        return found

    def refresh(self) -> None:
        """Show the choices as they are."""
        ui, choices = self._ui, self._context.choices
        ui.pathRow.visible = not self.of_scene
        ui.pairs.visible = self.of_scene
        ui.dataSource.currentIndex = int(self.of_scene)
        if choices and ui.path.text != choices.text(PATH):
            ui.path.text = choices.text(PATH)
        if self.of_scene:
            self._list()

    def why_not(self) -> str:
        """Return what is missing; empty if nothing is."""
        if not self.of_scene:
            if not self.path:
                return _("Choose a folder or table of labelled cases.")
            return "" if Path(self.path).exists() else _("There is nothing at this path.")
        missing = _FEWEST - len(self.pairs())
        if missing > 0:
            return _("At least {n} segmented volumes are needed; {missing} more.").format(
                n=_FEWEST, missing=missing
            )
        return ""

    def close(self) -> None:
        """Let go of the scene."""
        self._later.stop()
        for tag in self._tags:
            self._context.scene.RemoveObserver(tag)

    def _list(self) -> None:
        """Show the scene's segmentations, each with the volume that it was drawn on."""
        scene = self._context.scene
        listed, volumes = _named(scene, _SEGMENTATION), _named(scene, _VOLUME)
        if (listed, volumes) == (self._listed, self._volumes):
            return
        self._listed, self._volumes = listed, volumes
        table, self._filling = self._ui.pairs, True
        table.rowCount = len(listed)
        there = [name for name, _title in volumes]
        for row, (name, title) in enumerate(listed):
            item = qt.QTableWidgetItem(title)
            ticked = name not in self._left_out
            item.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
            table.setItem(row, 0, item)
            if self._drawn_on.get(name) not in there:
                reference = scene.GetNodeByID(name).GetNodeReferenceID(_REFERENCE)
                self._drawn_on[name] = reference if reference in there else ""
            table.setCellWidget(row, 1, self._volume_box(name))
        self._filling = False

    def _volume_box(self, segmentation: str) -> Any:
        """Return a box to choose the volume that a segmentation was drawn on."""
        box = qt.QComboBox()
        box.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
        box.minimumContentsLength = 4
        names = ["", *(name for name, _title in self._volumes)]
        for name, title in [("", _("choose")), *self._volumes]:
            box.addItem(title, name)
        box.currentIndex = names.index(self._drawn_on[segmentation])

        def choose(row: int) -> None:
            self._drawn_on[segmentation] = names[row]
            self._changed()

        on(box, "activated(int)", choose)
        return box

    def _ticked(self) -> None:
        if self._filling:
            return
        table = self._ui.pairs
        self._left_out = {
            name
            for row, (name, _title) in enumerate(self._listed)
            if table.item(row, 0).checkState() != qt.Qt.Checked
        }
        self._changed()

    def _choose_source(self, row: int) -> None:
        if self._context.choices:
            self._context.choices.set_text(SOURCE, SCENE if row else FILES)

    def _choose_folder(self) -> None:
        self._chosen(open_folder(_("The labelled cases"), self._settings.folder))

    def _choose_table(self) -> None:
        filters = _("Tables (*.csv *.tsv);;All files (*)")
        self._chosen(open_file(_("The table of cases"), filters, self._settings.folder))

    def _chosen(self, path: str) -> None:
        if path:
            self._settings.folder = str(Path(path).parent)
            self._set_path(path)

    def _set_path(self, path: str) -> None:
        if self._context.choices:
            self._context.choices.set_text(PATH, path)

    def _note(self) -> None:
        if self.of_scene:
            self._later.restart()

    def _scene_changed(self) -> None:
        self._later.stop()
        self._changed()


def _named(scene: Any, kind: str) -> list[tuple[str, str]]:
    """Return ID and name of the nodes of a class that are shown to the user."""
    nodes = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
    return [
        (node.GetID(), node.GetName())
        for node in nodes
        if node.GetClassName() == kind and not node.GetHideFromEditors()
    ]
