"""What leaves, as what and where to: the form of ``Export.ui``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from MedAssistLib.export import parcel
from MedAssistLib.export.heads import head_in
from MedAssistLib.export.parcel import Parcel, file_name
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.export_series import FOLDER, Series
from MedAssistLib.panel.export_settings import (
    DATABASE,
    DEFACE,
    PROVENANCE,
    SEPARATE,
    SPACES,
    WITHOUT_NAMES,
    ExportSettings,
    format_text,
)
from MedAssistLib.panel.glue import fill, on, open_folder, set_text
from MedAssistLib.panel.handover import modality_of
from MedAssistLib.panel.text import tr as _

_NAME = "ExportName"
_NEUTRAL = "case"
_FACES_IN = ("CT", "MR", "")
_SHOWS_FACES = frozenset({parcel.SCAN, parcel.REPORT})
# The widgets of each kind: its box to tick, and its choice of format.
_WIDGETS = {
    parcel.SEGMENTATION: ("segmentationKind", "segmentationFormat"),
    parcel.SURFACES: ("surfacesKind", "surfacesFormat"),
    parcel.MEASUREMENTS: ("measurementsKind", "measurementsFormat"),
    parcel.FINDINGS: ("findingsKind", "findingsFormat"),
    parcel.REPORT: ("reportKind", "reportFormat"),
    parcel.SCAN: ("scanKind", "scanFormat"),
    parcel.DICOM_REPORT: ("dicomReportKind", ""),
}
_FLAGS = {
    "separate": SEPARATE,
    "withoutNames": WITHOUT_NAMES,
    "deface": DEFACE,
    "provenance": PROVENANCE,
    "toDatabase": DATABASE,
}


class ExportForm:
    """The choices of an export.

    Args:
        context: The panel's.
        ui: The children of the form.
        changed: Called after another choice was made.
    """

    def __init__(self, context: Context, ui: Any, changed: Callable[[], None]) -> None:
        self._context, self._ui, self._changed = context, ui, changed
        self.settings = ExportSettings()
        self._head: bool | None = False
        for kind, names in _WIDGETS.items():
            self._connect(kind, *(getattr(ui, name) if name else None for name in names))
        for widget, name in _FLAGS.items():
            self._connect_flag(getattr(ui, widget), name)
        fill(ui.space, SPACES, 0)
        on(ui.space, "activated(int)", self._choose_space)
        on(ui.exportFolder, "editingFinished()", self._folder_given)
        on(ui.chooseExportFolder, "clicked()", self._choose_folder)
        on(ui.exportName, "editingFinished()", self._name_given)
        on(ui.chooseSeries, "clicked()", self._choose_series)

    @property
    def of_dicom(self) -> bool:
        """Whether something that was chosen refers to the DICOM series of the volume."""
        formats = (self.settings.format(kind) for kind in self.settings.kinds)
        return any(suffix.endswith(".dcm") for suffix in formats)

    @property
    def of_series(self) -> bool:
        """Whether the DICOM series itself shall leave."""
        own = self.settings
        return parcel.SCAN in own.kinds and own.format(parcel.SCAN) == parcel.SERIES

    @property
    def without_names(self) -> bool:
        """Whether nothing shall say who was scanned."""
        return self.settings.flag(WITHOUT_NAMES)

    @property
    def to_database(self) -> bool:
        """Whether DICOM files go into Slicer's database, too."""
        return self.of_dicom and self.settings.flag(DATABASE)

    @property
    def folder(self) -> Path | None:
        """Where to; ``None`` if nowhere yet."""
        text = self.settings.export_folder
        return Path(text).expanduser() if text else None

    @property
    def name(self) -> str:
        """What the names of the files begin with."""
        choices = self._context.choices
        given = file_name(choices.text(_NAME)) if choices else ""
        return given or self._usual_name()

    def parcel(self) -> Parcel:
        """Return what leaves, and as what.

        Raises:
            UsageError: If that does not go together.
        """
        own = self.settings
        return Parcel(
            name=self.name,
            kinds={kind: own.format(kind) for kind in parcel.CHOICES if kind in own.kinds},
            space=own.space,
            separate=own.flag(SEPARATE),
            without_names=self.without_names,
            deface=self._defaceable and own.flag(DEFACE),
            provenance=own.flag(PROVENANCE),
        )

    def show(self, series: Series, words: Sequence[str], *, database: bool) -> None:
        """Show the choices as they are.

        Args:
            series: Where the DICOM series of the volume is.
            words: What tells whether it shows a head.
            database: Whether Slicer has a DICOM database.
        """
        ui, own = self._ui, self.settings
        for kind, (box, choice) in _WIDGETS.items():
            getattr(ui, box).checked = kind in own.kinds
            if choice:
                suffixes = parcel.CHOICES[kind]
                texts = [format_text(suffix) for suffix in suffixes]
                fill(getattr(ui, choice), texts, suffixes.index(own.format(kind)))
                getattr(ui, choice).enabled = kind in own.kinds
        for widget, name in _FLAGS.items():
            getattr(ui, widget).checked = own.flag(name)
        ui.space.currentIndex = SPACES.index(own.space)
        ui.surfaceRow.visible = parcel.SURFACES in own.kinds
        ui.seriesRow.visible = self.of_dicom and self._context.volume is not None
        set_text(ui.seriesState, _("DICOM series: {where}").format(where=series.text))
        self._show_face(words)
        ui.toDatabase.visible = database and self.of_dicom
        if ui.exportFolder.text != own.export_folder:
            ui.exportFolder.text = own.export_folder
        given = self._context.choices.text(_NAME) if self._context.choices else ""
        if ui.exportName.text != given:
            ui.exportName.text = given
        ui.exportName.placeholderText = self._usual_name()

    @property
    def _defaceable(self) -> bool:
        """Whether a scan leaves without names, and may show a head."""
        scan = parcel.SCAN in self.settings.kinds
        return self.without_names and scan and self._head is not False

    def _show_face(self, words: Sequence[str]) -> None:
        """Warn of a face that leaves, and offer to take it out."""
        volume, own = self._context.volume, self.settings
        of_face = volume is not None and modality_of(volume) in _FACES_IN
        self._head = head_in(words) if of_face else False
        self._ui.deface.visible = self._defaceable
        leaves = self.without_names and _SHOWS_FACES & own.kinds
        gone = own.flag(DEFACE) and self._defaceable and parcel.REPORT not in own.kinds
        text = ""
        if self._head is not False and leaves and not gone:
            text = _("⚠ If this is a head, its face can be rebuilt from the scan.")
            if self._head:
                text = _("⚠ This is a head: its face can be rebuilt from the scan.")
            if parcel.REPORT in own.kinds:
                text += " " + _("The report's pictures show a part of it.")
        set_text(self._ui.faceWarning, text)

    def _usual_name(self) -> str:
        volume = self._context.volume
        if volume is None or self.without_names:  # Volumes are often named after patients.
            return _NEUTRAL
        return file_name(volume.GetName() or "") or _NEUTRAL

    def _connect(self, kind: str, box: Any, choice: Any) -> None:
        def tick(chosen: bool) -> None:
            self.settings.choose_kind(kind, chosen=chosen)
            self._changed()

        def choose(row: int) -> None:
            self.settings.choose_format(kind, parcel.CHOICES[kind][row])
            self._changed()

        on(box, "clicked(bool)", tick)
        if choice is not None:
            on(choice, "activated(int)", choose)

    def _connect_flag(self, box: Any, name: str) -> None:
        def tick(chosen: bool) -> None:
            self.settings.set_flag(name, on=chosen)
            self._changed()

        on(box, "clicked(bool)", tick)

    def _choose_space(self, row: int) -> None:
        self.settings.space = SPACES[row]

    def _folder_given(self) -> None:
        self.settings.export_folder = str(self._ui.exportFolder.text).strip()
        self._changed()

    def _choose_folder(self) -> None:
        found = open_folder(_("Where to write"), self.settings.export_folder)
        if found:
            self.settings.export_folder = found
            self._changed()

    def _name_given(self) -> None:
        if self._context.choices:
            self._context.choices.set_text(_NAME, file_name(str(self._ui.exportName.text)))

    def _choose_series(self) -> None:
        volume = self._context.volume
        found = open_folder(_("The DICOM files of the volume"), self.settings.folder)
        if found and volume is not None:
            self.settings.folder = found
            volume.SetAttribute(FOLDER, found)
            self._changed()
