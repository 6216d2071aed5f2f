"""The worker's jobs on scans: segmenting and enhancing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MedAssistLib import enhance as enhancing
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import UsageError
from MedAssistLib.measure import measure
from MedAssistLib.models import find
from MedAssistLib.progress import Progress
from MedAssistLib.scene.segmentations import label_values
from MedAssistLib.scene.volumes import storable
from MedAssistLib.segment import SegmentOptions, segment_in_detail
from MedAssistLib.worker.arrays import (
    grid_fields,
    read_scan,
    window_of,
    write_array,
    write_surfaces,
)
from MedAssistLib.worker.cache import ModelCache

Request = Mapping[str, Any]


def segment(request: Request, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Segment ``scan``, one or a list of channels, with ``model``; write labels to ``output``.

    With ``measure`` the result has measurements; with ``surfaces``, the name of an ``.npz`` file,
    the surface of each structure is written there (see :func:`write_surfaces`). ``trusted`` is
    the user's word that the model's weights may run the programs that they hold.
    """
    progress.part("Preparing", 0.0, 0.01).update(0.0)
    card = replace(find(request["model"]), trusted=bool(request.get("trusted")))
    options = _options(request)
    given = request["scan"]
    scans = [read_scan(entry) for entry in (given if isinstance(given, list) else [given])]
    share = 0.9 if request.get("measure") or request.get("surfaces") else 1.0
    result = segment_in_detail(
        scans, card, options, progress.part("Segmenting", 0.0, share), load=models.load
    )
    made = result.segmentation
    write_array(label_values(made), Path(request["output"]))
    return {
        "output": request["output"],
        "segments": [asdict(entry) for entry in made.segments],
        "made_by": made.made_by,
        "device": result.device,
        "backend": result.backend,
        "steps": result.steps,
        "seconds": result.seconds,
        "doubts": [finding.title for finding in result.findings],
        **_extras(request, scans[0], made, progress.part("Measuring", 0.9, 1.0)),
    }


def enhance(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Enhance ``scan`` with ``filters``; write the voxels to ``output``.

    The values are of a type that a scene can hold, and ``window`` says which of them to tell apart.
    """
    progress.part("Preparing", 0.0, 0.01).update(0.0)
    scan = read_scan(request["scan"])
    result = enhancing.enhance(scan, chain_of(request), progress)
    values = sitk.GetArrayViewFromImage(storable(result.image, "the enhanced volume"))
    write_array(values, Path(request["output"]))
    return {
        "output": request["output"],
        "window": window_of(values),
        "enhancement": list(result.enhancement),
        **grid_fields(result.image),
    }


def chain_of(request: Request) -> Sequence[enhancing.Step] | None:
    """Return the steps that a request names; ``None`` for the default of the modality."""
    filters = request.get("filters")
    return None if filters is None else tuple(enhancing.parse_step(text) for text in filters)


def _extras(request: Request, scan: Scan, made: Segmentation, progress: Progress) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if request.get("measure"):
        measured = measure(scan, made, progress.part("Measuring", 0.0, 0.4))
        found["measurements"] = [asdict(entry) for entry in measured]
    if request.get("surfaces"):
        progress.part("Making surfaces", 0.4, 1.0).update(0.0)
        write_surfaces(made, Path(request["surfaces"]))
        found["surfaces"] = request["surfaces"]
    progress.update(1.0)
    return found


def _options(request: Request) -> SegmentOptions:
    try:
        given = dict(request.get("options", {}))
        for name in ("classes", "folds", "region"):
            if given.get(name) is not None:
                given[name] = tuple(given[name])
        return SegmentOptions(**given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the options are not those of segmenting: {error}") from error
