"""The section "Input": which volume, what it is, and how it looks in 3D."""

from __future__ import annotations

from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.facts import facts_of
from MedAssistLib.panel.glue import breakable, fill, load_ui, on, set_text
from MedAssistLib.panel.handover import MODALITY, modality_of
from MedAssistLib.panel.rendering import hide_rendering, is_rendered, render
from MedAssistLib.panel.series_oddities import SeriesOddities
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.hierarchy import series_of

MODALITIES = ("", "CT", "MR", "PT", "NM", "US", "XA", "CR", "DX", "MG")


class InputSection:
    """The controller of ``Input.ui``."""

    def __init__(self, context: Context, place: Any) -> None:
        self._context = context
        self._widget, self.ui = load_ui(context.resources, "Input", place)
        self.ui.volume.setMRMLScene(context.scene)
        self._series = SeriesOddities(context, self.refresh)
        on(self.ui.volume, "currentNodeChanged(vtkMRMLNode*)", self._choose)
        on(self.ui.modality, "activated(int)", self._set_modality)
        on(self.ui.render, "clicked(bool)", self._render)

    def refresh(self) -> None:
        """Show the choices as they are."""
        volume = self._context.volume
        if self._context.choices and self.ui.volume.currentNode() is not volume:
            self.ui.volume.setCurrentNode(volume)
        self._show_modality(volume)
        facts = facts_of(volume) if volume else None
        if facts is None:
            set_text(self.ui.facts, _("Load a volume with Add Data, DICOM or Sample Data."))
            set_text(self.ui.oddities, "")
        else:
            set_text(self.ui.facts, "\n".join(facts.lines))
            odd = (*facts.odd, *self._series.of(volume))
            set_text(self.ui.oddities, breakable("\n".join(f"⚠ {text}" for text in odd)))
        self.ui.render.enabled = volume is not None and volume.GetImageData() is not None
        self.ui.render.checked = is_rendered(volume)

    def close(self) -> None:
        """Let go of the scene: a widget that still watches it can crash Slicer when it exits."""
        self._series.close()
        self.ui.volume.setMRMLScene(None)

    def _choose(self, node: Any) -> None:
        if self._context.choices:
            self._context.choices.volume = node

    def _show_modality(self, volume: Any) -> None:
        found = modality_of(volume) if volume else ""
        known = MODALITIES if found in MODALITIES else (*MODALITIES, found)
        fill(self.ui.modality, [name or _("not known") for name in known], known.index(found))
        # What DICOM says is not for the user to change.
        self.ui.modality.enabled = volume is not None and not series_of(volume).modality

    def _set_modality(self, row: int) -> None:
        volume = self._context.volume
        if volume is not None and row < len(MODALITIES):
            volume.SetAttribute(MODALITY, MODALITIES[row])
            if self._context.choices:
                self._context.choices.node.Modified()

    def _render(self, wanted: bool) -> None:
        volume = self._context.volume
        if volume is None:
            return
        if wanted:
            render(volume, modality_of(volume))
        else:
            hide_rendering(volume)
