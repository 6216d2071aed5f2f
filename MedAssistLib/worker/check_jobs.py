"""The worker's job of checking a scan and what was drawn on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Finding, Scan, Segment, Segmentation, Severity
from MedAssistLib.progress import Progress
from MedAssistLib.worker.arrays import read_scan
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.labels import read_labels
from MedAssistLib.worker.second_reader import write_second

Request = Mapping[str, Any]

_TOLERANCE = 1e-3  # voxels: file formats round


def check(request: Request, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Check ``scan`` and its ``layers`` of labels; the result's ``found`` is a findings file.

    ``age``, ``sex`` and ``model`` are what else is known, and ``earlier``, the name of a findings
    file, has the answers that the same findings had before. The result's ``drawn_as`` has the names
    that structures of the model have in the drawing. With ``device`` the model is run there as a
    second reader; with ``second``, the name of an ``.npz`` file, what it drew of the
    structures that findings are about goes there (see
    :func:`MedAssistLib.worker.second_reader.write_second`), and the result has ``second``.
    """
    progress.part("Preparing", 0.0, 0.05).update(0.0)
    from MedAssistLib import check as checking
    from MedAssistLib.check.findings_file import FindingsFile, read_json, to_data
    from MedAssistLib.models import find
    from MedAssistLib.models.formats import suited

    scan = read_scan(request["scan"])
    card = suited(find(request["model"]), scan.image) if request.get("model") else None
    options = checking.CheckOptions(card=card, age=request.get("age"), sex=request.get("sex") or "")
    layers, notes = _layers(request["layers"], scan)
    drawn_as: dict[str, str] = {}
    opinion, began = None, 0.05
    if card and layers:
        if request.get("device"):
            asking, began = progress.part("Asking the second reader", 0.05, 0.7), 0.7
            opinion, doubts = checking.ask_if_possible(
                scan, card, device=request["device"], progress=asking, load=models.load
            )
            notes += doubts
        own = {segment.label: segment.name for segment in layers[0].segments}
        layers[0], more = checking.named(layers[0], _not_in(layers[1:], card.segments))
        drawn_as = {s.name: own[s.label] for s in layers[0].segments if s.label in own}
        notes += more
    first = layers[0] if layers else None
    part = progress.part("Checking", began, 1.0)
    found = checking.check(scan, first, options, part, layers=tuple(layers[1:]), opinion=opinion)
    earlier = read_json(Path(request["earlier"])).findings if request.get("earlier") else ()
    result = FindingsFile(
        findings=checking.with_answers(checking.ranked((*found, *notes)), earlier),
        scan=scan.name,
        segmentation=first.made_by if first else "",
        model=card.name if card else "",
    )
    answer = {"found": to_data(result), "drawn_as": drawn_as}
    if opinion and request.get("second"):
        names = {finding.structure for finding in result.findings}
        path = Path(request["second"])
        answer["second"] = write_second(names, layers, opinion.segmentation, path)
    return answer


def _layers(
    descriptions: Sequence[Mapping[str, Any]], scan: Scan
) -> tuple[list[Segmentation], list[Finding]]:
    """Bring layers to the scan's grid, as few as do without overlaps, and say what was lost."""
    from MedAssistLib.check import placed

    layers, notes = list[Segmentation](), list[Finding]()
    for description in descriptions:
        made = read_labels(description)
        cropped = _shares_voxels(made, scan)
        made, said = placed(made, scan)
        # Slicer crops what is drawn: that such a layer was on another grid is nobody's concern.
        notes += [note for note in said if not cropped or note.severity is not Severity.INFO]
        together = _together(layers[0], made) if layers else None
        if together is not None:
            layers[0] = together
        else:
            layers.append(made)
    return layers, notes


def _together(first: Segmentation, second: Segmentation) -> Segmentation | None:
    """Return two layers as one, with new label values in the second; ``None`` if they overlap."""
    low, high = (sitk.GetArrayViewFromImage(made.labels) for made in (first, second))
    if np.any((low > 0) & (high > 0)):
        return None
    highest = max(segment.label for segment in first.segments)
    moved = tuple(replace(own, label=own.label + highest) for own in second.segments)
    labels = np.where(high > 0, high.astype(np.int32) + highest, low)
    image = geometry.from_array(labels.astype(np.int32), grid=first.labels)
    return replace(first, labels=image, segments=(*first.segments, *moved))


def _not_in(layers: Sequence[Segmentation], known: Sequence[Segment]) -> list[Segment]:
    """Return a model's segments that are not drawn in these layers."""
    names = {segment.name.lower() for layer in layers for segment in layer.segments}
    return [segment for segment in known if segment.name.lower() not in names]


def _shares_voxels(made: Segmentation, scan: Scan) -> bool:
    """Tell whether the voxels of a layer are some of the scan's."""
    to_scan = np.linalg.inv(geometry.index_to_lps(scan.image)) @ geometry.index_to_lps(made.labels)
    apart = to_scan - np.eye(4)
    apart[:3, 3] -= np.round(apart[:3, 3])
    corner = np.array([*made.labels.GetSize(), 1])
    return bool((np.abs(apart) @ corner).max() < _TOLERANCE)
