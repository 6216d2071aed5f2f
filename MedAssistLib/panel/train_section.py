"""The section "Train": labelled cases in, a model out, and watching it learn."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import agreed, breakable, load_ui, on, set_text
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.text import tr as _
from MedAssistLib.panel.train_curves import Curves
from MedAssistLib.panel.train_data import TrainData
from MedAssistLib.panel.train_form import TrainForm
from MedAssistLib.panel.train_look import TrainLook
from MedAssistLib.panel.train_preview import TrainPreview
from MedAssistLib.panel.trainings import Stopped, Trainings

_MOST_LINES = 8
# As MedAssistLib.models.install wants it, which takes long to import.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}(?<!\.)")


class TrainSection:
    """The controller of ``Train.ui``.

    Args:
        context: The panel's.
        can_run: Tells whether networks can run at all.
        place: The layout that takes the section.
    """

    def __init__(self, context: Context, can_run: Callable[[], bool], place: Any) -> None:
        self._context, self._can_run = context, can_run
        self._widget, self.ui = load_ui(context.resources, "Train", place)
        self.data = TrainData(context, self.ui, self.refresh)
        self.form = TrainForm(context, self.ui, self.look_for_stopped)
        self.trainings = Trainings(context)
        self.curves, self.preview = Curves(context.scene), TrainPreview(context)
        self._job: Job | None = None
        self.look = TrainLook(self.ui, self.data, self.trainings)
        self._stopped: dict[str, Stopped] = {}
        self._taken: set[str] = set()
        self._lines: list[str] = []
        self._last_epoch = ""
        self._states: tuple[State | None, State | None] = (None, None)
        context.job_changed.append(self._job_changed)
        ui = self.ui
        on(ui.look, "clicked()", self._look)
        on(ui.train, "clicked()", self.train)
        on(ui.resume, "clicked()", self.resume)
        on(ui.discard, "clicked()", self.discard)
        on(ui.cancelTraining, "clicked()", self.cancel)
        on(ui.seeCurves, "clicked(bool)", lambda seen: self.curves.show(seen=seen))
        on(ui.seePreview, "clicked(bool)", lambda seen: self.preview.show(seen=seen))

    @property
    def job(self) -> Job | None:
        """The training that was begun last."""
        return self._job

    @property
    def running(self) -> bool:
        """Whether a training is under way."""
        return self._job is not None and not self._job.state.over

    def refresh(self) -> None:
        """Show the choices as they are."""
        choices, ui = self._context.choices, self.ui
        if choices is not None:
            self.data.refresh()
            self.form.show(choices, sorted(self._stopped))
        stopped = self._stopped.get(self.form.name)
        missing = self.data.why_not()
        why_not = self._why_not(stopped, missing)
        ui.train.visible = not self.running and stopped is None
        ui.resume.visible = ui.discard.visible = not self.running and stopped is not None
        ui.cancelTraining.visible = self.running
        ui.cancelTraining.enabled = self._states[0] is not State.CANCELLING
        ui.look.enabled = choices is not None and not missing and not self.look.busy
        ui.train.enabled = ui.resume.enabled = choices is not None and not why_not
        set_text(ui.trainState, "" if self.running else why_not or _about(stopped))
        ui.seeCurves.visible = ui.seePreview.visible = self._job is not None
        self._show_lines()

    def look_for_stopped(self) -> None:
        """Look for trainings that can go on; not before the panel is seen."""
        self._stopped = self.trainings.stopped(self.form.folder)
        self.refresh()

    def train(self) -> None:
        """Queue a training.

        Raises:
            MedAssistError: If a volume cannot be learned from.
        """
        pairs = self.data.pairs() if self.data.of_scene else []
        form = self.form
        self._begun(
            self.trainings.begin(
                form.name, form.folder, self.data.path, pairs, form.options(), self._hear
            )
        )

    def resume(self) -> None:
        """Go on with the training of this name."""
        stopped = self._stopped[self.form.name]
        self._begun(self.trainings.go_on(stopped, self.form.device, self._hear))

    def discard(self) -> None:
        """Delete what the stopped training of this name has learned, if the user agrees."""
        stopped = self._stopped[self.form.name]
        question = _("Delete all that {model} has learned so far?")
        if agreed(question.format(model=stopped.name)):
            self.trainings.discard(stopped, self.look_for_stopped)

    def cancel(self) -> None:
        """Stop the training; it can go on later."""
        if self._job:
            self._context.cancel(self._job)

    def scene_going(self) -> None:
        """Let go of the nodes; the training goes on."""
        self.ui.seeCurves.checked = self.ui.seePreview.checked = False
        self.curves.forget()
        self.preview.forget()

    def close(self) -> None:
        """Leave no temporary nodes, and let go of the scene."""
        self.preview.show(seen=False)
        self.data.close()

    def _begun(self, job: Job) -> None:
        self._job, self._lines, self._last_epoch = job, [], ""
        self.curves.begin(self.form.name)
        self.preview.begin()
        self.ui.seeCurves.checked = self.ui.seePreview.checked = True
        self.curves.show(seen=True)
        self.preview.show(seen=True)
        self.refresh()

    def _hear(self, news: Mapping[str, Any]) -> None:
        """Take what the worker tells of a training."""
        if news["message"]:
            self._lines = [*self._lines, str(news["message"])][-_MOST_LINES:]
        if news.get("epochs"):
            self.curves.add(news)
            self._last_epoch = _epoch_text(news, self.curves.last_look())
        if news.get("preview"):
            self.preview.add(news)
        self._show_lines()

    def _show_lines(self) -> None:
        lines = [line for line in (*self._lines, self._last_epoch) if line]
        set_text(self.ui.trainNews, breakable("\n".join(lines)))

    def _why_not(self, stopped: Stopped | None, missing: str) -> str:
        """Return why nothing can be trained now; empty if it can."""
        if not self._can_run():
            return _("Networks cannot run yet: see the section Segment.")
        if stopped is not None or missing:
            return missing if stopped is None else ""
        name = self.form.name
        if not name:
            return _("Give the model a name.")
        if not _NAME.fullmatch(name):
            return _("Use letters, digits, - and _ for the name.")
        # Windows and macOS take names that differ in case only for the same.
        if name.casefold() in self._taken:
            return _("There is a model of this name already.")
        return ""

    def _look(self) -> None:
        self.look.begin()
        self.refresh()

    def _job_changed(self, job: Job) -> None:
        if job.verb == "models" and job.state is State.DONE:
            self.form.offer(job.result["models"])
            self._taken = {str(entry["name"]).casefold() for entry in job.result["models"]}
            self.refresh()
        states = _state(self._job), _state(self.look.job)
        if job in (self._job, self.look.job) and states != self._states:
            self._states = states
            if job is self._job and job.state.over:
                self._stopped = self.trainings.stopped(self.form.folder)
                self._lines += [str(job.result["accuracy"])] if job.state is State.DONE else []
            self.refresh()


def _state(job: Job | None) -> State | None:
    return job.state if job else None


def _about(stopped: Stopped | None) -> str:
    if stopped is None:
        return ""
    text = _("A training of this name was stopped. It learns from {source}.")
    return text.format(source=Path(str(stopped.asked["source"])).name)


def _epoch_text(news: Mapping[str, Any], look: Mapping[str, Any] | None) -> str:
    """Return what the last epoch came to, and the last look at cases held out, in a line each."""
    point, network = news["epochs"][-1], ""
    if news["folds"] > 1:
        network = _("network {n}, ").format(n=news["fold"] + 1)
    loss = _("epoch {n}: loss {loss}").format(n=point["number"], loss=f"{point['loss']:.2f}")
    if look is None:
        return network + loss
    scores = zip(news["structures"], look["dice"], strict=True)
    dice = _("Dice after epoch {n}: {scores}").format(
        n=look["number"], scores=", ".join(f"{name} {value:.2f}" for name, value in scores)
    )
    return f"{network}{loss}\n{dice}"
