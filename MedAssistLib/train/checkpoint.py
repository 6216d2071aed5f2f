"""All that a training needs to go on after it was stopped, in one file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models.checkpoints import DAMAGE, read_checkpoint
from MedAssistLib.train.saving import save

_FORM = 1


@dataclass(kw_only=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        number: Of the epoch, from 1.
        loss: Mean loss over its steps.
        rate: Learning rate at its end.
        seconds: How long it took.
        patches: Patches that were learned from.
        dice: Dice of each structure on the cases held out; empty if they were not looked at.
        skipped: Steps that were left out because the loss was no number.
    """

    number: int
    loss: float
    rate: float
    seconds: float
    patches: int
    dice: tuple[float, ...] = ()
    skipped: int = 0


@dataclass(kw_only=True)
class Checkpoint:
    """The state of a training after an epoch.

    Attributes:
        key: What the training was begun with; another key is another training.
        weights: Of the network.
        mean: The running mean of the weights.
        optimisers: Their states.
        scaler: State of the gradients' scaling, for half precision.
        steps: Steps done.
        seconds: Time that they took.
        history: The epochs so far.
    """

    key: str
    weights: dict[str, torch.Tensor]
    mean: dict[str, torch.Tensor]
    optimisers: list[dict[str, Any]]
    scaler: dict[str, Any]
    steps: int
    seconds: float
    history: list[Epoch] = field(default_factory=list)


def write_checkpoint(path: Path, state: Checkpoint) -> None:
    """Write a checkpoint in one step: an interruption leaves the one before.

    Raises:
        ResourceError: If the disk is full.
    """
    told = {name: getattr(state, name) for name in Checkpoint.__dataclass_fields__}
    told["history"] = [{**asdict(epoch), "dice": list(epoch.dice)} for epoch in state.history]
    save(path, {"form": _FORM, **told})


def read_state(path: Path) -> Checkpoint:
    """Read a checkpoint, without running programs that it may hold.

    Raises:
        ModelError: If it is missing, damaged, or of another version of MedAssist.
    """
    fields = dict(read_checkpoint(path))
    try:
        if fields.pop("form") != _FORM:
            raise ValueError("of another version")
        history = [
            Epoch(**{**entry, "dice": tuple(entry["dice"])}) for entry in fields.pop("history")
        ]
        return Checkpoint(**fields, history=history)
    except DAMAGE as error:
        hint = "Begin the training anew, without --resume"
        raise ModelError("is not a training that can go on", where=path, hint=hint) from error
