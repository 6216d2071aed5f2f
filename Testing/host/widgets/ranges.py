"""ctk's widgets for a range: a low value and a high one."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.host.widgets.declare import stored, with_setters
from Testing.host.widgets.sliders import Fields

_HANDLE = 8


class Range(Fields):
    """What widgets for a range share: two values in their order and within the ends."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)
    SIGNALS = (
        "valuesChanged(double,double)",
        "minimumValueChanged(double)",
        "maximumValueChanged(double)",
    )

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._values = (0.0, 99.0)

    def setValues(self, low: float, high: float) -> None:
        """Set both values."""
        if self._filling:
            return
        ends = sorted(min(max(float(value), self.minimum), self.maximum) for value in (low, high))
        values = (round(ends[0], self.decimals), round(ends[1], self.decimals))
        before, self._values = self._values, values
        self._fill()
        if values[0] != before[0]:
            self.minimumValueChanged.emit(values[0])
        if values[1] != before[1]:
            self.maximumValueChanged.emit(values[1])
        if values != before:
            self.valuesChanged.emit(*values)

    def setMinimumValue(self, value: float) -> None:
        """Set the lower value, at most the upper one."""
        self.setValues(min(float(value), self._values[1]), self._values[1])

    def setMaximumValue(self, value: float) -> None:
        """Set the upper value, at least the lower one."""
        self.setValues(self._values[0], max(float(value), self._values[0]))

    minimumValue = QtCore.Property(float, lambda self: self._values[0], setMinimumValue)
    maximumValue = QtCore.Property(float, lambda self: self._values[1], setMaximumValue)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends."""
        self.minimum, self.maximum = minimum, maximum

    def _restyle(self) -> None:
        self.setValues(*self._values)


@with_setters
class ctkRangeWidget(Range):
    """Stands in for the class of this name: two number fields."""

    decimals = stored("decimals", int, 2, "_restyle")
    minimum = stored("minimum", float, 0.0, "_restyle")
    maximum = stored("maximum", float, 99.0, "_restyle")
    singleStep = stored("singleStep", float, 1.0, "_restyle")
    prefix = stored("prefix", str, "", "_restyle")
    suffix = stored("suffix", str, "", "_restyle")
    tracking = stored("tracking", bool, default=True)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._low, self._high = self._field(), self._field()
        self._low.connect("valueChanged(double)", self.setMinimumValue)
        self._high.connect("valueChanged(double)", self.setMaximumValue)
        self._restyle()

    def _restyle(self) -> None:
        self._filling = True
        self._style_fields(self._low, self._high)
        self._filling = False
        super()._restyle()

    def _fill(self) -> None:
        self._filling = True
        self._low.value, self._high.value = self._values
        self._filling = False


@with_setters
class ctkDoubleRangeSlider(Range):
    """Stands in for the class of this name: a line with two handles."""

    decimals = 6
    minimum = stored("minimum", float, 0.0, "_restyle")
    maximum = stored("maximum", float, 99.0, "_restyle")
    singleStep = stored("singleStep", float, 1.0)
    orientation = stored("orientation", QtCore.Qt.Orientation, QtCore.Qt.Horizontal)
    tracking = stored("tracking", bool, default=True)

    def __init__(self, *given: Any) -> None:
        super().__init__(given[-1] if given and isinstance(given[-1], QtWidgets.QWidget) else None)
        self._held = 0
        self.minimumHeight = 2 * _HANDLE

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """Take the nearer handle."""
        value = self._value_at(event.position().x())
        self._held = int(abs(value - self._values[1]) < abs(value - self._values[0]))
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        """Move the handle that is held."""
        move = self.setMaximumValue if self._held else self.setMinimumValue
        move(self._value_at(event.position().x()))

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw the line and the handles."""
        painter = QtGui.QPainter(self)
        middle = self.height // 2
        painter.fillRect(0, middle - 1, self.width, 3, self.palette.mid())
        low, high = (self._place_of(value) for value in self._values)
        painter.fillRect(low, middle - 1, high - low, 3, self.palette.highlight())
        for place in (low, high):
            painter.fillRect(place - 3, middle - _HANDLE, 6, 2 * _HANDLE, self.palette.dark())

    def _fill(self) -> None:
        self.update()

    def _value_at(self, x: float) -> float:
        part = min(max((x - _HANDLE) / max(self.width - 2 * _HANDLE, 1), 0.0), 1.0)
        steps = round(part * (self.maximum - self.minimum) / (self.singleStep or 1.0))
        return self.minimum + steps * (self.singleStep or 1.0)

    def _place_of(self, value: float) -> int:
        part = (value - self.minimum) / ((self.maximum - self.minimum) or 1.0)
        return round(_HANDLE + part * (self.width - 2 * _HANDLE))
