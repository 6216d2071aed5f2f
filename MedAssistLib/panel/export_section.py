"""The section "Export": what was found leaves, as files that other programs and people read."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import qt

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.drawing_box import DrawingBox
from MedAssistLib.panel.export_database import DicomDatabase
from MedAssistLib.panel.export_form import ExportForm
from MedAssistLib.panel.export_reasons import reasons
from MedAssistLib.panel.export_run import Order, already_there, export_job
from MedAssistLib.panel.export_series import Series, SeriesFiles
from MedAssistLib.panel.export_texts import replace_question, written_text
from MedAssistLib.panel.findings_node import findings_node, read_findings
from MedAssistLib.panel.folders import remove_folder
from MedAssistLib.panel.glue import agreed, breakable, load_ui, on, set_text
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.text import tr as _

_AGE = "CheckAge"
_NOT_KNOWN = -1.0


class ExportSection:
    """The controller of ``Export.ui``.

    Args:
        context: The panel's.
        place: The layout that takes the section.
    """

    def __init__(self, context: Context, place: Any) -> None:
        self._context = context
        self._widget, self.ui = load_ui(context.resources, "Export", place)
        self._drawing = DrawingBox(context, self.ui.exported, "Export", self.refresh)
        self.form = ExportForm(context, self.ui, self.refresh)
        self._series = SeriesFiles(context, self.refresh)
        self._database = DicomDatabase(self._added)
        self._job: Job | None = None
        self._asking = False
        self._answer: Mapping[str, Any] = {}
        self._state = ""
        context.job_changed.append(self._job_changed)
        on(self.ui.write, "clicked()", self.write)
        on(self.ui.openFolder, "clicked()", self.open_folder)

    @property
    def segmentation(self) -> Any:
        """What leaves besides the volume: the node that the user sees chosen, or None."""
        return self._drawing.node

    @property
    def busy(self) -> bool:
        """Whether files are being written."""
        return self._asking or (self._job is not None and not self._job.state.over)

    def refresh(self) -> None:
        """Show the choices as they are."""
        choices, ui = self._context.choices, self.ui
        if choices is None:
            self._answer = {}  # What was written belongs to the scene that is going.
        self._drawing.show()
        series = self._where()
        self.form.show(series, self._words(), database=self._database.open)
        why_not = self._why_not(series)
        # The button stays enabled while it writes: one that is not loses the keyboard.
        ui.write.enabled = not why_not
        set_text(ui.exportState, _("Writing…") if self.busy else why_not)
        set_text(ui.written, "" if self.busy else breakable(self._told()))
        ui.openFolder.visible = bool(self._answer) and not self.busy

    def write(self) -> None:
        """Queue the writing, once the user has agreed to what it replaces.

        Raises:
            MedAssistError: If the volume or the segmentation cannot be handed over.
        """
        if self.busy or self._why_not(self._where()):
            return
        order = self._order()
        job = export_job(order, self._land)
        names, folder = order.names(), order.folder
        self._asking = True
        self._context.run(
            lambda: already_there(folder, names), lambda there: self._begin(job, folder, there)
        )
        self.refresh()

    def open_folder(self) -> None:
        """Show the files in the file manager."""
        if self._answer:
            folder = Path(self._answer["files"][0][0]).parent
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    def close(self) -> None:
        """Let go of the scene."""
        self._drawing.close()
        self._series.close()

    def _order(self) -> Order:
        choices, volume = self._context.choices, self._context.volume
        age = choices.number(_AGE, _NOT_KNOWN) if choices else _NOT_KNOWN
        folder = self.form.folder
        if folder is None:
            raise ValueError("there is no folder")
        return Order(
            parcel=self.form.parcel(),
            folder=folder,
            volume=volume,
            segmentation=self.segmentation,
            found=read_findings(findings_node(self._context.scene, volume, self.segmentation)),
            series=self._where(),
            age=age if age >= 0.0 else None,
            sex=choices.sex if choices else "",
        )

    def _begin(self, job: Job, folder: Path, there: Sequence[str]) -> None:
        self._asking = False
        if there and not agreed(replace_question(folder, there), "\n".join(there)):
            remove_folder(Path(job.request["exchange"]))
        else:
            self._job, self._answer, self._state = job, {}, ""
            self._context.submit("work", job)
        self.refresh()

    def _land(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer
        if self.form.to_database and self._database.open and answer["dicom"]:
            self._state = _("Adding to Slicer's DICOM database…")
            self._database.add([Path(path) for path in answer["dicom"]])

    def _added(self) -> None:
        self._state = _("Added to Slicer's DICOM database.")
        self.refresh()

    def _told(self) -> str:
        return written_text(self._answer, self._state) if self._answer else ""

    def _where(self) -> Series:
        """Return where the DICOM series is, if anything needs it."""
        volume = self._context.volume
        if volume is None or not (self.form.of_dicom or self.form.without_names):
            return Series()
        return self._series.of(volume)

    def _words(self) -> list[str]:
        """Return what tells whether the volume shows a head."""
        volume, drawn = self._context.volume, self.segmentation
        words = [volume.GetName() or ""] if volume is not None else []
        if drawn is not None:
            own = drawn.GetSegmentation()
            words += [own.GetSegment(name).GetName() or "" for name in own.GetSegmentIDs()]
        return words

    def _why_not(self, series: Series) -> str:
        """Return why nothing can be written now; empty if it can."""
        volume, drawn = self._context.volume, self.segmentation
        checked = findings_node(self._context.scene, volume, drawn) is not None
        return next(reasons(self.form, volume, drawn, series, checked=checked), "")

    def _job_changed(self, job: Job) -> None:
        if job is not self._job:
            return
        if job.state.over:
            remove_folder(Path(job.request["exchange"]))
            if job.state is not State.DONE:
                # One that had to be killed could not tidy up.
                rest = Path(job.request["folder"]) / job.request["staging"]
                self._context.run(
                    lambda: shutil.rmtree(rest, ignore_errors=True), lambda _none: None
                )
        self.refresh()
