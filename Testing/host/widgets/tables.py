"""qMRML's tables: the segments of a segmentation, and the cells of a table node."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.host.widgets.declare import stored, with_setters
from Testing.host.widgets.scene_widget import SceneHolder, Watch

_COLUMNS = ("", "Colour", "Opacity", "Name")


@with_setters
class qMRMLSegmentsTableView(SceneHolder, QtWidgets.QWidget):
    """Stands in for the class of this name: a row for each segment."""

    selectionChanged = QtCore.Signal(object, object)
    segmentAboutToBeModified = QtCore.Signal(str)
    SIGNALS = (
        "selectionChanged(QItemSelection,QItemSelection)",
        "segmentAboutToBeModified(QString)",
    )

    visibilityColumnVisible = stored("visibilityColumnVisible", bool, default=True, changed="_fill")
    colorColumnVisible = stored("colorColumnVisible", bool, default=True, changed="_fill")
    opacityColumnVisible = stored("opacityColumnVisible", bool, default=False, changed="_fill")
    statusColumnVisible = stored("statusColumnVisible", bool, default=False)
    headerVisible = stored("headerVisible", bool, default=True, changed="_fill")
    filterBarVisible = stored("filterBarVisible", bool, default=False)
    readOnly = stored("readOnly", bool, default=False)
    jumpToSelectedSegmentEnabled = stored("jumpToSelectedSegmentEnabled", bool, default=False)
    selectionMode = stored("selectionMode", int, 3)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._ids: list[str] = []
        self._watch = Watch()
        self._table = QtWidgets.QTableWidget(0, len(_COLUMNS))
        self._table.setHorizontalHeaderLabels(_COLUMNS)
        self._table.verticalHeader().hide()
        self._table.selectionBehavior = QtWidgets.QAbstractItemView.SelectRows
        self._table.horizontalHeader().setStretchLastSection(True)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._table)
        self._table.connect("itemSelectionChanged()", self._selected)
        self._table.connect("itemChanged(QTableWidgetItem*)", self._changed)
        self._filling = False

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene; without one nothing is shown."""
        self._keep_scene(scene)
        if scene is None:
            self.setSegmentationNode(None)

    def setSegmentationNode(self, node: Any) -> None:
        """Show the segments of a node."""
        self._watch.clear()
        self._node = node
        if node is not None:
            segmentation = node.GetSegmentation()
            for event in ("SegmentAdded", "SegmentRemoved", "SegmentModified"):
                self._watch.add(segmentation, getattr(segmentation, event), self._fill)
            if node.GetDisplayNode() is not None:
                self._watch.add(node.GetDisplayNode(), "ModifiedEvent", self._fill)
        self._fill()

    def segmentationNode(self) -> Any:
        """Return the node."""
        return self._node

    def selectedSegmentIDs(self) -> tuple[str, ...]:
        """Return the IDs of the chosen rows."""
        rows = {index.row() for index in self._table.selectionModel().selectedRows()}
        return tuple(self._ids[row] for row in sorted(rows))

    def setSelectedSegmentIDs(self, ids: Any) -> None:
        """Choose rows."""
        self._table.clearSelection()
        model, mode = self._table.selectionModel(), QtCore.QItemSelectionModel
        for name in ids:
            index = self._table.model().index(self._ids.index(name), 0)
            model.select(index, mode.Select | mode.Rows)

    def clearSelection(self) -> None:
        """Choose none."""
        self._table.clearSelection()

    def _fill(self) -> None:
        self._filling = True
        segmentation = None if self._node is None else self._node.GetSegmentation()
        self._ids = list(segmentation.GetSegmentIDs()) if segmentation else []
        display = self._node.GetDisplayNode() if self._node is not None else None
        self._table.setRowCount(len(self._ids))
        for row, name in enumerate(self._ids):
            segment = segmentation.GetSegment(name)
            shown = QtWidgets.QTableWidgetItem()
            visible = display is None or display.GetSegmentVisibility(name)
            shown.setCheckState(QtCore.Qt.Checked if visible else QtCore.Qt.Unchecked)
            colour = QtWidgets.QTableWidgetItem()
            colour.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
            opacity = "" if display is None else f"{display.GetSegmentOpacity3D(name):.2f}"
            cells = (shown, colour, QtWidgets.QTableWidgetItem(opacity))
            for column, cell in enumerate((*cells, QtWidgets.QTableWidgetItem(segment.GetName()))):
                self._table.setItem(row, column, cell)
        columns = (self.visibilityColumnVisible, self.colorColumnVisible, self.opacityColumnVisible)
        for column, visible in enumerate(columns):
            self._table.setColumnHidden(column, not visible)
            self._table.setColumnWidth(column, 50)
        self._table.horizontalHeader().visible = self.headerVisible
        self._filling = False

    def _selected(self) -> None:
        self.selectionChanged.emit(QtCore.QItemSelection(), QtCore.QItemSelection())

    def _changed(self, item: Any) -> None:
        if self._filling or self._node is None:
            return
        name = self._ids[item.row()]
        if item.column() == 0:
            visible = item.checkState() == QtCore.Qt.Checked
            self._node.GetDisplayNode().SetSegmentVisibility(name, visible)
        elif item.column() == len(_COLUMNS) - 1:
            self._node.GetSegmentation().GetSegment(name).SetName(item.text())


class qMRMLTableView(SceneHolder, QtWidgets.QTableWidget):
    """Stands in for the class of this name: shows a table node's cells, read only."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._watch = Watch()
        self.setEditTriggers(QtWidgets.QAbstractItemView.NoEditTriggers)

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene; without one nothing is shown."""
        self._keep_scene(scene)
        if scene is None:
            self.setMRMLTableNode(None)

    def setMRMLTableNode(self, node: Any) -> None:
        """Show the cells of a node."""
        self._watch.clear()
        self._node = node
        if node is not None:
            self._watch.add(node, "ModifiedEvent", self._fill)
        self._fill()

    def mrmlTableNode(self) -> Any:
        """Return the node."""
        return self._node

    def _fill(self) -> None:
        node = self._node
        self.setRowCount(node.GetNumberOfRows() if node else 0)
        self.setColumnCount(node.GetNumberOfColumns() if node else 0)
        if node is None:
            return
        self.setHorizontalHeaderLabels([node.GetColumnName(c) for c in range(self.columnCount)])
        for row in range(self.rowCount):
            for column in range(self.columnCount):
                text = node.GetCellText(row, column)
                self.setItem(row, column, QtWidgets.QTableWidgetItem(text))
