"""TotalSegmentator's models: networks of nnU-Net, several of which may make up one task.

TotalSegmentator turns a scan to RAS and runs each data set's network; the labels of a later one
paint over those of an earlier one. Scores are brought back to the scan's grid as nnU-Net does,
which is what TotalSegmentator's option ``higher_order_resampling`` asks for; without it, it brings
back labels, by the nearest voxel.

Wasserthal et al. 2023, doi:10.1148/ryai.230024.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.formats.nnunet import tiled
from MedAssistLib.models.formats.nnunet_folder import TrainedFolder
from MedAssistLib.models.formats.totalsegmentator_card import part_name
from MedAssistLib.models.plan import Part, PartedModel, TiledModel
from MedAssistLib.models.weights import locate

# The tasks for the whole body, at every voxel size, are run with patches further apart.
_WHOLE_BODY = ("total", "total_v3", "total_mr")
_WIDE_STEP = 0.8


def load(card: ModelCard) -> TiledModel | PartedModel:
    """Make a task ready to run; each network is read when its turn comes.

    Args:
        card: A card of :func:`~MedAssistLib.models.formats.totalsegmentator_card.describe`; parts
            and folds whose weights it does not have are left out.

    Raises:
        ModelError: If its files are missing, unsafe, or name something that is not known here.
    """
    there = {part_name(role) for role in card.weights}
    parts = [_part(card, entry) for entry in card.architecture["parts"] if entry["name"] in there]
    # The only part of a task has the task's own labels.
    return PartedModel(parts=tuple(parts)) if parts[0].name else parts[0].model


def _part(card: ModelCard, entry: dict[str, Any]) -> Part:
    paths = [locate(card, role) for role in card.weights if part_name(role) == entry["name"]]
    model = tiled(TrainedFolder(card.folder / entry["folder"]), paths, trusted=card.trusted)
    plan = replace(model.plan, orientation=card.orientation)
    if card.architecture["task"].partition("-")[0] in _WHOLE_BODY:
        plan = replace(plan, window=replace(plan.window, step=_WIDE_STEP))
    return Part(name=entry["name"], model=replace(model, plan=plan), labels=entry["labels"])
