"""The list of jobs: how far each is, and what can be done with it."""

from __future__ import annotations

from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import breakable, load_ui, on, set_text
from MedAssistLib.panel.job_texts import message_of
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.runs import Runs
from MedAssistLib.panel.text import tr as _

_STEPS = 1000
_KEPT_ROWS = 6


class JobsSection:
    """One row a job, the newest last."""

    def __init__(self, context: Context, runs: Runs, place: Any) -> None:
        self._context, self._runs, self._place = context, runs, place
        self._rows: dict[str, JobRow] = {}
        context.job_changed.append(self.show)

    @property
    def rows(self) -> dict[str, JobRow]:
        """The rows by the id of their job."""
        return self._rows

    def show(self, job: Job) -> None:
        """Show how a job is."""
        if job.quiet:
            return
        if job.id not in self._rows:
            self._rows[job.id] = JobRow(job, self)
            self._limit()
        self._rows[job.id].refresh()

    def make_row(self) -> tuple[Any, Any]:
        """Return a new row's widget and its children."""
        return load_ui(self._context.resources, "Job", self._place)

    def act(self, job: Job) -> None:
        """Do what the row's first button says."""
        if not job.state.over:
            self._context.cancel(job)
        elif job.state is State.KEPT:
            self._runs.add_kept(job)
        elif job.state is State.FAILED and _repeatable(job):
            self._drop(job)
            self._runs.again(job)

    def dismiss(self, job: Job) -> None:
        """Take a job that is over out of the list, with its files."""
        self._runs.forget(job)
        self._drop(job)

    def _drop(self, job: Job) -> None:
        self._rows.pop(job.id).remove()

    def _limit(self) -> None:
        """Let the oldest rows go that say nothing but that all went well."""
        done = [
            row for row in self._rows.values() if row.job.state in (State.DONE, State.CANCELLED)
        ]
        for row in done[: max(0, len(self._rows) - _KEPT_ROWS)]:
            self._drop(row.job)


class JobRow:
    """The controller of ``Job.ui``."""

    def __init__(self, job: Job, section: JobsSection) -> None:
        self.job = job
        self._widget, self.ui = section.make_row()
        on(self.ui.action, "clicked()", lambda: section.act(job))
        on(self.ui.dismiss, "clicked()", lambda: section.dismiss(job))

    def refresh(self) -> None:
        """Show how the job is."""
        job, ui = self.job, self.ui
        running = not job.state.over
        set_text(ui.title, breakable(job.title))
        set_text(ui.message, breakable(message_of(job)))
        ui.bar.visible = running
        ui.bar.value = round(job.fraction * _STEPS)
        actions = {State.KEPT: _("Add to scene")}
        if _repeatable(job):
            actions[State.FAILED] = _("Run again")
        text = _("Cancel") if running else actions.get(job.state, "")
        ui.action.visible = bool(text)
        if ui.action.text != text:
            ui.action.text = text
        ui.action.enabled = job.state not in (State.CANCELLING, State.FINISHING)
        ui.dismiss.visible = job.state.over
        ui.dismiss.text = _("Discard") if job.state is State.KEPT else _("Dismiss")

    def remove(self) -> None:
        """Take the row out of the window."""
        self._widget.hide()
        self._widget.setParent(None)
        self._widget.deleteLater()


def _repeatable(job: Job) -> bool:
    """Tell whether all is at hand to run a job once more: not of one of an earlier session."""
    return job.folder is not None and bool(job.request)
