"""The section "Enhance": a chain of filters, its preview, and its application."""

from __future__ import annotations

from typing import Any

from MedAssistLib.enhance import filter_kinds
from MedAssistLib.errors import UsageError
from MedAssistLib.panel import chain_edit
from MedAssistLib.panel.chain_menu import ChainMenu
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import fill, load_ui, on, open_file, set_text
from MedAssistLib.panel.handover import modality_of
from MedAssistLib.panel.jobs import Problem
from MedAssistLib.panel.option_form import OptionForm
from MedAssistLib.panel.preview_row import PreviewRow
from MedAssistLib.panel.runs import Runs
from MedAssistLib.panel.settings import Settings
from MedAssistLib.panel.text import tr as _


class EnhanceSection:
    """The controller of ``Enhance.ui``."""

    def __init__(self, context: Context, runs: Runs, place: Any) -> None:
        self._context, self._runs = context, runs
        self._kinds = list(filter_kinds().values())
        self._widget, self.ui = load_ui(context.resources, "Enhance", place)
        ui = self.ui
        self.options = OptionForm(ui.optionsForm, self._set_option)
        self.preview = PreviewRow(context, ui)
        self.menu = ChainMenu(context, Settings(), ui)
        names = [kind.name for kind in self._kinds]
        fill(ui.addFilter, [_("a filter…"), *names], 0)
        for row, kind in enumerate(self._kinds, start=1):
            ui.addFilter.setItemData(row, kind.help, _tool_tip_role())
        on(ui.addFilter, "activated(int)", self._add)
        on(ui.steps, "currentRowChanged(int)", lambda _row: self.refresh())
        on(ui.removeStep, "clicked()", self._remove)
        on(ui.up, "clicked()", lambda: self._move(-1))
        on(ui.down, "clicked()", lambda: self._move(1))
        on(ui.apply, "clicked()", self.apply)

    @property
    def chain(self) -> list[str]:
        """The chain as texts."""
        return self._context.choices.chain if self._context.choices else []

    def refresh(self) -> None:
        """Show the choices as they are."""
        ui, volume = self.ui, self._context.volume
        modality = modality_of(volume) if volume else ""
        steps = chain_edit.steps_of(self.chain)
        self._list(steps)
        place = ui.steps.currentRow
        step = steps[place] if 0 <= place < len(steps) else None
        set_text(ui.filterHelp, step.kind.help if step else _("Add a filter or choose a preset."))
        self.options.show(step and step.kind, step and step.options, modality, place)
        ui.removeStep.enabled = step is not None
        ui.up.enabled = step is not None and place > 0
        ui.down.enabled = step is not None and place < len(steps) - 1
        ui.apply.enabled = bool(steps) and volume is not None
        self.menu.show(modality)
        self.preview.show(self.chain)

    def apply(self) -> None:
        """Queue the chain.

        Raises:
            MedAssistError: If the volume cannot be enhanced.
        """
        if self._context.volume is not None and self.chain:
            self._runs.enhance(self._context.volume, self.chain)
            self.preview.stop()

    def close(self) -> None:
        """Stop the preview."""
        self.preview.close()

    def _list(self, steps: list[Any]) -> None:
        rows, texts = self.ui.steps, [_row(step) for step in steps]
        if [rows.item(row).text() for row in range(rows.count)] == texts:
            return
        was, row = rows.blockSignals(True), rows.currentRow
        grown = len(texts) > rows.count
        rows.clear()
        for text in texts:
            rows.addItem(text)
        rows.setCurrentRow(len(texts) - 1 if grown or row < 0 else min(row, len(texts) - 1))
        rows.blockSignals(was)

    def _add(self, row: int) -> None:
        self.ui.addFilter.currentIndex = 0
        volume = self._context.volume
        if row > 0 and self._context.choices:
            modality = modality_of(volume) if volume else ""
            kind = self._kinds[row - 1]
            files = {name: _ask_file(name) for name in chain_edit.files_of(kind)}
            if all(files.values()):
                self._context.choices.chain = chain_edit.added(self.chain, kind, files, modality)

    def _remove(self) -> None:
        if self._context.choices:
            self._context.choices.chain = chain_edit.removed(self.chain, self.ui.steps.currentRow)

    def _move(self, by: int) -> None:
        row = self.ui.steps.currentRow
        if self._context.choices:
            chain = chain_edit.moved(self.chain, row, by)
            was = self.ui.steps.blockSignals(True)
            self.ui.steps.setCurrentRow(row + by)
            self.ui.steps.blockSignals(was)
            self._context.choices.chain = chain

    def _set_option(self, name: str, value: Any) -> None:
        row = self.ui.steps.currentRow
        if self._context.choices is None or not 0 <= row < len(self.chain):
            return
        try:
            self._context.choices.chain = chain_edit.with_option(self.chain, row, name, value)
        except UsageError as error:
            self.refresh()
            set_text(self.ui.filterHelp, f"⚠ {Problem.of(error)}")


def _row(step: Any) -> str:
    """Return a step in a line: its name and what is not as usual."""
    changed = [f"{name} {text}" for name, text in chain_edit.unusual(step).items()]
    return f"{step.kind.name}  {', '.join(changed)}".strip()


def _ask_file(name: str) -> str:
    return open_file(_("Choose the file: {option}").format(option=name), _("All files (*)"), "")


def _tool_tip_role() -> Any:
    import qt

    return qt.Qt.ToolTipRole
