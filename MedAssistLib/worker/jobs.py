"""What the worker can do: one function a verb, from a request to the fields of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MedAssistLib.enhance import enhance, parse_step
from MedAssistLib.errors import UsageError
from MedAssistLib.models import find
from MedAssistLib.progress import Progress
from MedAssistLib.segment import SegmentOptions, segment_in_detail
from MedAssistLib.worker.arrays import read_scan, write_array
from MedAssistLib.worker.cache import ModelCache

Request = Mapping[str, Any]


def run(request: Request, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Run a job.

    Raises:
        MedAssistError: As the verb does, or if the request is not complete.
    """
    verbs = {
        "segment": (_segment, ("scan", "output", "model")),
        "enhance": (_enhance, ("scan", "output")),
    }
    if request.get("verb") not in verbs:
        what = f"there is no job {request.get('verb')!r}"
        raise UsageError(what, hint=f"Known: {', '.join(verbs)}")
    verb, needed = verbs[request["verb"]]
    missing = [name for name in needed if name not in request]
    if missing:
        raise UsageError(f"the request lacks {', '.join(missing)}")
    return verb(request, models, progress)


def _segment(request: Request, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Segment ``scan``, one or a list of channels, with ``model``; write labels to ``output``."""
    progress.part("Preparing", 0.0, 0.01).update(0.0)
    card = find(request["model"])
    options = _options(request)
    given = request["scan"]
    scans = [read_scan(entry) for entry in (given if isinstance(given, list) else [given])]
    result = segment_in_detail(scans, card, options, progress, load=models.load)
    made = result.segmentation
    write_array(sitk.GetArrayViewFromImage(made.labels), Path(request["output"]))
    return {
        "output": request["output"],
        "segments": [asdict(entry) for entry in made.segments],
        "made_by": made.made_by,
        "device": result.device,
        "backend": result.backend,
        "steps": result.steps,
        "seconds": result.seconds,
    }


def _enhance(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Enhance ``scan`` with ``filters``; write the voxels to ``output``."""
    progress.part("Preparing", 0.0, 0.01).update(0.0)
    filters = request.get("filters")
    chain = None if filters is None else tuple(parse_step(text) for text in filters)
    result = enhance(read_scan(request["scan"]), chain, progress)
    write_array(sitk.GetArrayViewFromImage(result.image), Path(request["output"]))
    return {"output": request["output"], "enhancement": list(result.enhancement)}


def _options(request: Request) -> SegmentOptions:
    try:
        return SegmentOptions(**request.get("options", {}))
    except TypeError as error:
        raise UsageError(f"the options are not those of segmenting: {error}") from error
