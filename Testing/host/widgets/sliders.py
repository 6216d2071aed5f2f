"""ctk's sliders with their number fields."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.host.widgets.declare import stored, with_setters

_STEPS = 1000


class Fields(QtWidgets.QWidget):
    """A row of a slider between number fields; what the two kinds share."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._filling = False

    def _field(self) -> Any:
        field = QtWidgets.QDoubleSpinBox()
        field.keyboardTracking = False
        self._row.addWidget(field)
        return field

    def _style_fields(self, *fields: Any) -> None:
        for field in fields:
            field.setDecimals(self.decimals)
            field.setRange(self.minimum, self.maximum)
            field.setSingleStep(self.singleStep)
            field.setPrefix(self.prefix)
            field.setSuffix(self.suffix)


@with_setters
class ctkSliderWidget(Fields):
    """Stands in for the class of this name: a slider and a number field."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    SIGNALS = ("valueChanged(double)", "valueIsChanging(double)")

    decimals = stored("decimals", int, 2, "_restyle")
    minimum = stored("minimum", float, 0.0, "_restyle")
    maximum = stored("maximum", float, 99.0, "_restyle")
    singleStep = stored("singleStep", float, 1.0, "_restyle")
    pageStep = stored("pageStep", float, 10.0)
    tickInterval = stored("tickInterval", float, 0.0)
    prefix = stored("prefix", str, "", "_restyle")
    suffix = stored("suffix", str, "", "_restyle")
    tracking = stored("tracking", bool, default=True)
    spinBoxVisible = stored("spinBoxVisible", bool, default=True, changed="_restyle")
    popupSlider = stored("popupSlider", bool, default=False)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._value = 0.0
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._row.addWidget(self._slider, 1)
        self._spin = self._field()
        self._slider.connect("valueChanged(int)", self._slid)
        self._slider.connect("sliderReleased()", self._released)
        self._spin.connect("valueChanged(double)", self.setValue)
        self._restyle()

    def setValue(self, value: float) -> None:
        """Set the value, rounded to the decimals and kept within the range."""
        if self._filling:
            return
        value = round(min(max(float(value), self.minimum), self.maximum), self.decimals)
        changed, self._value = value != self._value, value
        self._fill()
        if changed:
            self.valueChanged.emit(value)

    value = QtCore.Property(float, lambda self: self._value, setValue)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends."""
        self.minimum, self.maximum = minimum, maximum

    def slider(self) -> Any:
        """Return the slider."""
        return self._slider

    def spinBox(self) -> Any:
        """Return the number field."""
        return self._spin

    def _restyle(self) -> None:
        self._filling = True
        self._style_fields(self._spin)
        self._spin.visible = self.spinBoxVisible
        self._filling = False
        self.setValue(self._value)

    def _fill(self) -> None:
        self._filling = True
        span = self.maximum - self.minimum
        self._slider.value = round(_STEPS * (self._value - self.minimum) / span) if span else 0
        self._spin.value = self._value
        self._filling = False

    def _slid(self, place: int) -> None:
        if self._filling:
            return
        value = self.minimum + place / _STEPS * (self.maximum - self.minimum)
        step = self.singleStep or 1.0
        value = self.minimum + round((value - self.minimum) / step) * step
        if self.tracking or not self._slider.sliderDown:
            self.setValue(value)
        else:
            self.valueIsChanging.emit(value)

    def _released(self) -> None:
        self._slid(self._slider.value)
