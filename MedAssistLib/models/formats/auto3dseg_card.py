"""Cards of MONAI Auto3DSeg models, as the Slicer extension MONAIAuto3DSeg has them.

A model is a ``model.pt``, which holds the settings of its training too, and beside it a
``labels.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.card import ModelCard, PostProcessing, WeightFile
from MedAssistLib.models.formats.auto3dseg_labels import read_segments
from MedAssistLib.models.formats.auto3dseg_plan import channel_modes, inference_plan
from MedAssistLib.models.formats.nnunet_plans import reading

FORMAT = "auto3dseg"
WEIGHTS, LABELS = "model.pt", "labels.csv"
_MODALITIES = {"ct": "CT", "mri": "MR", "mr": "MR", "pet": "PT"}
_NOT_STATED = "not stated by its author"
# Names that say where a training or the store puts a model, and not what it is.
_SAYING_NOTHING = ("model", "models", "content")


def describe(path: Path) -> ModelCard | None:
    """Derive the card of the Auto3DSeg model in a folder; ``None`` if there is none.

    Raises:
        ModelError: If it is incomplete, unsafe, or names something that is not known here.
    """
    folder = _folder(path)
    if folder is None:
        return None
    training = _training(folder / WEIGHTS)
    if training is None:
        return None
    config, metric = training
    with reading(folder / WEIGHTS):
        plan = inference_plan(config)
        modes = channel_modes(config)
        modality = _modality(config)
        painted = plan.regions or tuple(range(1, plan.outputs))
        kind = str(config["network"]["_target_"]).rpartition(".")[2]
    with reading(folder / LABELS):
        segments = read_segments(folder / LABELS, painted, _class_names(config, painted))
    size = (folder / WEIGHTS).stat().st_size
    return ModelCard(
        name=_name(folder),
        title=f"{len(segments)} structures, by MONAI Auto3DSeg",
        version="",
        format=FORMAT,
        licence="",
        source="MONAI Auto3DSeg",
        intended_use=_NOT_STATED,
        training_data=_NOT_STATED,
        accuracy=_accuracy(metric),
        modality=modality,
        channels=_channels(config, len(modes), modality),
        orientation=plan.orientation,
        segments=tuple(segments),
        package="",
        weights={"weights": WeightFile(path=WEIGHTS, sha256="", size=size)},
        architecture={"network": kind, "patch": list(plan.patch)},
        intensity={str(number): mode for number, mode in enumerate(modes)},
        postprocessing=PostProcessing(),
        folder=folder,
        # The axes of the plan are (i, j, k).
        spacing=plan.spacing,
    )


def _folder(path: Path) -> Path | None:
    """Return the folder that holds both files, at or below another one; else only the weights."""
    patterns = (LABELS, f"*/{LABELS}", f"*/*/{LABELS}")
    folders = [labels.parent for pattern in patterns for labels in sorted(path.glob(pattern))]
    found = [folder for folder in folders if (folder / WEIGHTS).is_file()]
    if len(found) > 1:
        names = ", ".join(str(folder.relative_to(path)) for folder in found)
        hint = "Give the folder of one of them"
        raise ModelError(f"holds several models ({names})", where=path, hint=hint)
    if found:
        return found[0]
    return path if (path / WEIGHTS).is_file() else None


def _training(path: Path) -> tuple[Mapping[str, Any], Any] | None:
    """Return the settings of the training and its result; ``None`` if it is another kind of file.

    Raises:
        ModelError: If PyTorch, which reads them, is missing, or the file is damaged or unsafe.
    """
    try:
        from MedAssistLib.models.checkpoints import read_checkpoint
    except ImportError as error:
        hint = "In Slicer install the PyTorch extension; elsewhere: pip install torch"
        raise ModelError("needs PyTorch to be read", where=path, hint=hint) from error
    fields = read_checkpoint(path)
    if not isinstance(fields, dict) or "state_dict" not in fields:
        return None
    config = fields.get("config")
    if not isinstance(config, dict) or not isinstance(config.get("network"), dict):
        return None
    return config, fields.get("best_metric")


def _name(folder: Path) -> str:
    name = folder.resolve().name
    if name.lower() not in _SAYING_NOTHING:
        return name
    above = folder.resolve().parent.name
    return above if above.startswith("segresnet") else FORMAT


def _modality(config: Mapping[str, Any]) -> str:
    """Return the DICOM modality of all channels; empty if they differ or none is known."""
    extra = config.get("extra_modalities")
    others = extra.values() if isinstance(extra, Mapping) else ()
    names = [str(kind).lower() for kind in (config.get("modality", ""), *others)]
    # Other names are ways to normalise, and say nothing of the modality.
    kinds = {_MODALITIES[name] for name in names if name in _MODALITIES}
    return kinds.pop() if len(kinds) == 1 else ""


def _channels(config: Mapping[str, Any], count: int, modality: str) -> tuple[str, ...]:
    first = modality or "image"
    if count == 1:
        return (first,)
    extra = [str(name) for name in config.get("extra_modalities") or ()]
    return (first, *extra) if extra else tuple(f"{first} {n}" for n in range(1, count + 1))


def _class_names(config: Mapping[str, Any], painted: tuple[int, ...]) -> dict[int, str]:
    """Return the names of the training's classes, unless Auto3DSeg made them up."""
    names = [str(name) for name in config.get("class_names") or ()]
    if len(names) != len(painted) or any(name.startswith("acc_") for name in names):
        return {}
    return dict(zip(painted, names, strict=True))


def _accuracy(metric: Any) -> str:
    if isinstance(metric, (int, float)) and 0 < metric <= 1 and math.isfinite(metric):
        return f"mean Dice {float(metric):.3f} in the validation of its training"
    return _NOT_STATED
