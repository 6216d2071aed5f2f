"""An export as a job: what is handed over, and what is there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.export.parcel import Parcel
from MedAssistLib.files import write_text
from MedAssistLib.panel.export_series import Series
from MedAssistLib.panel.findings_node import to_text
from MedAssistLib.panel.folders import new_folder
from MedAssistLib.panel.handover import Snapshot, modality_of, snapshot
from MedAssistLib.panel.jobs import Job
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.from_nodes import segment_of
from MedAssistLib.worker.arrays import describe_array

if TYPE_CHECKING:
    from MedAssistLib.scene.labelled import Drawn

_STAGING = ".medassist-"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be written.

    Attributes:
        parcel: What leaves, and as what.
        folder: Where to.
        volume: Node of the scan.
        segmentation: Node of what was drawn on it, or ``None``.
        found: The findings file, if there is one.
        series: Where the DICOM series of the scan is.
        age: Age of the person in years, if it is known.
        sex: ``"F"``, ``"M"``, or empty if not known.
    """

    parcel: Parcel
    folder: Path
    volume: Any
    segmentation: Any
    found: Mapping[str, Any] | None
    series: Series
    age: float | None
    sex: str

    def names(self) -> list[str]:
        """Return the names of the files that may be written."""
        segments = []
        if self.segmentation is not None:
            own = self.segmentation.GetSegmentation()
            names = own.GetSegmentIDs()
            segments = [segment_of(own.GetSegment(name), n) for n, name in enumerate(names, 1)]
        return list(self.parcel.names(segments))


def already_there(folder: Path, names: list[str]) -> list[str]:
    """Return which of some names a folder has already. For any thread: a network may be slow."""
    # Path.exists fails in folders that may not be looked into.
    return [name for name in dict.fromkeys(names) if os.path.exists(folder / name)]  # noqa: PTH110


def export_job(order: Order, land: Callable[[Mapping[str, Any]], None]) -> Job:
    """Return the job of writing; its request's ``exchange`` is to be removed when it is over.

    What is handed over is looked at now, whatever becomes of the nodes meanwhile.

    Args:
        order: What is to be written.
        land: Takes the worker's answer, in the window's thread, with ``notes`` on what could not
            be taken over from the scene.

    Raises:
        InputError: If the volume or the segmentation cannot be handed over.
        ResourceError: If there is no place for the files that are exchanged.
    """
    taken: Snapshot | Drawn = snapshot(order.volume)
    if order.segmentation is not None:
        # It brings the writers of images with it, which the panel can do without while it opens.
        from MedAssistLib.scene.labelled import take

        taken = take(order.segmentation, order.volume)
    name = (order.segmentation or order.volume).GetName()
    job = Job(title=_("Export {name}").format(name=name), verb="export")
    exchange, notes = new_folder(job.id), list[str]()
    job.request = {
        "parcel": asdict(order.parcel),
        "folder": str(order.folder),
        "staging": _STAGING + job.id,
        "series": order.series.request,
        "age": order.age,
        "sex": order.sex,
        "exchange": str(exchange),
    }
    modality = modality_of(order.volume)
    job.prepare = cache(lambda: _written(taken, modality, order.found, exchange, notes))
    job.land = lambda _job, answer: land({**answer, "notes": notes})
    return job


def _written(
    taken: Snapshot | Drawn,
    modality: str,
    found: Mapping[str, Any] | None,
    folder: Path,
    notes: list[str],
) -> dict[str, Any]:
    """Write what the worker reads; runs in a thread."""
    written: dict[str, Any] = {}
    if isinstance(taken, Snapshot):
        written["scan"] = taken.write(folder / "scan.npy")
    else:
        scan, drawn = taken.read()
        notes += map(_note, drawn.findings)
        written["scan"] = _described(scan, modality, folder / "scan.npy")
        written["labels"] = _labels(drawn.segmentation, folder / "labels.npy")
    if found:
        write_text(folder / "findings.json", to_text(found))
        written["findings"] = str(folder / "findings.json")
    return written


def _described(scan: Scan, modality: str, path: Path) -> dict[str, Any]:
    voxels = sitk.GetArrayViewFromImage(scan.image)
    return describe_array(voxels, scan.image, path, modality=modality, enhancement=scan.enhancement)


def _labels(made: Segmentation, path: Path) -> dict[str, Any]:
    voxels = sitk.GetArrayViewFromImage(made.labels)
    described = describe_array(voxels, made.labels, path, modality="", enhancement=())
    segments = [asdict(segment) for segment in made.segments]
    return {**described, "segments": segments, "made_by": made.made_by}


def _note(finding: Finding) -> str:
    return f"{finding.title}. {finding.explanation}".replace("..", ".")
