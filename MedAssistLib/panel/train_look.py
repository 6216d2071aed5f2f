"""A look at the data before anything is learned from them: what they are, and what is odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import qt

from MedAssistLib.panel.glue import breakable, set_text
from MedAssistLib.panel.jobs import Job
from MedAssistLib.panel.text import tr as _
from MedAssistLib.panel.train_data import TrainData
from MedAssistLib.panel.trainings import Trainings

_BETWEEN = "; "


class TrainLook:
    """The table of what is odd, in ``Train.ui``.

    Args:
        ui: The children of the form.
        data: What is chosen to be learned from.
        trainings: Queues the look.
    """

    def __init__(self, ui: Any, data: TrainData, trainings: Trainings) -> None:
        self._ui, self._data, self._trainings = ui, data, trainings
        self.job: Job | None = None
        self._volumes: list[str] = []
        table, contents = ui.oddities, qt.QHeaderView.ResizeToContents
        table.visible = False
        table.verticalHeader().setSectionResizeMode(contents)
        table.horizontalHeader().setSectionResizeMode(0, contents)

    @property
    def busy(self) -> bool:
        """Whether a look is under way."""
        return self.job is not None and not self.job.state.over

    def begin(self) -> None:
        """Queue a look at what is chosen.

        Raises:
            MedAssistError: If a volume cannot be learned from.
        """
        pairs = self._data.pairs() if self._data.of_scene else []
        self._show("", [])
        self._volumes = [volume.GetName() for _node, volume in pairs]
        self.job = self._trainings.look(self._data.path, pairs, self._land)

    def _land(self, answer: Mapping[str, Any]) -> None:
        """Show what was found."""
        text = _("{n} cases; structures: {structures}; channels: {channels}.").format(
            n=answer["cases"],
            structures=", ".join(answer["structures"]),
            channels=", ".join(answer["channels"]),
        )
        severities = {"urgent": _("Urgent"), "review": _("Review"), "info": _("Info")}
        request = self.job.request if self.job else {}
        rows = [("review", name, title) for name, title in request.get("odd", ())]
        rows += [
            (found["severity"], found["cases"], found["finding"]) for found in answer["findings"]
        ]
        shown = [(severities[kind], _told(cases, title)) for kind, cases, title in rows]
        # In the scene, cases have the names of their volumes; "case_10" is not "case_1".
        names = zip(request.get("cases", ()), self._volumes, strict=False)
        for case, volume in sorted(names, key=lambda pair: -len(pair[0])):
            shown = [(severity, title.replace(case, volume)) for severity, title in shown]
        self._show(text if rows else text + " " + _("Nothing odd was found."), shown)

    def _show(self, text: str, rows: Sequence[tuple[str, str]]) -> None:
        table = self._ui.oddities
        set_text(self._ui.dataState, breakable(text))
        table.visible = bool(rows)
        table.rowCount = len(rows)
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                table.setItem(row, column, qt.QTableWidgetItem(cell))


def _told(cases: str, title: str) -> str:
    """Return a finding with the cases that it is about, unless it names them itself."""
    known = not cases or cases.partition(_BETWEEN)[0] in title
    return title if known else f"{cases}: {title}"
