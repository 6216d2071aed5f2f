"""ctk's containers and buttons."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.host.widgets.declare import stored, with_setters


@with_setters
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """Stands in for the class of this name: a title, and below it children that can be hidden."""

    contentsCollapsed = QtCore.Signal(bool)
    SIGNALS = ("contentsCollapsed(bool)",)

    collapsedHeight = stored("collapsedHeight", int, 10)
    flat = stored("flat", bool, default=False, changed="update")

    def __init__(self, *given: Any) -> None:
        super().__init__(given[-1] if given and isinstance(given[-1], QtWidgets.QWidget) else None)
        self._collapsed = False
        self._hidden_by_script: list[QtWidgets.QWidget] = []
        self.checkable = True
        self.checked = True
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(0, self._title_height(), 0, 0)
        if given and isinstance(given[0], str):
            self.text = given[0]
        self.connect("toggled(bool)", self._toggled)

    def setCollapsed(self, collapsed: bool) -> None:
        """Hide or show the children."""
        self.checked = not collapsed

    collapsed = QtCore.Property(bool, lambda self: self._collapsed, setCollapsed)

    def sizeHint(self) -> QtCore.QSize:
        """Return the space of the title and, unless collapsed, of the layout below it."""
        title = QtCore.QSize(
            self.fontMetrics().horizontalAdvance(self.text) + 40, self._title_height()
        )
        if self._collapsed or self.layout() is None:
            return title
        return self.layout().totalSizeHint().expandedTo(title)

    def minimumSizeHint(self) -> QtCore.QSize:
        """Return the least space, in the same way."""
        if self._collapsed or self.layout() is None:
            return QtCore.QSize(60, self._title_height())
        return self.layout().totalMinimumSize()

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """Keep later children of a collapsed section hidden."""
        super().childEvent(event)
        child = event.child()
        if self._collapsed and event.added() and isinstance(child, QtWidgets.QWidget):
            child.visible = False

    def event(self, event: QtCore.QEvent) -> bool:
        """Follow a change of the font."""
        if event.type() == QtCore.QEvent.FontChange:
            self.setContentsMargins(0, self._title_height(), 0, 0)
        return bool(super().event(event))

    def hitButton(self, place: QtCore.QPoint) -> bool:
        """Only the title is the button."""
        return place.y() < self._title_height()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw the title with its arrow."""
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, self.width, self._title_height())
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        side = self._title_height() // 2
        arrow.rect = QtCore.QRect(8, side // 2, side, side)
        kind = QtWidgets.QStyle.PE_IndicatorArrowRight
        if not self._collapsed:
            kind = QtWidgets.QStyle.PE_IndicatorArrowDown
        painter.drawPrimitive(kind, arrow)
        flags = QtCore.Qt.AlignLeft | QtCore.Qt.AlignVCenter | QtCore.Qt.TextShowMnemonic
        painter.drawText(option.rect.adjusted(16 + side, 0, 0, 0), flags, self.text)

    def _title_height(self) -> int:
        return self.fontMetrics().height() + 10

    def _toggled(self, opened: bool) -> None:
        self._collapsed = not opened
        children = [c for c in self.children() if isinstance(c, QtWidgets.QWidget)]
        if opened:
            for child in children:
                if child not in self._hidden_by_script:
                    child.visible = True
        else:
            self._hidden_by_script = [child for child in children if child.isHidden()]
            for child in children:
                child.visible = False
        self.updateGeometry()
        self.update()
        self.contentsCollapsed.emit(self._collapsed)
