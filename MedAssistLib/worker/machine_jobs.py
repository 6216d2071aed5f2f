"""The worker's answers about this machine: what it has, and what a run would take of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

from MedAssistLib.machine import free_memory
from MedAssistLib.models import find
from MedAssistLib.progress import Progress
from MedAssistLib.segment.forecast import Extent, forecast
from MedAssistLib.worker.cache import ModelCache

Request = Mapping[str, Any]


def machine(_request: Request, _models: ModelCache, _progress: Progress) -> dict[str, Any]:
    """Return PyTorch's version, the graphics card it can use, and the free memory in bytes."""
    try:
        import torch
    except ImportError as error:
        return {"torch": "", "why": str(error), "memory": free_memory(), "cards": []}
    cards = []
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        cards.append({"name": name, "free": free, "total": total})
    return {
        "torch": metadata.version("torch"),
        "cuda": torch.version.cuda or "",
        "mps": torch.backends.mps.is_available(),
        "memory": free_memory(),
        "cards": cards,
    }


def estimate(request: Request, models: ModelCache, progress: Progress) -> dict[str, Any]:
    """Return how many bytes a run takes at most, of main memory and of a graphics card.

    The scan is given by ``size`` (voxels along i, j, k), ``spacing`` (mm) and ``direction``. The
    result also says what there is, as :func:`machine` does.
    """
    extent = Extent(
        size=tuple(int(n) for n in request["size"]),
        spacing=tuple(float(mm) for mm in request["spacing"]),
        direction=tuple(float(n) for n in request["direction"]),
    )
    found = forecast(find(request["model"]), extent)
    return {
        "main": found.main,
        "card": found.card,
        "machine": machine(request, models, progress),
    }
