"""The worker's previews: one slice of a chain, with what was computed for the scan kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MedAssistLib.enhance import Preview
from MedAssistLib.progress import Progress
from MedAssistLib.worker.arrays import grid_fields, read_scan, write_array
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.image_jobs import chain_of

Request = Mapping[str, Any]

# The scan that was previewed last, by its file.
_kept: dict[str, Preview] = {}


def preview(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Compute slice ``index`` across ``axis`` of ``scan`` after ``filters``.

    It is written to ``output``. With ``draft`` a quick approximation is enough, if the result
    says that it is not ``exact``.
    """
    progress.part("Preview", 0.0, 1.0).update(0.0)
    made = _preview_of(request["scan"])
    compute = made.draft if request.get("draft") else made.slice
    shown = compute(chain_of(request) or (), request["axis"], request["index"], progress)
    write_array(sitk.GetArrayViewFromImage(shown.image), Path(request["output"]))
    return {"output": request["output"], "exact": shown.exact, **grid_fields(shown.image)}


def _preview_of(description: Mapping[str, Any]) -> Preview:
    name = str(description["array"])
    if name not in _kept:
        for old in _kept.values():
            old.close()
        _kept.clear()
        _kept[name] = Preview(read_scan(description))
    return _kept[name]
