"""An export as a job: what is handed over, and what is there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import SimpleITK as sitk

from MedAssistLib.case import Finding, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export import parcel
from MedAssistLib.export.parcel import Parcel
from MedAssistLib.files import write_text
from MedAssistLib.panel.export_series import Series
from MedAssistLib.panel.findings_node import to_text
from MedAssistLib.panel.folders import new_folder
from MedAssistLib.panel.handover import Snapshot, snapshot
from MedAssistLib.panel.jobs import Job
from MedAssistLib.panel.label_layers import Layer, layers_of
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.from_nodes import segment_of
from MedAssistLib.worker.arrays import describe_array, describe_scan

if TYPE_CHECKING:
    from MedAssistLib.scene.labelled import Drawn

_STAGING = ".medassist-"
_OF_LABELS = frozenset(
    {
        parcel.SEGMENTATION,
        parcel.SURFACES,
        parcel.MEASUREMENTS,
        parcel.REPORT,
        parcel.DICOM_REPORT,
    }
)


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
    layers = _layers(order)
    name = (order.segmentation or order.volume).GetName()
    job = Job(title=_("Export {name}").format(name=name), verb="export")
    exchange, notes = new_folder(job.id), list(_of_transform(order.volume))
    job.request = {
        "parcel": asdict(order.parcel),
        "folder": str(order.folder),
        "staging": _STAGING + job.id,
        "series": order.series.request,
        "age": order.age,
        "sex": order.sex,
        "exchange": str(exchange),
    }
    # No node goes with it: the job stays in the list when the scene is long gone.
    handed = _Handed(order.parcel, taken, layers, order.found)
    job.prepare = cache(lambda: _written(handed, exchange, notes))
    job.land = lambda _job, answer: land({**answer, "notes": notes})
    return job


def _layers(order: Order) -> list[Layer]:
    """Return what was drawn as it was drawn, if a format that keeps all of it was chosen."""
    as_drawn = order.parcel.kinds.get(parcel.SEGMENTATION) == parcel.SLICER
    if order.segmentation is None or not as_drawn:
        return []
    try:
        return layers_of(order.segmentation, order.volume)
    except InputError:  # Surfaces alone, or warped by a transform: it has to be made anew.
        return []


class _Handed(NamedTuple):
    """What is handed over: as what, the voxels, the same as they were drawn, and the findings."""

    wanted: Parcel
    taken: Snapshot | Drawn
    layers: Sequence[Layer]
    found: Mapping[str, Any] | None


def _written(handed: _Handed, folder: Path, notes: list[str]) -> dict[str, Any]:
    """Write what the worker reads; runs in a thread."""
    written: dict[str, Any] = {}
    wanted, taken, layers, found = handed
    if isinstance(taken, Snapshot):
        written["scan"] = taken.write(folder / "scan.npy")
    else:
        scan, drawn = taken.read()
        written["scan"] = describe_scan(scan, folder / "scan.npy")
        written["labels"] = _labels(drawn.segmentation, folder / "labels.npy")
        if drawn.findings:
            written["layers"] = [
                layer.write(folder / f"layer-{number}.npy") for number, layer in enumerate(layers)
            ]
            notes += _lost(wanted, drawn.findings, kept=bool(layers))
    if found:
        write_text(folder / "findings.json", to_text(found))
        written["findings"] = str(folder / "findings.json")
    return written


def _lost(wanted: Parcel, findings: Sequence[Finding], *, kept: bool) -> Iterator[str]:
    """Yield what one label image could not take over, if something is made of that."""
    flat = _OF_LABELS & set(wanted.kinds) - ({parcel.SEGMENTATION} if kept else set())
    if not flat:
        return
    yield from map(_note, findings)
    if kept:
        yield _("The segmentation itself, as Slicer (.seg.nrrd), has all as it was drawn.")
    elif wanted.kinds.get(parcel.SEGMENTATION, parcel.SLICER) != parcel.SLICER:
        yield _("As Slicer (.seg.nrrd) a segmentation leaves with all as it was drawn.")


def _labels(made: Segmentation, path: Path) -> dict[str, Any]:
    voxels = sitk.GetArrayViewFromImage(made.labels)
    described = describe_array(voxels, made.labels, path, modality="", enhancement=())
    segments = [asdict(segment) for segment in made.segments]
    return {**described, "segments": segments, "made_by": made.made_by}


def _of_transform(volume: Any) -> Iterator[str]:
    """Yield that the files lie elsewhere than what is seen, if they do."""
    above = volume.GetParentTransformNode()
    if above is not None:
        text = _(
            "The files lie where the scan itself does, not where the transform {name} moves it in "
            "the scene. Harden the transform first if they shall be moved too."
        )
        yield text.format(name=above.GetName() or "")


def _note(finding: Finding) -> str:
    return f"{finding.title}. {finding.explanation}".replace("..", ".")
