"""A model to start from: its network, how it is run, and its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models import find
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.formats import load_tiled, nnunet_card
from MedAssistLib.models.formats.nnunet_checkpoint import read_training
from MedAssistLib.models.formats.nnunet_folder import TrainedFolder
from MedAssistLib.models.formats.nnunet_network import architecture
from MedAssistLib.models.plan import InferencePlan
from MedAssistLib.models.weights import locate
from MedAssistLib.train.augment import Size
from MedAssistLib.train.plan import TrainPlan, voxels_at_the_bottom
from MedAssistLib.train.publish import FORMAT

_SIDES = "LR"


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A model to start from.

    Attributes:
        network: The class of its network.
        arguments: The arguments of that class.
        plan: How it is run.
        weights: Of its first network, tensors by name.
    """

    network: str
    arguments: Mapping[str, Any]
    plan: InferencePlan
    weights: Mapping[str, torch.Tensor]


def read_start(model: Path) -> Start:
    """Read a model to start from.

    Args:
        model: Its folder, or its name.

    Raises:
        ModelError: If it is none that MedAssist or nnU-Net trained in three dimensions.
    """
    card = find(str(model))
    hint = "Start from a 3-D model that MedAssist or nnU-Net trained"
    if card.format not in (FORMAT, nnunet_card.FORMAT):
        raise ModelError("cannot be trained further here", where=model, hint=hint)
    plan = load_tiled(card).plan
    if plan.flat or plan.cascade or not plan.spacing:
        what = "is 2-D, or the second stage of a cascade, and cannot be trained further here"
        raise ModelError(what, where=model, hint=hint)
    path = locate(card, next(iter(card.weights)))
    if card.format == FORMAT:
        name, arguments = (card.architecture[key] for key in ("network_class_name", "arch_kwargs"))
        weights = read_checkpoint(path)
    else:
        name, arguments, weights = _of_nnunet(card, path)
    return Start(network=name.rpartition(".")[2], arguments=arguments, plan=plan, weights=weights)


def _of_nnunet(
    card: ModelCard, path: Path
) -> tuple[str, Mapping[str, Any], Mapping[str, torch.Tensor]]:
    training = read_training(path)
    fields = TrainedFolder(card.folder).configuration(training.configuration)
    return (*architecture(fields, training.trainer), training.weights)


def adopted(plan: TrainPlan, start: Start) -> TrainPlan:
    """Return a plan with the network of a model to start from, and what that network is used to.

    Args:
        plan: The plan that suits the data.
        start: The model. Its grid is taken over, and how it sees intensities if it has as many
            channels; patches stay about as large as the plan's.
    """
    given = start.plan
    # The order of the network's axes (k, j, i) is part of the orientation here.
    stored = (given.orientation or plan.orientation)[::-1]
    letters = [stored[axis] for axis in given.transpose]
    patch = _patch(plan, given.spacing, start.arguments["strides"])
    same = len(given.normalisation) == len(plan.normalisation)
    spatial = plan.augmentation.spatial
    sideways = tuple(axis for axis, letter in enumerate(letters) if letter in _SIDES)
    mirror = sideways if spatial.mirror else ()
    k, j, i = given.spacing
    return replace(
        plan,
        orientation="".join(reversed(letters)),
        spacing=(k, j, i),
        crop_to_nonzero=given.crop_to_nonzero,
        normalisation=given.normalisation if same else plan.normalisation,
        network=start.network,
        arguments=dict(start.arguments),
        patch=patch,
        batch=max(2, plan.batch * math.prod(plan.patch) // math.prod(patch)),
        augmentation=replace(plan.augmentation, spatial=replace(spatial, mirror=mirror)),
        supervised=max(1, min(plan.supervised, len(start.arguments["strides"]) - 1)),
    )


def _patch(plan: TrainPlan, spacing: tuple[float, ...], strides: Any) -> Size:
    """Return about the plan's patch in mm on another grid, two voxels wide at the bottom."""
    whole = voxels_at_the_bottom(strides)
    wanted = [n * old / new for n, old, new in zip(plan.patch, plan.spacing, spacing, strict=True)]
    k, j, i = (max(round(n / w), 2) * w for n, w in zip(wanted, whole, strict=True))
    return k, j, i
