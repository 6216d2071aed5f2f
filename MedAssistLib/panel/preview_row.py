"""The row "Preview": which view shows it, before and after, and how it comes along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import Ticker, fill, on, set_text
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.preview_layer import PreviewLayer
from MedAssistLib.panel.previewer import Previewed, Previewer, Wish
from MedAssistLib.panel.slice_place import place_in
from MedAssistLib.panel.text import tr as _

_SETTLED_MS = 150


class PreviewRow:
    """Part of ``Enhance.ui``."""

    def __init__(self, context: Context, ui: Any) -> None:
        self._context, self._ui = context, ui
        self._chain: Sequence[str] = ()
        self._watched: tuple[Any, int] | None = None
        self.layer = PreviewLayer(context.scene)
        self._previewer = Previewer(context, self._take, self._tell)
        self._settled = Ticker(_SETTLED_MS, self._ask)
        on(ui.preview, "clicked(bool)", lambda _on: self._switch())
        on(ui.view, "activated(int)", self._choose_view)
        on(ui.before, "clicked(bool)", lambda before: self.layer.see(seen=not before))

    def show(self, chain: Sequence[str]) -> None:
        """Take over the chain as it is now."""
        self._chain = list(chain)
        ui, choices = self._ui, self._context.choices
        names = sorted(self._views())
        wanted = choices.view if choices else "Red"
        fill(ui.view, names, names.index(wanted) if wanted in names else -1)
        possible = bool(self._chain) and self._context.volume is not None and bool(names)
        ui.preview.enabled = possible
        if ui.preview.checked and not possible:
            self.stop()
        ui.before.enabled = bool(ui.preview.checked)
        if ui.preview.checked:
            self._watch()
            self._settled.restart()

    def stop(self) -> None:
        """Show no preview any more."""
        self._ui.preview.checked = False
        self._ui.before.checked = False
        self._ui.before.enabled = False
        self._settled.stop()
        self._unwatch()
        self._previewer.stop()
        self.layer.hide()
        set_text(self._ui.previewState, "")

    def close(self) -> None:
        """Let go of everything."""
        self.stop()

    def _switch(self) -> None:
        if self._ui.preview.checked:
            self.show(self._chain)
        else:
            self.stop()

    def _choose_view(self, _row: int) -> None:
        if self._context.choices:
            self._context.choices.view = self._ui.view.currentText

    def _views(self) -> dict[str, Any]:
        """Return the slice views by name."""
        found = self._context.scene.GetNodesByClass("vtkMRMLSliceNode")
        found.UnRegister(None)
        nodes = [found.GetItemAsObject(n) for n in range(found.GetNumberOfItems())]
        return {node.GetLayoutName(): node for node in nodes if node.GetLayoutName()}

    def _view(self) -> Any:
        return self._views().get(self._ui.view.currentText)

    def _watch(self) -> None:
        """Follow the view when the user scrolls."""
        from vtkmodules.vtkCommonCore import vtkCommand

        view = self._view()
        if view is None or (self._watched and self._watched[0] is view):
            return
        self._unwatch()
        tag = view.AddObserver(vtkCommand.ModifiedEvent, lambda *_unused: self._settled.restart())
        self._watched = (view, tag)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched[0].RemoveObserver(self._watched[1])
            self._watched = None

    def _ask(self) -> None:
        self._settled.stop()
        volume, view = self._context.volume, self._view()
        if not self._ui.preview.checked or volume is None or view is None or not self._chain:
            return
        place = place_in(view, volume)
        if place is None:
            set_text(self._ui.previewState, _("The view does not cut the volume."))
            return
        self._previewer.ask(volume, self._chain, place)

    def _take(self, wish: Wish, found: Previewed) -> None:
        volume = self._context.volume
        if volume is None or volume.GetID() != wish.volume or not self._ui.preview.checked:
            return
        seen = not self._ui.before.checked
        self.layer.show(found.image, volume, self._ui.view.currentText, seen=seen)
        lines = []
        if wish.place.tilted:
            lines.append(_("The view is tilted: the preview lies along the volume's own slices."))
        if not found.exact:
            lines.append(_("A draft; the exact slice is on its way."))
        set_text(self._ui.previewState, " ".join(lines) or _("Preview of this slice."))

    def _tell(self, job: Job) -> None:
        if job.state is State.FAILED:
            set_text(self._ui.previewState, str(job.problem))
        elif not job.state.over and self._ui.preview.checked:
            set_text(self._ui.previewState, _("Computing the preview…"))
