"""The layout of the Medical Segmentation Decathlon (medicaldecathlon.com), also of nnU-Net v1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from MedAssistLib.models.modality import modality_of
from MedAssistLib.progress import Progress
from MedAssistLib.read.images import stem
from MedAssistLib.train.dataset.cases import LabelledCase, TrainingSet
from MedAssistLib.train.dataset.description import (
    DESCRIPTION,
    about,
    channels_of,
    fields_of,
    structures_by_value,
    understanding,
)
from MedAssistLib.train.dataset.folder import group_of, left_over, present
from MedAssistLib.train.dataset.layout import Layout


def _recognises(path: Path) -> bool:
    return path.is_dir() and isinstance(fields_of(path).get("training"), list)


def _read(folder: Path, progress: Progress) -> TrainingSet:
    """Read the list of cases; a 4-D image holds all channels of its case."""
    progress.update(0.0)
    fields = fields_of(folder)
    with understanding(folder / DESCRIPTION):
        listed = [_case(folder, entry) for entry in fields["training"]]
        channels = channels_of(fields["modality"])
        structures = structures_by_value(fields["labels"])
    cases, missing = present(listed)
    files = [path for case in cases for path in (*case.images, case.label)]
    return TrainingSet(
        **about(fields, folder),
        channels=channels,
        modality=modality_of(channels),
        structures=structures,
        cases=cases,
        folder=folder,
        findings=(*missing, *left_over({path.parent for path in files}, files)),
    )


def _case(folder: Path, entry: dict[str, Any]) -> LabelledCase:
    image, label = folder / entry["image"], folder / entry["label"]
    name = stem(image)
    return LabelledCase(name=name, images=(image,), label=label, group=group_of(name))


LAYOUT = Layout(name="Medical Segmentation Decathlon", recognises=_recognises, read=_read)
