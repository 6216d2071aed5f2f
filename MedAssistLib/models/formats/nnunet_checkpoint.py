"""What an nnU-Net checkpoint holds: the weights, and how they were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.formats.nnunet_plans import reading


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """A checkpoint.

    Attributes:
        trainer: Class name of the trainer.
        configuration: Name of the configuration.
        mirror_axes: Spatial axes along which the training mirrored.
        weights: Tensors by name, still in the file.
    """

    trainer: str
    configuration: str
    mirror_axes: tuple[int, ...]
    weights: Mapping[str, torch.Tensor]


def read_training(path: Path, *, trusted: bool = False) -> Training:
    """Read a checkpoint.

    Args:
        path: The file.
        trusted: Let it run the programs that it holds.

    Raises:
        ModelError: If it is unsafe, damaged, or not nnU-Net's.
    """
    fields = read_checkpoint(path, trusted=trusted)
    with reading(path):
        weights = dict(fields["network_weights"])
        if not all(isinstance(value, torch.Tensor) for value in weights.values()):
            raise ValueError("its weights are not tensors")
        return Training(
            trainer=str(fields["trainer_name"]),
            configuration=str(fields["init_args"]["configuration"]),
            mirror_axes=tuple(
                int(axis) for axis in fields.get("inference_allowed_mirroring_axes") or ()
            ),
            weights=weights,
        )
