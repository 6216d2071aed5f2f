"""What the worker can do: one function a verb, from a request to the fields of a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress
from MedAssistLib.worker import image_jobs, machine_jobs, model_jobs, preview_jobs
from MedAssistLib.worker.cache import ModelCache

Request = Mapping[str, Any]
Verb = Callable[[Request, ModelCache, Progress], dict[str, Any]]

# Each verb with what its request must have.
_VERBS: dict[str, tuple[Verb, tuple[str, ...]]] = {
    "segment": (image_jobs.segment, ("scan", "output", "model")),
    "enhance": (image_jobs.enhance, ("scan", "output")),
    "preview": (preview_jobs.preview, ("scan", "output", "axis", "index")),
    "models": (model_jobs.models, ()),
    "add": (model_jobs.add, ("sources",)),
    "download": (model_jobs.download, ("name",)),
    "remove": (model_jobs.remove, ("name",)),
    "estimate": (machine_jobs.estimate, ("model", "size", "spacing", "direction")),
    "machine": (machine_jobs.machine, ()),
}


def run(request: Request, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Run a job.

    Raises:
        MedAssistError: As the verb does, or if the request is not complete.
    """
    if request.get("verb") not in _VERBS:
        what = f"there is no job {request.get('verb')!r}"
        raise UsageError(what, hint=f"Known: {', '.join(_VERBS)}")
    verb, needed = _VERBS[request["verb"]]
    missing = [name for name in needed if name not in request]
    if missing:
        raise UsageError(f"the request lacks {', '.join(missing)}")
    return verb(request, models, progress)
