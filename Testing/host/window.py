"""The main window: the panel on the left, the four views on the right."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.host import fit
from Testing.host.module_manager import qSlicerScriptedLoadableModule


class ModuleSelector(QtCore.QObject):
    """Stands in for the window's list of modules; Slicer's own have no panel here.

    Args:
        window: Where panels are shown.
    """

    moduleSelected = QtCore.Signal(str)
    SIGNALS = ("moduleSelected(QString)",)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._name = window, ""

    selectedModule = QtCore.Property(str, lambda self: self._name)

    def selectModule(self, name: str) -> None:
        """Leave the module that is open, and open another."""
        import slicer

        before = slicer.app.moduleManager().module(self._name)
        module = slicer.util.getModule(name)
        if isinstance(before, qSlicerScriptedLoadableModule):
            before.widgetRepresentation().exit()
        panel = None
        if isinstance(module, qSlicerScriptedLoadableModule):
            panel = module.widgetRepresentation()
        self._window.show_panel(panel)
        self._name = name
        if panel is not None:
            panel.enter()
        self.moduleSelected.emit(name)

    def forget(self) -> None:
        """Let no module be open."""
        self._name = ""
        self._window.show_panel(None)


class MainWindow(QtWidgets.QMainWindow):
    """Stands in for ``qSlicerMainWindow``.

    Args:
        layout_manager: What has the views.
    """

    def __init__(self, layout_manager: Any) -> None:
        super().__init__()
        self.objectName = "qSlicerMainWindow"
        self.windowTitle = "MedAssist in the test host (not 3D Slicer)"
        self._area = QtWidgets.QScrollArea()
        self._area.widgetResizable = True
        self._area.frameShape = QtWidgets.QFrame.NoFrame
        # As Slicer's own: what does not fit is cut off or scrolls, and both can be seen.
        self._area.horizontalScrollBarPolicy = QtCore.Qt.ScrollBarAsNeeded
        self._splitter = QtWidgets.QSplitter(QtCore.Qt.Horizontal)
        self._splitter.addWidget(self._area)
        self._splitter.addWidget(layout_manager.viewport())
        self._splitter.setStretchFactor(0, 0)
        self._splitter.setStretchFactor(1, 1)
        self.setCentralWidget(self._splitter)
        self.statusBar()
        self._selector = ModuleSelector(self)

    def moduleSelector(self) -> ModuleSelector:
        """Return the list of modules."""
        return self._selector

    def show_panel(self, panel: Any) -> None:
        """Show a panel in the place of the one before; None shows none."""
        before = self._area.takeWidget()
        if before is not None:
            before.setParent(None)
        if panel is not None:
            self._area.setWidget(panel)

    def arrange(self, size: tuple[int, int], panel_width: int) -> None:
        """Set the size of the window and the width of the panel, in pixels."""
        self.resize(*size)
        self._splitter.setSizes([panel_width, size[0] - panel_width - self._splitter.handleWidth])
        self._area.setMinimumWidth(panel_width)
        self._area.setMaximumWidth(panel_width)

    def has_horizontal_scroll_bar(self) -> bool:
        """Tell whether the panel is wider than its place."""
        return bool(self._area.horizontalScrollBar().maximum > 0)

    def cut_off(self) -> list[str]:
        """Return what does not fit: widgets that need more width or reach out of the panel."""
        panel = self._area.widget()
        if panel is None:
            return []
        found = ["horizontal scroll bar"] if self.has_horizontal_scroll_bar() else []
        for widget in panel.findChildren(QtWidgets.QWidget):
            if not widget.isVisible() or _is_inside(widget):
                continue
            right = widget.mapTo(panel, QtCore.QPoint(widget.width, 0)).x()
            if right > self._area.viewport().width:
                found.append(f"{_title(widget)} reaches out of the panel")
            needed = fit.needed(widget)
            if needed.width() > widget.width:
                found.append(f"{_title(widget)} is {widget.width} wide, needs {needed.width()}")
            if needed.height() > widget.height:
                found.append(f"{_title(widget)} is {widget.height} high, needs {needed.height()}")
        return found


def _is_inside(widget: Any) -> bool:
    """Tell whether a widget is a part of another one, as the line edit of a spin box is."""
    return widget.objectName.startswith("qt_")


def _title(widget: Any) -> str:
    return f"{widget.className()} {widget.objectName or getattr(widget, 'text', '')!r}"
