"""From a training to a model folder that the Segment section and the command line can run."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from MedAssistLib import __version__, files
from MedAssistLib.models.anatomy import segments
from MedAssistLib.models.card import ModelCard, PostProcessing, WeightFile
from MedAssistLib.models.formats.own_plan import normalisation_entry
from MedAssistLib.train.dataset import TrainingSet
from MedAssistLib.train.fingerprint import Fingerprint
from MedAssistLib.train.options import TrainOptions
from MedAssistLib.train.plan import TrainPlan
from MedAssistLib.train.saving import save

FORMAT = "state-dict"


def card_of(
    plan: TrainPlan,
    training_set: TrainingSet,
    name: str,
    folder: Path,
    origin: ModelCard | None = None,
) -> ModelCard:
    """Return the card of a model that is still to be trained; it has no weights yet.

    Args:
        plan: How it is trained.
        training_set: What it is trained on.
        name: Its short name.
        folder: Where it will lie.
        origin: The card of the model that it starts from.
    """
    structures = training_set.structures
    k, j, i = plan.spacing
    outputs = len(structures.membership())
    own: dict[str, Any] = {
        # As large as in training, because the network normalises by what it sees.
        "patch": list(plan.patch),
        "outputs": outputs,
        "crop_to_nonzero": plan.crop_to_nonzero,
        "mirror_axes": list(plan.augmentation.spatial.mirror),
        "multiple": list(plan.multiple),
        "regions": list(structures.painted) if structures.overlapping else [],
    }
    names = dict(zip(structures.painted, structures.titles, strict=True))
    learned = f"{len(training_set.cases)} cases of {training_set.name}"
    # As SPDX writes that several hold: what was learned from weights is under theirs, too.
    licences = [training_set.licence]
    if origin:
        earlier = f"{origin.name} {origin.version}".rstrip()
        learned += f"; it began with the weights of {earlier}: {origin.training_data}"
        licences.append(origin.licence)
    return ModelCard(
        name=name,
        title=training_set.title,
        version="1",
        format=FORMAT,
        licence=" AND ".join(dict.fromkeys(filter(None, licences))),
        source=training_set.source,
        intended_use="Research; not a medical device",
        training_data=learned,
        accuracy="not measured",
        modality=training_set.modality,
        channels=training_set.channels,
        orientation=plan.orientation,
        segments=segments(names),
        package="",
        weights={},
        architecture={
            "network_class_name": plan.network,
            "arch_kwargs": dict(plan.arguments),
            "plan": own,
        },
        intensity={"channels": [normalisation_entry(entry) for entry in plan.normalisation]},
        postprocessing=PostProcessing(),
        folder=folder,
        spacing=(i, j, k),
    )


def write_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> WeightFile:
    """Write the weights of one network, in half precision, which halves the file.

    Returns:
        What the card says of the file.

    Raises:
        ResourceError: If it cannot be written.
    """
    halves: dict[int, torch.Tensor] = {}
    half = {}
    for name, value in weights.items():
        # Some weights have several names; they are written once.
        kept = value.detach().cpu()
        if kept.is_floating_point():  # Others count batches.
            kept = kept.half()
        half[name] = halves.setdefault(value.data_ptr(), kept.contiguous())
    save(path, half)
    return WeightFile(path=path.name, sha256=files.sha256(path), size=path.stat().st_size)


def described(plan: TrainPlan, found: Fingerprint, options: TrainOptions) -> dict[str, Any]:
    """Return what a card records of a training: versions, data, plan and options."""
    return {
        "medassist": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "data": asdict(found),
        "plan": plan.as_json(),
        "options": {
            "device": options.device,
            "minutes": options.minutes,
            "epochs": options.epochs,
            "folds": options.folds,
            "seed": options.seed,
            "start": options.start.name if options.start else None,
        },
    }
