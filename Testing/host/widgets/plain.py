"""ctk's widgets that are little more than Qt's own."""

from __future__ import annotations

from typing import Any

from PySide6 import QtGui, QtWidgets

from Testing.host.widgets.declare import stored, with_setters


@with_setters
class ctkComboBox(QtWidgets.QComboBox):
    """Stands in for the class of this name."""

    defaultText = stored("defaultText", str, "", "update")
    scrollWheelEffect = stored("scrollWheelEffect", int, 2)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Show the default text while nothing is chosen."""
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex < 0:
            option.currentText = self.defaultText
        painter.drawComplexControl(QtWidgets.QStyle.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.CE_ComboBoxLabel, option)


@with_setters
class ctkSearchBox(QtWidgets.QLineEdit):
    """Stands in for the class of this name."""

    defaultText = stored("defaultText", str, "Search...", "_show")
    showSearchIcon = stored("showSearchIcon", bool, default=False)
    alwaysShowClearIcon = stored("alwaysShowClearIcon", bool, default=False)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.clearButtonEnabled = True
        self._show()

    def _show(self) -> None:
        self.placeholderText = self.defaultText


@with_setters
class ctkMessageBox(QtWidgets.QMessageBox):
    """Stands in for the class of this name: it can remember the answer."""

    dontShowAgain = stored("dontShowAgain", bool, default=False)
    dontShowAgainVisible = stored("dontShowAgainVisible", bool, default=False)
    dontShowAgainSettingsKey = stored("dontShowAgainSettingsKey", str, "")


@with_setters
class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """Stands in for the class of this name: as high as its text."""

    collapsed = stored("collapsed", bool, default=False)
    collapsible = stored("collapsible", bool, default=False)
    collapsibleText = stored("collapsibleText", str, "")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.connect("textChanged()", self._fit)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Follow the width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(int(self.document.size.height()) + 2 * self.frameWidth)


class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    """Stands in for the class of this name."""


class ctkCheckBox(QtWidgets.QCheckBox):
    """Stands in for the class of this name."""


class ctkMenuButton(QtWidgets.QPushButton):
    """Stands in for the class of this name."""
