"""The folders in which nnU-Net v2 keeps trained models.

``DatasetNNN_Name/TRAINER__PLANS__CONFIGURATION/`` holds ``plans.json``, ``dataset.json`` and one
``fold_N/checkpoint_final.pth`` for each fold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.formats.nnunet_labels import Labels, read_labels
from MedAssistLib.models.formats.nnunet_plans import (
    Fields,
    channels,
    configuration,
    previous_stage,
    read_json,
    reading,
)

PLANS, DATASET = "plans.json", "dataset.json"
# The last epoch's weights first, as nnU-Net takes them.
_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_ALL = "all"
_DEPTH = 3


@dataclass(frozen=True)
class TrainedFolder:
    """A folder with one trained configuration of an nnU-Net model.

    Attributes:
        path: The folder.
    """

    path: Path

    @cached_property
    def plans(self) -> dict[str, Any]:
        """The content of ``plans.json``."""
        return read_json(self.path / PLANS)

    @cached_property
    def dataset(self) -> dict[str, Any]:
        """The content of ``dataset.json``."""
        return read_json(self.path / DATASET)

    @cached_property
    def labels(self) -> Labels:
        """What its outputs mean."""
        with reading(self.path / DATASET):
            return read_labels(self.dataset)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Names of its inputs."""
        with reading(self.path / DATASET):
            return channels(self.dataset)

    @cached_property
    def checkpoints(self) -> dict[str, Path]:
        """The checkpoint of each fold; one trained on everything only if there is no other."""
        for name in _CHECKPOINTS:
            found = {path.parent.name[5:]: path for path in self.path.glob(f"fold_*/{name}")}
            folds = sorted((fold for fold in found if fold.isdecimal()), key=int)
            if folds or _ALL in found:
                return {fold: found[fold] for fold in folds or [_ALL]}
        raise ModelError(
            "has no trained fold", where=self.path, hint="Copy its folders fold_0 and so on too"
        )

    @cached_property
    def trainer(self) -> str:
        """Name of the trainer by the folder's name; empty if it was renamed."""
        return self.path.resolve().name.partition("__")[0] if "__" in self.path.name else ""

    @cached_property
    def configuration_name(self) -> str:
        """Name of the configuration by the folder's name, or by a checkpoint if it was renamed."""
        name = self.path.resolve().name.rpartition("__")[2]
        with reading(self.path / PLANS):
            known = list(self.plans["configurations"])
        if name in known:
            return name
        if len(known) == 1:
            return str(known[0])
        from MedAssistLib.models.formats.nnunet_checkpoint import read_training

        return read_training(next(iter(self.checkpoints.values()))).configuration

    def configuration(self, name: str = "") -> Fields:
        """Return a configuration; its own if no name is given."""
        with reading(self.path / PLANS):
            return configuration(self.plans, name or self.configuration_name)

    def previous(self, fields: Fields) -> TrainedFolder | None:
        """Return the folder of the stage that runs before a configuration, if it is a cascade.

        Raises:
            ModelError: If it is a cascade whose first stage is not beside it.
        """
        stage = previous_stage(fields)
        if not stage:
            return None
        stem = self.path.resolve().name.rpartition("__")[0]
        beside = self.path.resolve().parent
        for folder in (beside / f"{stem}__{stage}", *sorted(beside.glob(f"*__{stage}"))):
            if _is_trained(folder):
                return TrainedFolder(folder)
        hint = f"Keep the folder that ends in __{stage} beside it"
        raise ModelError(f"needs the model of its first stage, {stage}", where=self.path, hint=hint)

    @property
    def dataset_name(self) -> str:
        """Name of the data set that it was trained on, such as ``"Dataset017_Abdomen"``."""
        return str(self.plans.get("dataset_name") or self.path.resolve().parent.name)

    @property
    def short_name(self) -> str:
        """A name for commands, such as ``"abdomen-3d-fullres"``."""
        plain = re.sub(r"^(Dataset|Task)\d+_", "", self.dataset_name)
        words = re.findall(r"[a-z0-9]+", f"{plain} {self.configuration_name}".lower())
        return "-".join(words)


def trained_folders(path: Path) -> list[TrainedFolder]:
    """Return the trained folders at or below a folder, such as a data set's folder."""
    found = []
    level = [path]
    for _ in range(_DEPTH):
        found += [folder for folder in level if _is_trained(folder)]
        level = [
            child for folder in level if not _is_trained(folder) for child in _children(folder)
        ]
    return [TrainedFolder(folder) for folder in found]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir())
    except OSError:
        return []


def _is_trained(folder: Path) -> bool:
    return (folder / PLANS).is_file() and (folder / DATASET).is_file()
