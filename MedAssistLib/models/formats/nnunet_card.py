"""Cards of nnU-Net models, from what lies in their folders."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from MedAssistLib.errors import ModelError
from MedAssistLib.models.anatomy import segments
from MedAssistLib.models.card import ModelCard, PostProcessing, WeightFile
from MedAssistLib.models.formats.nnunet_folder import PLANS, TrainedFolder, trained_folders
from MedAssistLib.models.formats.nnunet_network import architecture, require_known_trainer
from MedAssistLib.models.formats.nnunet_plans import (
    inference_plan,
    reading,
)
from MedAssistLib.models.modality import modality_of
from MedAssistLib.models.plan import InferencePlan, Scheme

FORMAT = "nnunet"
_PREFERRED = ("3d_fullres", "3d_cascade_fullres", "3d_lowres", "2d")
_NOT_STATED = "not stated by its author"


def describe(path: Path) -> ModelCard | None:
    """Derive the card of the nnU-Net model in a folder; ``None`` if there is none.

    Of several configurations it is the one that nnU-Net's authors advise to try first.

    Raises:
        ModelError: If the model is incomplete, names something that is not known here, or there
            are models of several data sets.
    """
    found = trained_folders(path)
    if not found:
        return None
    if len({folder.path.resolve().parent for folder in found}) > 1:
        names = ", ".join(sorted({folder.dataset_name for folder in found}))
        hint = "Give the folder of one of them"
        raise ModelError(f"holds models of several data sets ({names})", where=path, hint=hint)
    return card(preferred(found))


def preferred(folders: Iterable[TrainedFolder]) -> TrainedFolder:
    """Return the configuration that nnU-Net's authors advise to try first."""
    return min(folders, key=_rank)


def _rank(folder: TrainedFolder) -> tuple[int, str]:
    name = folder.configuration_name
    return (_PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED), name)


def card(folder: TrainedFolder) -> ModelCard:
    """Derive the card of one trained configuration.

    Raises:
        ModelError: If it is incomplete, or names something that is not known here.
    """
    fields = folder.configuration()
    folder.previous(fields)
    with reading(folder.path / PLANS):
        if folder.trainer:
            require_known_trainer(folder.trainer)
        plan = inference_plan(folder.plans, fields, folder.labels, len(folder.channels))
        network, _ = architecture(fields, folder.trainer)
    about = {key: str(value).strip() for key, value in folder.dataset.items() if value}
    configuration = folder.configuration_name
    return ModelCard(
        name=folder.short_name,
        title=about.get("description") or f"{folder.dataset_name}, {configuration}",
        version=f"{about.get('release', '')} {configuration}".strip(),
        format=FORMAT,
        licence=about.get("licence") or about.get("license") or "",
        source=about.get("reference") or "",
        intended_use=_NOT_STATED,
        training_data=_training_data(folder, about.get("numTraining", "")),
        accuracy=_accuracy(folder),
        modality=_modality(folder.channels, plan),
        channels=folder.channels,
        orientation=plan.orientation,
        segments=segments(folder.labels.names),
        package="",
        weights={
            f"fold {fold}": _weight(file, folder) for fold, file in folder.checkpoints.items()
        },
        architecture={
            "network": network.rpartition(".")[2],
            "configuration": configuration,
            "trainer": folder.trainer,
            "patch": list(plan.patch),
        },
        intensity={
            channel: normalisation.scheme.value
            for channel, normalisation in zip(folder.channels, plan.normalisation, strict=True)
        },
        postprocessing=PostProcessing(),
        folder=folder.path,
        spacing=_spacing(plan),
    )


def _weight(file: Path, folder: TrainedFolder) -> WeightFile:
    path = file.relative_to(folder.path).as_posix()
    return WeightFile(path=path, sha256="", size=file.stat().st_size)


def _training_data(folder: TrainedFolder, count: str) -> str:
    return f"{count} cases of {folder.dataset_name}" if count else folder.dataset_name


def _modality(channels: tuple[str, ...], plan: InferencePlan) -> str:
    """Return the DICOM modality that all channels are named for; empty if they do not tell."""
    found = modality_of(channels)
    if not found and all(entry.scheme is Scheme.CT for entry in plan.normalisation):
        return "CT"
    return found


def _spacing(plan: InferencePlan) -> tuple[float, ...]:
    """Return the spacing along i, j, k; 0 where slices stay as they are."""
    if not plan.spacing:
        return ()
    slices = (0.0,) * (3 - len(plan.spacing))
    along = dict(zip(plan.transpose, slices + plan.spacing, strict=True))
    return along[2], along[1], along[0]


def _accuracy(folder: TrainedFolder) -> str:
    """Return the mean Dice of the cross-validation, if its result lies beside the weights."""
    whole = [_dice(path) for path in sorted(folder.path.glob("crossval_results_*/summary.json"))]
    parts = [_dice(file.parent / "validation/summary.json") for file in folder.checkpoints.values()]
    scores = [score for score in whole or parts if score is not None]
    if not scores:
        return _NOT_STATED
    return f"mean Dice {fmean(scores):.3f} in the cross-validation of its training"


def _dice(path: Path) -> float | None:
    try:
        score = float(json.loads(path.read_text(encoding="utf-8"))["foreground_mean"]["Dice"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return score if math.isfinite(score) else None
