"""The list of findings: going through it by mouse or keyboard, seeing each place, answering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt

from MedAssistLib.files import write_text
from MedAssistLib.panel.check_second import NOBODY, SecondReader
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.findings_node import to_text
from MedAssistLib.panel.glue import on, on_button, save_file, set_text
from MedAssistLib.panel.place_mark import PlaceMark
from MedAssistLib.panel.review import ACCEPTED, DISMISSED, SORT_KEYS, Entry, Review
from MedAssistLib.panel.review_filters import Filters
from MedAssistLib.panel.review_fix import FixIt
from MedAssistLib.panel.review_help import Meaning
from MedAssistLib.panel.review_second import SecondInSight
from MedAssistLib.panel.review_texts import cells, details
from MedAssistLib.panel.sight import Brightness, look_at
from MedAssistLib.panel.text import tr as _


class ReviewList:
    """The lower part of ``Check.ui``.

    Args:
        context: The panel's.
        ui: The children of the form.
        changed: Called after an answer or a comment was given.
    """

    def __init__(self, context: Context, ui: Any, changed: Callable[[], None]) -> None:
        self._context, self._ui, self._changed = context, ui, changed
        self._review = Review()
        self._filters = Filters(ui, self._review, self._fill)
        self._found: Mapping[str, Any] | None = None
        self._volume_id = ""
        self._filling = False
        self.mark = PlaceMark(context.scene)
        self._brightness = Brightness(context.scene)
        self.second = SecondInSight(context.scene, ui.showDisagreement)
        self.fix = FixIt(context, ui, self._fixed, lambda: self.second.reader)
        page = context.resources.parent / "Help" / "check.html"
        self.meaning = Meaning(page, ui.meaning, lambda: (self.current or {}).get("rule", ""))
        on(ui.findings, "itemSelectionChanged()", self._choose_row)
        on(ui.findings.horizontalHeader(), "sectionClicked(int)", self._sort)
        on_button(ui.next, "N", lambda: self._step(1))
        on_button(ui.previous, "P", lambda: self._step(-1))
        on_button(ui.accept, "A", lambda: self._answer(ACCEPTED))
        on_button(ui.dismiss, "D", lambda: self._answer(DISMISSED))
        on(ui.comment, "editingFinished()", self._comment)
        on(ui.fitBrightness, "clicked(bool)", self._fit)
        on(ui.showDisagreement, "clicked(bool)", lambda _wanted: self._go())
        on(ui.saveFindings, "clicked()", self._save)
        header = ui.findings.horizontalHeader()
        header.setSectionsClickable(True)
        header.setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
        ui.findings.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)

    @property
    def known(self) -> bool:
        """Whether there was a check."""
        return self._found is not None

    @property
    def entries(self) -> list[Entry]:
        """All findings with their answers."""
        return self._review.entries

    @property
    def left(self) -> int:
        """How many have no answer."""
        return self._review.left

    @property
    def current(self) -> Entry | None:
        """The finding at hand."""
        return self._review.current

    def show(
        self,
        volume: Any,
        drawn: Any,
        found: Mapping[str, Any] | None,
        second: SecondReader = NOBODY,
    ) -> None:
        """Show other findings, of a volume and what was drawn on it by two readers.

        The one at hand stays if it is among them.
        """
        self.second.take(second)
        at_hand = self._review.current
        self._found = found
        self._volume_id = volume.GetID() if volume is not None else ""
        self._review.take(found["findings"] if found else ())
        if at_hand:
            same = [n for n, entry in enumerate(self.entries) if entry["id"] == at_hand["id"]]
            self._review.at = same[0] if same else None
        self.fix.about(volume, drawn, self.entries)
        if self._review.current is None:
            self.mark.remove()
        self._fill()

    def tidy(self) -> None:
        """Take out what a scene has kept of a mark that was shown while it was saved."""
        if self._review.current is None:
            self.mark.remove()

    def scene_going(self) -> None:
        """Show nothing, and forget the nodes."""
        self.mark.remove()
        self._brightness.put_back()
        self.fix.scene_going()
        self.show(None, None, None)

    def close(self) -> None:
        """Leave nothing in the scene, and no window."""
        self.meaning.close()
        self.second.take(NOBODY)
        self.mark.remove()
        self._brightness.put_back()

    def _widgets(self) -> tuple[Any, ...]:
        """Return what is of no use without findings."""
        ui = self._ui
        answering = ui.commentLabel, ui.comment, ui.previous, ui.next, ui.accept, ui.dismiss
        more = ui.fix, ui.undoFix, ui.meaning, ui.fitBrightness, ui.saveFindings
        return *self._filters.boxes, ui.findings, *answering, *more

    def _fill(self) -> None:
        """Show the list as it is now."""
        ui, review = self._ui, self._review
        for widget in self._widgets():
            widget.visible = bool(review.entries)
        self._filters.fill()
        rows = review.rows()
        table = ui.findings
        self._filling = True
        table.rowCount = len(rows)
        for row, place in enumerate(rows):
            for column, text in enumerate(cells(review.entries[place])):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        table.resizeColumnToContents(1)
        least = table.horizontalHeader().sectionSizeHint(1)
        table.setColumnWidth(1, max(least, min(table.columnWidth(1), table.width // 3)))
        self._filling = False
        self._mark_row()

    def _mark_row(self) -> None:
        """Choose the row of the finding at hand, and say all about it."""
        ui, review, rows = self._ui, self._review, self._review.rows()
        current = review.current
        self._filling = True
        if review.at in rows:
            ui.findings.selectRow(rows.index(review.at))
        else:
            ui.findings.clearSelection()
        self._filling = False
        set_text(ui.findingDetails, details(current) if current else "")
        ui.comment.text = current["comment"] if current else ""
        for widget in (ui.comment, ui.accept, ui.dismiss):
            widget.enabled = current is not None
        self.fix.show(current)

    def _choose_row(self) -> None:
        chosen = self._ui.findings.selectionModel().selectedRows()
        if self._filling or not chosen:
            return
        self._comment()
        self._review.at = self._review.rows()[chosen[0].row()]
        self._go()

    def _step(self, by: int) -> None:
        self._comment()
        self._review.step(by)
        self._go()

    def _answer(self, state: str) -> None:
        self._comment()
        self._review.answer(state)
        self._changed()
        self._fill()
        self._go()

    def _fixed(self, name: str) -> None:
        """Show a finding that was repaired, or whose repair was undone."""
        places = [n for n, entry in enumerate(self.entries) if entry["id"] == name]
        self._review.at = places[0] if places else self._review.at
        self._changed()
        self._fill()
        self._go()
        self._ui.findings.setFocus()  # A button that is no longer enabled has no keys.

    def _comment(self) -> None:
        """Keep what was written, whether or not the line was left."""
        current, text = self._review.current, str(self._ui.comment.text).strip()
        if current is not None and current["comment"] != text:
            current["comment"] = text
            self._changed()

    def _sort(self, column: int) -> None:
        self._review.sort(SORT_KEYS[column])
        self._fill()

    def _go(self) -> None:
        """Let the views look at the finding at hand, and mark it."""
        self._mark_row()
        current = self._review.current
        volume = self._context.scene.GetNodeByID(self._volume_id) if self._volume_id else None
        self.second.show(current, volume)
        if current is None or volume is None:
            self.mark.remove()
            return
        self.mark.show(volume, current)
        if current["point_lps"]:
            look_at(self._context.scene, volume, current["point_lps"])
            if self._ui.fitBrightness.checked:
                self._brightness.fit(volume, current["point_lps"], current["box_lps"])

    def _fit(self, wanted: bool) -> None:
        if wanted:
            self._go()
        else:
            self._brightness.put_back()

    def _save(self) -> None:
        """Write the findings file.

        Raises:
            ResourceError: If it cannot be written.
        """
        path = save_file(_("Save the findings"), "JSON (*.json)", "findings.json")
        if path and self._found is not None:
            self._comment()
            write_text(Path(path), to_text({**self._found, "findings": self.entries}))
