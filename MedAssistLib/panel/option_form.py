"""A form made from a filter's typed options: a widget each, with its range, unit and help."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import qt

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Choice, Domain, File, Number, Switch
from MedAssistLib.panel.glue import clear_form, fill, on, open_file
from MedAssistLib.panel.text import tr as _

_UNITS = {"1": "", "[hnsf'U]": " HU", "Cel": " °C", "deg": "°"}
_INTENSITY = "{intensity}"

Changed = Callable[[str, Any], None]


class OptionForm:
    """The options of one step.

    Args:
        form: The form layout that takes the widgets.
        changed: Called with an option's name and its new value.
    """

    def __init__(self, form: Any, changed: Changed) -> None:
        self._form, self._changed = form, changed
        self._shown: tuple[Any, ...] = ()
        self._widgets: dict[str, Any] = {}
        self._setters: dict[str, Callable[[Any], None]] = {}

    @property
    def widgets(self) -> dict[str, Any]:
        """The widgets by the name of their option."""
        return self._widgets

    def show(self, kind: FilterKind | None, options: Any, modality: str, place: int) -> None:
        """Show the options of a step; the widgets stay while it is the same step."""
        what = (kind.name if kind else "", modality, place)
        if what != self._shown:
            self._shown = what
            self._build(kind, modality)
        for name, set_value in self._setters.items():
            set_value(getattr(options, name))

    def _build(self, kind: FilterKind | None, modality: str) -> None:
        clear_form(self._form)
        self._setters, self._widgets = {}, {}
        for name, domain in (kind.options.domains() if kind else {}).items():
            widget, setter = self._made(name, domain, modality)
            widget.toolTip = f"{domain.help}. {domain.limits()}".strip()
            label = qt.QLabel(f"{name.replace('_', ' ').capitalize()}:")
            label.toolTip = widget.toolTip
            self._form.addRow(label, widget)
            self._setters[name], self._widgets[name] = setter, widget

    def _made(self, name: str, domain: Domain, modality: str) -> tuple[Any, Callable[[Any], None]]:
        def tell(value: Any) -> None:
            self._changed(name, value)

        if isinstance(domain, Number):
            return _number(domain, modality, tell)
        if isinstance(domain, Choice):
            return _choice(domain, tell)
        if isinstance(domain, Switch):
            return _switch(tell)
        if isinstance(domain, File):
            return _file(tell)
        raise TypeError(f"no widget for an option of the kind {domain.kind}")


def _number(
    domain: Number, modality: str, tell: Callable[[Any], None]
) -> tuple[Any, Callable[[Any], None]]:
    spin = qt.QSpinBox() if domain.whole else qt.QDoubleSpinBox()
    step: float = 1 if domain.whole else _step(domain)
    if not domain.whole:
        spin.decimals = max(2, -math.floor(math.log10(step)))
    spin.singleStep = step
    # One step below the least value stands for "choose it for me".
    lowest = domain.least - step if domain.auto else domain.least
    spin.setRange(int(lowest) if domain.whole else lowest, _top(domain))
    if domain.auto:
        spin.specialValueText = _("automatic")
    spin.suffix = unit_text(domain.unit, modality)
    spin.keyboardTracking = False

    def changed(value: Any) -> None:
        tell(None if domain.auto and value < domain.least else value)

    def set_value(value: Any) -> None:
        was = spin.blockSignals(True)
        spin.value = spin.minimum if value is None else value
        spin.blockSignals(was)

    on(spin, "valueChanged(int)" if domain.whole else "valueChanged(double)", changed)
    return spin, set_value


def _choice(domain: Choice, tell: Callable[[Any], None]) -> tuple[Any, Callable[[Any], None]]:
    combo = qt.QComboBox()
    names = list(domain.names)
    on(combo, "activated(int)", lambda row: tell(names[row]))
    return combo, lambda value: fill(combo, names, names.index(value))


def _switch(tell: Callable[[Any], None]) -> tuple[Any, Callable[[Any], None]]:
    box = qt.QCheckBox()

    def set_value(value: Any) -> None:
        box.checked = bool(value)

    on(box, "clicked(bool)", tell)
    return box, set_value


def _file(tell: Callable[[Any], None]) -> tuple[Any, Callable[[Any], None]]:
    button = qt.QPushButton()

    def ask() -> None:
        path = open_file(_("Choose a file"), _("All files (*)"), "")
        if path:
            tell(path)

    def set_value(value: Any) -> None:
        button.text = str(value).replace("\\", "/").rpartition("/")[2] or _("Choose a file…")

    on(button, "clicked()", ask)
    return button, set_value


def unit_text(unit: str, modality: str) -> str:
    """Return a UCUM unit as it stands behind a number."""
    if unit == _INTENSITY:
        return " HU" if modality == "CT" else ""
    return _UNITS.get(unit, f" {unit}")


def _step(domain: Number) -> float:
    """Return a step of one significant digit that crosses the range in some hundred steps."""
    reach = max(abs(domain.most), abs(domain.least), 1e-6)
    finest = domain.least if domain.least > 0 else reach / 100
    return float(10.0 ** math.floor(math.log10(min(reach / 100, max(finest, reach / 10_000)))))


def _top(domain: Number) -> Any:
    return min(int(domain.most), 2**31 - 1) if domain.whole else float(domain.most)
