"""The worker's answers about this machine: what it has, and what a run would take of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.errors import ModelError, UsageError
from MedAssistLib.models import find, formats
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.plan import PartedModel, TiledModel
from MedAssistLib.progress import Progress
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.memory import free_memory

Request = Mapping[str, Any]

# The networks that see a whole scan work on grids of a fixed size: 1.3 GB at most on a processor,
# as measured with deepbet's, and half as much again for other scans and cards.
_WHOLE_NETWORK = 2 * 10**9


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
    main, card = _needed(find(request["model"]), request)
    return {"main": main, "card": card, "machine": machine(request, models, progress)}


def _needed(card: ModelCard, request: Request) -> tuple[int, int]:
    if not (formats.is_tiled(card) or card.format == "totalsegmentator"):
        return _WHOLE_NETWORK, _WHOLE_NETWORK
    try:
        model = formats.load(card, "cpu")
    except ImportError as error:
        raise ModelError("PyTorch is not installed") from error
    found = [_of_tiled(part, request) for part in _parts(model)]
    return max(main for main, _ in found), max(own for _, own in found)


def _parts(model: Any) -> list[TiledModel]:
    """Return the networks that run one after the other."""
    if isinstance(model, PartedModel):
        return [part.model for part in model.parts]
    stages, stage = [], model
    while stage is not None:
        stages.append(stage)
        stage = stage.previous
    return stages


def _of_tiled(model: TiledModel, request: Request) -> tuple[int, int]:
    """Return the bytes of main memory for a run on the processor, and of a graphics card."""
    from MedAssistLib.segment.engine.memory import estimate as estimated
    from MedAssistLib.segment.engine.memory import first_settings
    from MedAssistLib.segment.engine.options import TiledOptions

    size, spacing = _along_the_model(model, request)
    needs = []
    for device in ("cpu", "cuda"):
        settings = first_settings(model.plan, TiledOptions(device=device))
        found = estimated(size, spacing, model.plan, settings, members=len(model.members))
        needs.append(found.on(device, settings))
    return needs[0], needs[1]


def _along_the_model(model: TiledModel, request: Request) -> tuple[Any, Any]:
    """Return size and spacing of the scan along the axes of the model."""
    size, spacing = [int(n) for n in request["size"]], [float(mm) for mm in request["spacing"]]
    if len(size) != 3 or min(size) < 1 or not all(map(math.isfinite, spacing)):
        raise UsageError("the size or spacing is not that of a volume")
    grid = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    grid.SetDirection(request["direction"])
    if model.plan.orientation:
        here, there = geometry.orientation(grid), model.plan.orientation
        axis = {letter: number for number, letter in enumerate(map(_axis, here))}
        order = [axis[_axis(letter)] for letter in there]
        size, spacing = [size[n] for n in order], [spacing[n] for n in order]
    along = [2 - n for n in model.plan.transpose]
    return tuple(size[n] for n in along), tuple(spacing[n] for n in along)


def _axis(letter: str) -> str:
    return next(pair for pair in ("RL", "AP", "SI") if letter in pair)
