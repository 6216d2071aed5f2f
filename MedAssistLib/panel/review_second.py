"""The second reader in the review: where both differ is shown over the slice views."""

from __future__ import annotations

from typing import Any

from MedAssistLib.panel.check_layer import DisagreementLayer
from MedAssistLib.panel.check_second import NOBODY, SecondReader
from MedAssistLib.panel.review import Entry

_RULES = "opinion."


class SecondInSight:
    """Lays the disagreement over the views while a finding of the second reader is at hand.

    Args:
        scene: The scene.
        switch: The check box that says whether it is wanted.
    """

    def __init__(self, scene: Any, switch: Any) -> None:
        self._switch = switch
        self.reader = NOBODY
        self.layer = DisagreementLayer(scene)

    def take(self, reader: SecondReader) -> None:
        """Know another second reader."""
        self.reader = reader
        self.layer.remove()

    def show(self, entry: Entry | None, volume: Any) -> None:
        """Show where both readers differ about a finding's structure, if it is about that."""
        found = self.reader.structures.get(entry["structure"]) if entry else None
        by_reader = entry is not None and entry["rule"].startswith(_RULES)
        self._switch.visible = bool(self.reader.structures)
        self._switch.enabled = by_reader and found is not None
        if found is None or not by_reader or volume is None or not self._switch.checked:
            self.layer.remove()
        else:
            self.layer.show(found.apart, found.grid, volume)
