"""The section "Check": what deserves a second look, gone through one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt

from MedAssistLib.panel.check_run import Checked, check_job
from MedAssistLib.panel.check_second import NOBODY, SecondReader
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.drawing_box import DrawingBox
from MedAssistLib.panel.findings_node import (
    add_findings_node,
    findings_node,
    read_findings,
    to_text,
)
from MedAssistLib.panel.folders import remove_folder
from MedAssistLib.panel.glue import fill, load_ui, on, set_text
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.review import with_later_answers
from MedAssistLib.panel.review_list import ReviewList
from MedAssistLib.panel.settings import Settings
from MedAssistLib.panel.text import tr as _

_AGE = "CheckAge"
_NOT_KNOWN = -1.0
SEXES = ("", "F", "M")


class CheckSection:
    """The controller of ``Check.ui``."""

    def __init__(self, context: Context, place: Any) -> None:
        self._context = context
        self._models: list[str] = []
        self._job: Job | None = None
        self._widget, self.ui = load_ui(context.resources, "Check", place)
        self._drawing = DrawingBox(context, self.ui.checked, "Check", self.refresh)
        self.review = ReviewList(context, self.ui, self._keep)
        self._shown: tuple[str, str] | None = None
        self._second = ("", NOBODY)  # for the findings of the node with this id
        self._followed: tuple[Any, int] | None = None
        context.job_changed.append(self._job_changed)
        self._connect()

    def _connect(self) -> None:
        ui = self.ui
        on(ui.checkModel, "activated(int)", self._choose_model)
        on(ui.sex, "activated(int)", self._choose_sex)
        on(ui.age, "valueChanged(double)", self._choose_age)
        on(ui.check, "clicked()", self.run)

    @property
    def segmentation(self) -> Any:
        """What is checked besides the volume: the node that the user sees chosen, or None."""
        return self._drawing.node

    @property
    def _busy(self) -> bool:
        # The button stays enabled: one that is not loses the keyboard to who knows what.
        return self._job is not None and not self._job.state.over

    def refresh(self) -> None:
        """Show the choices as they are."""
        choices, ui, volume = self._context.choices, self.ui, self._context.volume
        if choices is None:
            ui.check.enabled = False
            self._shown, self._second = None, ("", NOBODY)
            self._follow(None)
            self.review.scene_going()
            return
        self._drawing.show()
        self._show_models(choices.check_model)
        sexes = [_("not known"), _("female"), _("male")]
        fill(ui.sex, sexes, SEXES.index(choices.sex) if choices.sex in SEXES else 0)
        ui.age.value = choices.number(_AGE, _NOT_KNOWN)
        ui.check.enabled = volume is not None
        self._show_findings(volume)

    def run(self) -> None:
        """Queue a check.

        Raises:
            MedAssistError: If the volume or the segmentation cannot be checked.
        """
        choices, volume = self._context.choices, self._context.volume
        if choices is None or volume is None or self._busy:
            return
        age, drawn = choices.number(_AGE, _NOT_KNOWN), self.segmentation
        about = Checked(self._context, volume, drawn)
        request = {
            "model": choices.check_model,
            "device": Settings().device,
            "age": age if age >= 0.0 else None,
            "sex": choices.sex,
        }
        earlier = read_findings(findings_node(self._context.scene, volume, drawn))
        self._job = check_job(about, request, earlier, self._land)
        self._context.submit("work", self._job)
        self.refresh()

    def close(self) -> None:
        """Let go of the scene, and take the mark out of it."""
        self._follow(None)
        self._drawing.close()
        self.review.close()

    def _land(self, about: Checked, found: Mapping[str, Any], second: SecondReader) -> None:
        """Keep the findings in the scene, with the answers that were given meanwhile."""
        volume, drawn = about.nodes()
        scene = self._context.scene
        scene.SaveStateForUndo()
        node = findings_node(scene, volume, drawn)
        now = read_findings(node)
        if now:
            entries = with_later_answers(found["findings"], now["findings"])
            found = {**found, "findings": entries}
        node = node or add_findings_node(scene, volume, drawn)
        self._second, self._shown = (node.GetID(), second), None
        node.SetText(to_text(found))
        self.refresh()
        focused = qt.QApplication.focusWidget()
        if focused is None or self._widget.isAncestorOf(focused):
            self.ui.findings.setFocus()  # There letters are commands, and no text.

    def _keep(self) -> None:
        """Write the answers into the scene."""
        node = findings_node(self._context.scene, self._context.volume, self.segmentation)
        found = read_findings(node)
        if node is None or found is None:
            return
        text = to_text({**found, "findings": self.review.entries})
        self._shown = (node.GetID(), text)
        node.SetText(text)
        self._show_count()

    def _show_findings(self, volume: Any) -> None:
        """Show what the scene holds, if it is not what is shown already."""
        node = findings_node(self._context.scene, volume, self.segmentation)
        self._follow(node)
        text = (node.GetText() or "") if node else ""
        shown = (node.GetID() if node else "", text)
        if shown != self._shown:
            found = read_findings(node)
            known_for, second = self._second
            second = second if node and node.GetID() == known_for else NOBODY
            self.review.show(volume, self.segmentation, found, second)
            self._shown = shown
        self._show_count()

    def _follow(self, node: Any) -> None:
        """See what others write into a node, as undo does: it would be written over."""
        followed, tag = self._followed or (None, 0)
        if followed is node:
            return
        if followed is not None:
            followed.RemoveObserver(tag)
        self._followed = None
        if node is not None:
            event = node.TextModifiedEvent
            self._followed = (node, node.AddObserver(event, lambda *_given: self.refresh()))

    def _show_count(self) -> None:
        if self._context.volume is None:
            text = _("Choose a volume in the section Input.")
        elif self._busy:
            text = _("Checking…")
        elif not self.review.known:
            text = ""
        elif not self.review.entries:
            text = _("Nothing that deserves a second look was found.")
        else:
            text = _("{n} findings, {left} without an answer").format(
                n=len(self.review.entries), left=self.review.left
            )
        set_text(self.ui.checkState, text)

    def _job_changed(self, job: Job) -> None:
        if job.verb == "models" and job.state is State.DONE:
            known = job.result["models"]
            self._models = [str(entry["name"]) for entry in known if entry["installed"]]
            self.refresh()
        elif job.verb == "segment" and job.state is State.DONE and self._context.choices:
            self._drawing.forget()
            self.refresh()
        elif job is self._job and job.state.over:
            remove_folder(Path(job.request["folder"]))
            self.refresh()

    def _show_models(self, chosen: str) -> None:
        names = self._models if chosen in ("", *self._models) else [*self._models, chosen]
        texts = [_("No model"), *names]
        fill(self.ui.checkModel, texts, texts.index(chosen) if chosen else 0)

    def _choose_model(self, row: int) -> None:
        if self._context.choices:
            self._context.choices.check_model = self.ui.checkModel.itemText(row) if row else ""

    def _choose_sex(self, row: int) -> None:
        if self._context.choices:
            self._context.choices.sex = SEXES[row]

    def _choose_age(self, value: float) -> None:
        if self._context.choices:
            self._context.choices.set_number(_AGE, value)
