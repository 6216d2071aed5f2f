"""The button "Fix it": says what it would do, does it when it is pressed, and takes it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from MedAssistLib.errors import InputError
from MedAssistLib.panel.check_repair import Repair, repair_for, take_back, write
from MedAssistLib.panel.check_second import SecondReader
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import on_button, set_text
from MedAssistLib.panel.review import ACCEPTED, Entry
from MedAssistLib.panel.review_texts import repair_text
from MedAssistLib.panel.text import tr as _

FIX, UNDO = "X", "Z"


@dataclass(frozen=True)
class _Done:
    """A repair that was done, and what the doctor had said of the finding before.

    Attributes:
        node: Id of the segmentation node.
        repair: What was done.
        entry: Id of the finding.
        answer: Its state and comment before.
    """

    node: str
    repair: Repair
    entry: str
    answer: tuple[str, str]


class FixIt:
    """Repairs the finding at hand.

    Args:
        context: The panel's.
        ui: The children of the form.
        changed: Called with a finding's id after it was repaired or its repair was undone.
        reader: Returns the second reader.
    """

    def __init__(
        self,
        context: Context,
        ui: Any,
        changed: Callable[[str], None],
        reader: Callable[[], SecondReader],
    ) -> None:
        self._context, self._ui, self._changed = context, ui, changed
        self._reader = reader
        self._volume_id = self._drawn_id = ""
        self._done: list[_Done] = []
        self._entry: Entry | None = None
        self._entries: list[Entry] = []
        self._repair: Repair | None = None
        on_button(ui.fix, FIX, self._fix)
        on_button(ui.undoFix, UNDO, self._undo)

    def about(self, volume: Any, drawn: Any, entries: list[Entry]) -> None:
        """Know what the findings are about."""
        self._volume_id = volume.GetID() if volume is not None else ""
        self._drawn_id = drawn.GetID() if drawn is not None else ""
        self._entries = entries
        if self._drawn_id and entries:
            # The first import of what repairs need takes longer than a window may wait.
            self._context.run(_load, lambda _loaded: None)

    def show(self, entry: Entry | None) -> None:
        """Say what would be done about the finding at hand."""
        self._entry = entry
        self._repair = self._possible()
        text = repair_text(self._repair) if self._repair else ""
        set_text(self._ui.fixText, text)
        self._ui.fix.enabled = self._repair is not None
        self._ui.undoFix.enabled = self._last is not None

    def scene_going(self) -> None:
        """Forget what could be taken back."""
        self._done.clear()

    @property
    def _last(self) -> _Done | None:
        """The last repair of the segmentation at hand."""
        return next((done for done in self._done[::-1] if done.node == self._drawn_id), None)

    def _nodes(self) -> tuple[Any, Any]:
        """Return the segmentation and the volume, None if it is gone."""
        scene, drawn, volume = self._context.scene, self._drawn_id, self._volume_id
        return (
            scene.GetNodeByID(drawn) if drawn else None,
            scene.GetNodeByID(volume) if volume else None,
        )

    def _possible(self) -> Repair | None:
        """Return the repair of the finding at hand as the labels are now."""
        node, volume = self._nodes()
        if self._entry is None or node is None or volume is None:
            return None
        try:
            return repair_for(self._entry, node, volume, self._reader())
        except InputError:  # The drawing is gone, or was moved so that it no longer fits.
            return None

    def _fix(self) -> None:
        shown, now = self._repair, self._possible()
        entry, (node, _volume) = self._entry, self._nodes()
        if shown is None or entry is None or now is None or not shown.change.same_as(now.change):
            # Somebody has drawn there since: what was said is no longer what would be done.
            self.show(entry)
            return
        write(now, node)
        self._done.append(
            _Done(self._drawn_id, now, entry["id"], (entry["state"], entry["comment"]))
        )
        entry["state"] = ACCEPTED
        entry["comment"] = "; ".join(filter(None, (entry["comment"], _("repaired"))))
        self._changed(entry["id"])

    def _undo(self) -> None:
        done, (node, _volume) = self._last, self._nodes()
        if done is None or node is None:
            return
        self._done.remove(done)
        try:
            take_back(done.repair, node)
        except InputError:
            self.show(self._entry)
            raise
        for entry in self._entries:
            if entry["id"] == done.entry:
                entry["state"], entry["comment"] = done.answer
        self._changed(done.entry)


def _load() -> None:
    import MedAssistLib.check.repair  # noqa: F401
