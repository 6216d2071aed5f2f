"""Why nothing can be written now, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from MedAssistLib.export import parcel
from MedAssistLib.panel.export_form import ExportForm
from MedAssistLib.panel.export_series import Series
from MedAssistLib.panel.text import tr as _

_DRAWN = frozenset({parcel.SEGMENTATION, parcel.SURFACES, parcel.MEASUREMENTS, parcel.DICOM_REPORT})


def reasons(
    form: ExportForm, volume: Any, segmentation: Any, series: Series, *, checked: bool
) -> Iterator[str]:
    """Yield what is missing, the first thing to do first.

    Args:
        form: What shall be written.
        volume: Node of the scan, or None.
        segmentation: Node of what was drawn on it, or None.
        series: Where the DICOM series of the volume is.
        checked: Whether there are findings, be it none.
    """
    kinds = form.settings.kinds
    if volume is None:
        yield _("Choose a volume in the section Input.")
        return
    if not kinds:
        yield _("Tick what shall be written.")
    if _DRAWN & kinds and segmentation is None:
        yield _("There is no segmentation: make or choose one, or tick only what needs none.")
    if parcel.FINDINGS in kinds and not checked:
        yield _("Nothing was checked yet: see the section Check, or untick Findings.")
    if form.of_dicom and series.searching:
        yield _("Looking for the DICOM files of the volume…")
    if form.of_dicom and not series.known:
        yield _(
            "DICOM files refer to the series that the volume was read from. Load it from Slicer's "
            "DICOM database, choose the folder of its files, or take other formats."
        )
    if form.of_series and not form.without_names:
        yield _("The DICOM series leaves only without names; its files are there already.")
    if form.folder is None:
        yield _("Choose a folder.")
