"""What the worker can do: one function a verb, from a request to the fields of a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress
from MedAssistLib.worker import (
    check_jobs,
    export_jobs,
    image_jobs,
    machine_jobs,
    model_jobs,
    preview_jobs,
    series_jobs,
    train_jobs,
)
from MedAssistLib.worker.cache import ModelCache

Request = Mapping[str, Any]
Verb = Callable[[Request, ModelCache, Progress], dict[str, Any]]
Tell = Callable[[Mapping[str, Any]], None]
TellingVerb = Callable[[Request, Progress, Tell], dict[str, Any]]

# Each verb with what its request must have.
_VERBS: dict[str, tuple[Verb, tuple[str, ...]]] = {
    "segment": (image_jobs.segment, ("scan", "output", "model")),
    "enhance": (image_jobs.enhance, ("scan", "output")),
    "check": (check_jobs.check, ("scan", "layers")),
    "export": (export_jobs.export, ("scan", "parcel", "folder", "staging")),
    "preview": (preview_jobs.preview, ("scan", "output", "axis", "index")),
    "models": (model_jobs.models, ()),
    "add": (model_jobs.add, ("sources",)),
    "download": (model_jobs.download, ("name",)),
    "remove": (model_jobs.remove, ("name",)),
    "estimate": (machine_jobs.estimate, ("model", "size", "spacing", "direction")),
    "machine": (machine_jobs.machine, ()),
    "oddities": (series_jobs.oddities, ("files",)),
    "look": (train_jobs.look, ("source",)),
}
# Those that tell more than how far they are.
_TELLING: dict[str, tuple[TellingVerb, tuple[str, ...]]] = {
    "train": (train_jobs.train, ("source", "output")),
}


def run(request: Request, models: ModelCache, progress: Progress, tell: Tell) -> dict[str, Any]:
    """Run a job.

    Args:
        request: What is asked for.
        models: The models that stay loaded.
        progress: Told how far it is.
        tell: Called with what else there is to tell meanwhile.

    Raises:
        MedAssistError: As the verb does, or if the request is not complete.
    """
    name = request.get("verb", "")
    known = {**_VERBS, **_TELLING}
    if name not in known:
        raise UsageError(f"there is no job {name!r}", hint=f"Known: {', '.join(known)}")
    missing = [field for field in known[name][1] if field not in request]
    if missing:
        raise UsageError(f"the request lacks {', '.join(missing)}")
    if name in _TELLING:
        return _TELLING[name][0](request, progress, tell)
    return _VERBS[name][0](request, models, progress)
