"""ctk's fields for files and folders."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.host.widgets.declare import stored, with_setters


@with_setters
class ctkPathLineEdit(QtWidgets.QWidget):
    """Stands in for the class of this name: a path and a button to look for it."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    SIGNALS = ("currentPathChanged(QString)", "validInputChanged(bool)")

    # QDir's filters are flags, which .ui files write as text.
    filters = stored("filters", QtCore.QDir.Filters, QtCore.QDir.AllEntries)
    nameFilters = stored("nameFilters", "QStringList", ())
    settingKey = stored("settingKey", str, "")
    label = stored("label", str, "")
    showBrowseButton = stored("showBrowseButton", bool, default=True, changed="_show")
    showHistoryButton = stored("showHistoryButton", bool, default=True)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._edit, self._button = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        self._button.text = "..."
        row.addWidget(self._edit, 1)
        row.addWidget(self._button)
        self._edit.connect("textChanged(QString)", self.currentPathChanged.emit)
        self._button.connect("clicked()", self.browse)

    def setCurrentPath(self, path: str) -> None:
        """Set the path."""
        self._edit.text = path

    currentPath = QtCore.Property(str, lambda self: self._edit.text, setCurrentPath)

    def browse(self) -> None:
        """Ask for a path, as the button does."""
        choose = QtWidgets.QFileDialog
        if self.filters & QtCore.QDir.Files:
            found = choose.getOpenFileName(self, self.label, self.currentPath)
        else:
            found = choose.getExistingDirectory(self, self.label, self.currentPath)
        if found:
            self.currentPath = found

    def addCurrentPathToHistory(self) -> None:
        """Remember the path; the host keeps no history."""

    def _show(self) -> None:
        self._button.visible = self.showBrowseButton


@with_setters
class ctkDirectoryButton(QtWidgets.QWidget):
    """Stands in for the class of this name: a button that shows a folder."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)
    SIGNALS = ("directoryChanged(QString)", "directorySelected(QString)")

    caption = stored("caption", str, "")
    acceptMode = stored("acceptMode", int, 0)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._button = QtWidgets.QPushButton(QtCore.QDir.currentPath())
        row.addWidget(self._button)
        self._button.connect("clicked()", self.browse)

    def setDirectory(self, path: str) -> None:
        """Set the folder."""
        if path != self._button.text:
            self._button.text = path
            self.directoryChanged.emit(path)

    directory = QtCore.Property(str, lambda self: self._button.text, setDirectory)

    def browse(self) -> None:
        """Ask for a folder."""
        found = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption, self.directory)
        if found:
            self.directory = found
            self.directorySelected.emit(found)
