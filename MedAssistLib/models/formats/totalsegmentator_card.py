"""Cards of TotalSegmentator's models, from the folders of its weights."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models import catalogue
from MedAssistLib.models.anatomy import segments
from MedAssistLib.models.card import ModelCard, PostProcessing, WeightFile
from MedAssistLib.models.formats import nnunet_card
from MedAssistLib.models.formats.nnunet_folder import DATASET, TrainedFolder, trained_folders
from MedAssistLib.models.formats.totalsegmentator_tasks import Task, TaskPart, part_of

FORMAT = "totalsegmentator"
# TotalSegmentator turns every scan so before anything else.
ORIENTATION = "RAS"
_USE = "Research; TotalSegmentator's weights are no medical device."


def describe(path: Path) -> ModelCard | None:
    """Derive the card of the TotalSegmentator task whose weights are in a folder.

    Of a task of several data sets some may be missing: the card then has only what the others
    segment.

    Returns:
        The card; ``None`` if there is anything but TotalSegmentator's weights.

    Raises:
        ModelError: If there are several tasks, or something is incomplete or unknown.
    """
    found: dict[TaskPart, list[TrainedFolder]] = {}
    involved: list[Task] = []
    for folder in trained_folders(path):
        match = part_of(folder)
        if match is None:
            return None
        task, part = match
        if task not in involved:
            involved.append(task)
        found.setdefault(part, []).append(folder)
    if not involved:
        return None
    if len(involved) > 1:
        names = ", ".join(sorted(task.name for task in involved))
        hint = "Give only the folders of one task: medassist models add FOLDER FOLDER ..."
        what = f"holds several tasks of TotalSegmentator ({names})"
        raise ModelError(what, where=path, hint=hint)
    task = involved[0]
    chosen = {part: nnunet_card.preferred(found[part]) for part in task.parts if part in found}
    return _card(task, chosen, path)


def narrowed(card: ModelCard, labels: Collection[int]) -> ModelCard:
    """Return a card without the parts that give none of the labels that are wanted."""
    wanted = {
        part["name"]
        for part in card.architecture["parts"]
        if not set(labels).isdisjoint(part["labels"].values())
    }
    weights = {role: file for role, file in card.weights.items() if part_name(role) in wanted}
    return replace(card, weights=weights)


def part_name(role: str) -> str:
    """Return the name of the part that a weight file belongs to."""
    return role.rpartition(": ")[0]


def _card(task: Task, chosen: dict[TaskPart, TrainedFolder], path: Path) -> ModelCard:
    cards = {part: nnunet_card.card(folder) for part, folder in chosen.items()}
    for part, folder in chosen.items():
        _require_labels(part, folder)
    first = next(iter(cards.values()))
    if any(len(card.channels) != len(first.channels) for card in cards.values()):
        raise ModelError("its parts take different numbers of scans", where=path)
    name = f"totalsegmentator-{task.name}"
    listed = next((entry for entry in catalogue.entries() if entry.name == name), None)
    names = {label: task.classes[label] for part in chosen for label in part.labels.values()}
    title = listed.title if listed else f"{len(task.classes)} structures"
    missing = [part for part in task.parts if part not in chosen]
    if missing:
        there = " and ".join(part.name for part in chosen)
        name = "-".join([name, *(part.name.replace(" ", "-") for part in chosen)])
        title = f"{title}; here only {there}, {len(names)} structures"
    found = segments(names)
    return replace(
        first,
        name=name,
        title=title,
        format=FORMAT,
        licence=(listed and listed.licence) or first.licence,
        source=(listed and listed.source) or first.source,
        intended_use=_intended_use(task),
        training_data="; ".join(card.training_data for card in cards.values()),
        modality=task.modality,
        orientation=ORIENTATION,
        segments=found,
        postprocessing=PostProcessing(
            structures={
                entry.name: task.after[names[entry.label]]
                for entry in found
                if names[entry.label] in task.after
            }
        ),
        weights={
            f"{part.name}: {role}" if part.name else role: _moved(file, card.folder, path)
            for part, card in cards.items()
            for role, file in card.weights.items()
        },
        architecture={
            "task": task.name,
            "parts": [_entry(part, card, path) for part, card in cards.items()],
        },
        folder=path,
    )


def _entry(part: TaskPart, card: ModelCard, path: Path) -> dict[str, Any]:
    folder = card.folder.relative_to(path).as_posix()
    return {**card.architecture, "name": part.name, "folder": folder, "labels": part.labels}


def _moved(file: WeightFile, folder: Path, path: Path) -> WeightFile:
    return replace(file, path=(folder / file.path).relative_to(path).as_posix())


def _require_labels(part: TaskPart, folder: TrainedFolder) -> None:
    """Refuse a network that has not all labels; TotalSegmentator drops those that are too many."""
    labels = folder.labels
    if labels.regions or not set(part.labels) <= set(labels.foreground):
        count = len(part.labels)
        what = f"has not the {count} labels that TotalSegmentator's {part.dataset} has"
        hint = "If it is a model of your own, give its data set another name"
        raise ModelError(what, where=folder.path / DATASET, hint=hint)


def _intended_use(task: Task) -> str:
    sentences = [_USE]
    if task.near:
        near = ", ".join(name.replace("_", " ") for name in task.near)
        sentences.append(
            f"TotalSegmentator runs it only within {task.margin_mm:g} mm of: {near}. Cut the scan"
            " to that (--roi, --roi-mask): elsewhere it may find what is not there."
        )
    if task.omits:
        sentences.append(f"TotalSegmentator also {task.omits}; that is not done here.")
    return " ".join(sentences)
