"""The plan of a training, put there by somebody or made, and the disk that it takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from MedAssistLib.archive import require_space
from MedAssistLib.errors import InputError
from MedAssistLib.machine import free_memory
from MedAssistLib.train.adopting import adopted
from MedAssistLib.train.dataset import TrainingSet
from MedAssistLib.train.design import Room, make_plan, room_of
from MedAssistLib.train.facts import CaseFacts
from MedAssistLib.train.fingerprint import Fingerprint
from MedAssistLib.train.plan import TrainPlan, read_plan, write_plan
from MedAssistLib.train.start import Start

# Prepared cases of so many bytes are worth a word.
_MUCH = 10**9


def plan_of(  # noqa: PLR0913, PLR0917
    dataset: TrainingSet,
    facts: Sequence[CaseFacts],
    found: Fingerprint,
    path: Path,
    start: Start | None,
    device: str,
) -> TrainPlan:
    """Return the plan that somebody put there, or make one and put it there.

    Args:
        dataset: The cases that are learned from.
        facts: What is known of each.
        found: What they are like together.
        path: The plan's file.
        start: The model to start from, if there is one.
        device: Where networks are trained, such as ``"cuda"``.

    Raises:
        InputError: If the plan makes no sense or is for another number of channels, or there is
            nothing to learn.
        ResourceError: If the plan cannot be written.
    """
    if path.is_file():
        plan = read_plan(path)
        if len(plan.normalisation) != len(dataset.channels):
            what = f"is for {len(plan.normalisation)} channels, not {len(dataset.channels)}"
            raise InputError(what, where=path, hint="Correct it, or delete it to have it made anew")
        return plan
    if not found.channels:
        hint = "Check that the label images hold the labels that the data set names"
        raise InputError("no case has any of the structures", where=dataset.folder, hint=hint)
    plan = make_plan(found, dataset.modality, dataset.structures, _room(device))
    if start:
        stored = Counter(each.channels[0].grid.orientation for each in facts)
        plan = adopted(plan, start, stored.most_common(1)[0][0], dataset.structures)
    write_plan(path, plan)
    return plan


def require_disk(
    work: Path, facts: Sequence[CaseFacts], plan: TrainPlan, say: Callable[[str], None]
) -> None:
    """Say how much disk the prepared cases will take, if it is much; refuse what does not fit.

    Args:
        work: The folder that they will lie in.
        facts: What is known of them.
        plan: On which grid they will be.
        say: Told in a line.

    Raises:
        ResourceError: If too little is free.
    """
    volume = 0.0
    for each in facts:
        grid = each.channels[0].grid
        size = each.box[1] if plan.crop_to_nonzero and each.box else grid.size
        volume += math.prod(size) * math.prod(grid.spacing)
    # Channels and labels, in half precision.
    room = round(2 * (len(plan.normalisation) + 1) * volume / math.prod(plan.spacing))
    if room > _MUCH:
        say(f"the {len(facts)} prepared cases take {room / 1e9:.1f} GB in {work} for so long")
    require_space(work, room, "Choose a folder on a larger disk, or a larger spacing in the plan")


def _room(device: str) -> Room:
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return room_of(device, free)
    # Of the memory that Apple's chips share with the screen, half is for others.
    return room_of(device, free_memory() // 2)
