"""Which structures of a model are wanted."""

from __future__ import annotations

from typing import Any

import qt

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import on
from MedAssistLib.panel.text import tr as _


class ClassesList:
    """A list with a tick for each structure."""

    def __init__(self, context: Context, ui: Any) -> None:
        self._context, self._ui = context, ui
        self._names: tuple[str, ...] = ()
        on(ui.classes, "itemChanged(QListWidgetItem*)", lambda _item: self._keep())
        on(ui.allClasses, "clicked()", lambda: self._tick(wanted=True))
        on(ui.noClasses, "clicked()", lambda: self._tick(wanted=False))

    def show(self, names: tuple[str, ...]) -> None:
        """Show the structures of a model with the ticks that were chosen."""
        choices, rows = self._context.choices, self._ui.classes
        self._ui.classesBox.visible = len(names) > 1
        if choices is None:
            return
        wanted = set(choices.classes) or set(names)
        was = rows.blockSignals(True)
        if names != self._names:
            self._names = names
            rows.clear()
            for name in names:
                rows.addItem(name)
        for row, name in enumerate(names):
            state = qt.Qt.Checked if name in wanted else qt.Qt.Unchecked
            rows.item(row).setCheckState(state)
        rows.blockSignals(was)
        chosen = len(wanted & set(names))
        self._ui.classesBox.text = _("Structures: {n} of {all}").format(n=chosen, all=len(names))

    def chosen(self) -> list[str]:
        """Return the structures that are wanted; empty for all."""
        names = self._context.choices.classes if self._context.choices else []
        return [] if set(names) >= set(self._names) else [n for n in self._names if n in names]

    def _keep(self) -> None:
        rows = self._ui.classes
        ticked = [
            name
            for row, name in enumerate(self._names)
            if rows.item(row).checkState() == qt.Qt.Checked
        ]
        if self._context.choices:
            self._context.choices.classes = ticked or self._names[:1]

    def _tick(self, *, wanted: bool) -> None:
        if self._context.choices and self._names:
            self._context.choices.classes = self._names if wanted else self._names[:1]
