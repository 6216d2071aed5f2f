"""The boxes above the list of findings that say which of them are listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from MedAssistLib.panel.glue import fill, on
from MedAssistLib.panel.review import FILTERS, SEVERITIES, STATES, Review
from MedAssistLib.panel.review_texts import severity_names, state_names
from MedAssistLib.panel.text import tr as _


class Filters:
    """Severity, structure and answer.

    Args:
        ui: The children of the form.
        review: What is listed.
        changed: Called after a choice.
    """

    def __init__(self, ui: Any, review: Review, changed: Callable[[], None]) -> None:
        self.boxes = (ui.severityFilter, ui.structureFilter, ui.stateFilter)
        self._review, self._changed = review, changed
        for box, name in zip(self.boxes, FILTERS, strict=True):
            on(box, "activated(int)", lambda row, n=name: self._choose(n, row))

    def fill(self) -> None:
        """Show what can be asked of the findings, and what is."""
        wanted = self._review.wanted
        structures = ["", *self._review.structures]
        if wanted.get("structure", "") not in structures:
            wanted["structure"] = ""
        severities, states = severity_names(), state_names()
        texts = (
            [_("Severity"), *(severities[name] for name in SEVERITIES)],
            [_("Structure"), *structures[1:]],
            [_("Answer"), *(states[name] for name in STATES)],
        )
        for box, text, name in zip(self.boxes, texts, FILTERS, strict=True):
            fill(box, text, self._values(name).index(wanted.get(name, "")))

    def _values(self, name: str) -> list[str]:
        """Return what can be asked of a field, in the order of its box."""
        listed = {"severity": SEVERITIES, "state": STATES, "structure": self._review.structures}
        return ["", *listed[name]]

    def _choose(self, name: str, row: int) -> None:
        self._review.wanted[name] = self._values(name)[row]
        self._changed()
