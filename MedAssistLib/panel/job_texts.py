"""What a row of the list of jobs says."""

from __future__ import annotations

from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.text import tr as _


def message_of(job: Job) -> str:
    """Return what a job is doing, or how it ended, in one line."""
    if job.state is State.DONE:
        return _done(job)
    if job.state is State.CANCELLED:
        return _("Cancelled")
    if job.state is State.KEPT:
        return str(job.problem) if job.problem else _("A result of an earlier session.")
    if job.state is State.FAILED:
        return str(job.problem)
    text = job.stage
    if job.state is State.RUNNING and job.fraction > 0:
        text = _("{stage}: {percent} %").format(stage=text, percent=round(100 * job.fraction))
    if job.eta_s is not None:
        text = _("{stage}, about {time} left").format(stage=text, time=duration(job.eta_s))
    return text


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return _("{n} s").format(n=max(1, round(seconds)))
    return _("{n} min").format(n=round(seconds / 60))


def _done(job: Job) -> str:
    texts = [_("Done in {time}").format(time=duration(job.seconds))]
    if steps := ", ".join(job.result.get("steps", ())):
        texts.append(_("Memory was short: {steps}").format(steps=steps))
    return ". ".join([*texts, *job.result.get("doubts", ())])
