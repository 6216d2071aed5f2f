"""The worker's jobs on DICOM files that Slicer has loaded by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import find_volumes
from MedAssistLib.worker.cache import ModelCache

Request = Mapping[str, Any]


def oddities(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Say what is odd about where the slices of ``files`` lie, by their headers alone.

    Nothing is said if one of the files cannot be read: its slice would seem to be missing.
    """
    found = find_volumes([Path(name) for name in request["files"]], progress)
    if found.refused:
        return {"odd": []}
    odd = [finding.title for volume in found.volumes for finding in volume.geometry]
    if len(found.volumes) > 1:
        parts = ", ".join(volume.split or volume.description for volume in found.volumes)
        odd.append(f"Its files make {len(found.volumes)} volumes, not one: {parts}.")
    return {"odd": list(dict.fromkeys(odd))}
