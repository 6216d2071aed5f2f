"""The worker's jobs on the user's folder of models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MedAssistLib.models import catalogue, formats, install, store
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.download import announced_size
from MedAssistLib.models.record import Record
from MedAssistLib.models.weights import installed
from MedAssistLib.progress import Progress
from MedAssistLib.worker.cache import ModelCache

Request = Mapping[str, Any]


def models(_request: Request, _models: ModelCache, _progress: Progress) -> dict[str, Any]:
    """Return what there is to know of every model at hand, and of those that can be had.

    ``unreadable`` has the models that are left out, by name, each with why.
    """
    shelf = store.shelf()
    at_hand = [_described(card, record) for card, record in shelf.models]
    names = {entry["name"] for entry in at_hand}
    offered = [_offered(entry) for entry in catalogue.entries() if entry.name not in names]
    return {
        "models": at_hand,
        "unreadable": {name: error.what for name, error in shelf.unreadable.items()},
        "offered": offered,
        "folder": str(store.models_folder()),
    }


def add(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Copy a model from ``sources``, its folder, zip or files, into the user's folder."""
    return {"name": install.add([Path(source) for source in request["sources"]], progress)}


def download(request: Request, _models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Download the model ``name``; with ``announce`` only ask how large it is."""
    entry = catalogue.entry(request["name"])
    install.require_obtainable(entry)
    if request.get("announce"):
        sizes = [file.size or announced_size(file.url, progress) for file in entry.files]
        return {**_offered(entry), "size": sum(sizes)}
    name, first = install.download(entry, progress)
    return {"name": name, "unknown_hashes": [url for url, new in first.items() if new]}


def remove(request: Request, models: ModelCache, _progress: Progress) -> dict[str, Any]:
    """Delete the model ``name`` from the user's folder."""
    models.clear()  # Windows deletes no file that is in use.
    size = store.occupied(request["name"])
    store.remove(request["name"])
    return {"name": request["name"], "freed": size}


def _described(card: ModelCard, record: Record | None) -> dict[str, Any]:
    return {
        "name": card.name,
        "title": card.title,
        "version": card.version,
        "format": card.format,
        "modality": card.modality,
        "channels": card.channels,
        "spacing": card.spacing,
        "labels": [entry.name for entry in card.segments],
        "licence": card.licence,
        "terms": record.terms if record else "",
        "source": card.source,
        "intended_use": card.intended_use,
        "accuracy": card.accuracy,
        "installed": installed(card),
        "package": card.package,
        "stored": record is not None,
        "size": sum(file.size for file in card.weights.values()),
        "program": card.format in ("torchscript", "torch-export"),
        "patchwise": formats.is_tiled(card) or card.format == "totalsegmentator",
    }


def _offered(entry: catalogue.Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "version": entry.version,
        "modality": entry.modality,
        "licence": entry.licence,
        "terms": entry.terms,
        "source": entry.source,
        "size": entry.size,
        "obtainable": bool(entry.files),
    }
