"""Presets, and the menu that saves, loads and clears a chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt

from MedAssistLib.enhance import Preset, Step, presets, read_chain, write_chain
from MedAssistLib.panel.chain_edit import steps_of
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import fill, on, open_file, save_file
from MedAssistLib.panel.settings import Settings
from MedAssistLib.panel.text import tr as _

_FILE = "chain.json"


class ChainMenu:
    """Part of ``Enhance.ui``."""

    def __init__(self, context: Context, settings: Settings, ui: Any) -> None:
        self._context, self._settings, self._ui = context, settings, ui
        self._modality = ""
        self._presets: list[Preset] = []
        menu = qt.QMenu(ui.more)
        on(menu.addAction(_("Save…")), "triggered()", self.save)
        on(menu.addAction(_("Load…")), "triggered()", self.load)
        on(menu.addAction(_("Clear")), "triggered()", lambda: self._set([]))
        ui.more.setMenu(menu)
        on(ui.preset, "activated(int)", self._choose)

    def show(self, modality: str) -> None:
        """Offer the presets that suit a modality; all of them if it is not known."""
        self._modality = modality
        every = presets().values()
        self._presets = [p for p in every if not modality or p.modality in ("", modality)]
        fill(self._ui.preset, [_("choose one…"), *(p.name for p in self._presets)], 0)
        for row, preset in enumerate(self._presets, start=1):
            self._ui.preset.setItemData(row, preset.help, qt.Qt.ToolTipRole)

    def save(self) -> None:
        """Ask for a file and write the chain to it.

        Raises:
            ResourceError: If it cannot be written.
        """
        choices = self._context.choices
        if choices is None:
            return
        start = str(Path(self._settings.folder, _FILE))
        path = save_file(_("Save the chain"), _("Chains (*.json)"), start)
        if path:
            write_chain(steps_of(choices.chain), Path(path))
            self._settings.folder = str(Path(path).parent)

    def load(self) -> None:
        """Ask for a file and take its chain.

        Raises:
            InputError: If it cannot be read.
            UsageError: If it is no chain.
        """
        path = open_file(_("Load a chain"), _("Chains (*.json)"), self._settings.folder)
        if path:
            self._set(read_chain(Path(path), self._modality))
            self._settings.folder = str(Path(path).parent)

    def _choose(self, row: int) -> None:
        self._ui.preset.currentIndex = 0
        if row > 0:
            self._set(self._presets[row - 1].chain)

    def _set(self, chain: Sequence[Step]) -> None:
        if self._context.choices:
            self._context.choices.chain = [str(step) for step in chain]
