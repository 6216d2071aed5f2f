"""The panel as a whole: builds the sections, follows the scene, and polls the jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from MedAssistLib.panel.check_section import CheckSection
from MedAssistLib.panel.choices import Choices
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.enhance_section import EnhanceSection
from MedAssistLib.panel.export_section import ExportSection
from MedAssistLib.panel.glue import Ticker, load_ui, on, set_text
from MedAssistLib.panel.input_section import InputSection
from MedAssistLib.panel.jobs_section import JobsSection
from MedAssistLib.panel.machine import diagnostics
from MedAssistLib.panel.runs import Runs
from MedAssistLib.panel.segment_section import SegmentSection
from MedAssistLib.panel.text import tr as _
from MedAssistLib.panel.train_section import TrainSection

_POLL_MS = 50


class Panel:
    """The module's panel.

    Args:
        scene: The MRML scene.
        resources: Folder of the ``.ui`` files.
        place: The layout that takes the panel.
        parameter_node: Returns the module's parameter node, made if there is none.
    """

    def __init__(
        self, scene: Any, resources: Path, place: Any, parameter_node: Callable[[], Any]
    ) -> None:
        self.context = Context(scene, resources)
        self._parameter_node = parameter_node
        self._widget, self.ui = load_ui(resources, "MedAssist", place)
        self._widget.setMRMLScene(scene)
        set_text(self.ui.notice, "")
        self.runs = Runs(self.context)
        self._ticker = Ticker(_POLL_MS, self._poll)
        self.context.wake = self._ticker.start
        self._refreshing = False
        self.input = InputSection(self.context, self.ui.inputSection.layout())
        self.enhance = EnhanceSection(self.context, self.runs, self.ui.enhanceSection.layout())
        self.segment = SegmentSection(self.context, self.runs, self.ui.segmentSection.layout())
        self.check = CheckSection(self.context, self.ui.checkSection.layout())
        self.train = TrainSection(
            self.context, lambda: self.segment.setup.can_run, self.ui.trainSection.layout()
        )
        self.export = ExportSection(self.context, self.ui.exportSection.layout())
        self.jobs = JobsSection(self.context, self.runs, self.ui.jobsPlace.layout())
        before = self.input, self.enhance, self.segment, self.check
        self._sections = (*before, self.train, self.export)
        on(self.ui.diagnostics, "clicked()", self._copy_diagnostics)
        self._looked_for_kept = False
        self._ticker.start()

    def open(self) -> None:
        """Take the scene's choices; called when the module is entered or a scene has come."""
        if self.context.choices is None:
            self.context.choices = Choices(self._parameter_node())
            if self.context.volume is None:
                self.context.choices.volume = _volume_in_sight(self.context.scene)
            self.context.choices.watch(self.refresh)
        self.refresh()
        # Later, because an imported scene's tree joins the other one after all else.
        self.context.run(lambda: None, lambda _none: self.check.review.tidy())

    def leave(self) -> None:
        """Stop what makes sense only while the panel is seen; jobs go on."""
        self.enhance.preview.stop()

    def let_go(self) -> None:
        """Forget the choices, because their scene is going; jobs go on."""
        self.enhance.preview.stop()
        if self.context.choices is not None:
            self.context.choices.forget()
            self.context.choices = None
        self.refresh()

    def scene_closing(self) -> None:
        """Know from now on that node IDs mean other nodes."""
        self.context.scene_number += 1
        self.train.scene_going()
        self.let_go()

    def refresh(self) -> None:
        """Show the choices as they are."""
        if self._refreshing:
            return
        self._refreshing = True
        try:
            for section in self._sections:
                section.refresh()
        finally:
            self._refreshing = False

    def close(self) -> None:
        """End everything: processes, timers, observers."""
        self._ticker.stop()
        self.let_go()
        self.context.close()
        self.runs.close()
        for section in self._sections:
            section.close()
        self._widget.setMRMLScene(None)

    def _copy_diagnostics(self) -> None:
        words = [line for lane in self.context.lanes.values() for line in lane.last_words]
        version = f"{slicer.app.applicationName} {slicer.app.applicationVersion}"
        slicer.app.clipboard().setText(diagnostics(version, words))
        slicer.util.showStatusMessage(_("The diagnostics are in the clipboard"), 5000)

    def _poll(self) -> None:
        if not self._looked_for_kept:  # not before the panel is seen: it opens quicker so
            self._looked_for_kept = True
            for job in self.runs.kept():
                self.jobs.show(job)
            self.train.look_for_stopped()
        if not self.context.poll():
            self._ticker.stop()


def _volume_in_sight(scene: Any) -> Any:
    """Return the volume that the slice views show, or the scene's first, or None."""
    kind = "vtkMRMLScalarVolumeNode"
    views = scene.GetNodesByClass("vtkMRMLSliceCompositeNode")
    views.UnRegister(None)
    for number in range(views.GetNumberOfItems()):
        name = views.GetItemAsObject(number).GetBackgroundVolumeID()
        volume = scene.GetNodeByID(name) if name else None
        if volume is not None and volume.GetClassName() == kind:
            return volume
    return scene.GetFirstNodeByClass(kind)
