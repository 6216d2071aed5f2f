"""The layout of nnU-Net v2's raw data sets (documentation/dataset_format.md in its repository)."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from MedAssistLib.case import Finding
from MedAssistLib.models.modality import modality_of
from MedAssistLib.progress import Progress
from MedAssistLib.train.dataset.cases import LabelledCase, TrainingSet
from MedAssistLib.train.dataset.description import (
    DESCRIPTION,
    about,
    channels_of,
    fields_of,
    structures_by_name,
    understanding,
)
from MedAssistLib.train.dataset.folder import group_of, images_in, left_out, left_over, present
from MedAssistLib.train.dataset.layout import Layout

_IMAGES, _LABELS = "imagesTr", "labelsTr"


def _recognises(path: Path) -> bool:
    return path.is_dir() and "file_ending" in fields_of(path)


def _read(folder: Path, progress: Progress) -> TrainingSet:
    progress.update(0.0)
    fields = fields_of(folder)
    with understanding(folder / DESCRIPTION):
        channels = channels_of(fields["channel_names"])
        structures = structures_by_name(fields["labels"], fields.get("regions_class_order"))
        ending = str(fields["file_ending"])
        listed = list(_listed(folder, fields["dataset"])) if "dataset" in fields else None
    if listed is None:
        cases, findings = _found(folder, ending, len(channels))
    else:
        cases, findings = present(listed)
    return TrainingSet(
        **about(fields, folder),
        channels=channels,
        modality=modality_of(channels),
        structures=structures,
        cases=cases,
        folder=folder,
        findings=findings,
    )


def _listed(folder: Path, entries: Mapping[str, Any]) -> Iterator[LabelledCase]:
    """Return the cases that the description lists, with paths that may begin with a variable."""
    for name, entry in entries.items():
        yield LabelledCase(
            name=name,
            images=tuple(folder / os.path.expandvars(path) for path in entry["images"]),
            label=folder / os.path.expandvars(entry["label"]),
            group=group_of(name),
        )


def _found(
    folder: Path, ending: str, channels: int
) -> tuple[tuple[LabelledCase, ...], tuple[Finding, ...]]:
    """Return the cases of the folders, and what is told of files that make none."""
    images = _channels(folder / _IMAGES, ending)
    labels = {path.name: path for path in images_in(folder / _LABELS)}
    whole = {name for name, files in images.items() if sorted(files) == list(range(channels))}
    cases = tuple(
        LabelledCase(
            name=name,
            images=tuple(images[name][number] for number in range(channels)),
            label=labels[name + ending],
            group=group_of(name),
        )
        for name in sorted(whole)
        if name + ending in labels
    )
    unlabelled = sorted(name for name in whole if name + ending not in labels)
    short = sorted(images.keys() - whole)
    lone = sorted(name for name in labels if name.removesuffix(ending) not in images)
    told = [path for files in images.values() for path in files.values()]
    findings = (
        *left_out("dataset.no-label", unlabelled, "image without a label"),
        *left_out("dataset.no-image", lone, "label without an image"),
        *left_out("dataset.channels", short, f"case without all of its {channels} channels"),
        *left_over((folder / _IMAGES, folder / _LABELS), [*told, *labels.values()]),
    )
    return cases, findings


def _channels(folder: Path, ending: str) -> dict[str, dict[int, Path]]:
    """Return the files ``NAME_0000.ENDING`` of a folder by name and number of the channel."""
    pattern = re.compile(r"(.+)_(\d{4})" + re.escape(ending))
    found: dict[str, dict[int, Path]] = defaultdict(dict)
    for path in images_in(folder):
        if match := pattern.fullmatch(path.name):
            found[match[1]][int(match[2])] = path
    return found


LAYOUT = Layout(name="nnU-Net v2", recognises=_recognises, read=_read)
