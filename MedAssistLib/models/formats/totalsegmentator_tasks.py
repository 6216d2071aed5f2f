"""The tasks of TotalSegmentator: which data sets belong together, and what their labels mean.

Wasserthal et al. 2023, doi:10.1148/ryai.230024.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from MedAssistLib.models.card import PostProcessing
from MedAssistLib.models.formats.nnunet_folder import TrainedFolder

_TABLE = Path(__file__).with_name("totalsegmentator.json")


@dataclass(frozen=True, kw_only=True)
class TaskPart:
    """One of the data sets of a task.

    Attributes:
        dataset: Its name, which its folder's name begins with.
        name: What it segments, in a word; empty if the task has only this one.
        first: What its label 1 is in the task.
        last: What its last label is in the task.
    """

    dataset: str
    name: str
    first: int
    last: int

    @property
    def labels(self) -> dict[int, int]:
        """The label in the task of each label of its own."""
        return dict(enumerate(range(self.first, self.last + 1), start=1))

    def is_in(self, folder: TrainedFolder) -> bool:
        """Tell whether a folder was trained on it, by its name or by what its plans say."""
        names = folder.dataset_name, folder.path.resolve().parent.name
        return any(name.startswith(self.dataset) for name in names)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What TotalSegmentator runs at once.

    Attributes:
        name: Its name, with the voxel size where there are several.
        modality: DICOM modality; empty if it is for several.
        parts: Its data sets, in the order in which they run; later ones paint over earlier ones.
        classes: What it calls its structures, by their label.
        near: The structures, of other tasks, around which TotalSegmentator runs it.
        margin_mm: How far around them.
        omits: What TotalSegmentator does with its answer that is not done here; may be empty.
        after: What is done with the answer for some classes, by their names.
    """

    name: str
    modality: str
    parts: tuple[TaskPart, ...]
    classes: dict[int, str]
    near: tuple[str, ...]
    margin_mm: float
    omits: str
    after: dict[str, PostProcessing]


@cache
def tasks() -> tuple[Task, ...]:
    """Return all tasks that are known."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    return tuple(
        Task(
            name=entry["name"],
            modality=entry["modality"],
            parts=tuple(TaskPart(**part) for part in entry["parts"]),
            classes=dict(enumerate(table["classes"][entry["classes"]], start=1)),
            near=tuple(entry.get("near", ())),
            margin_mm=entry.get("margin_mm", 0.0),
            omits=entry.get("omits", ""),
            after={name: PostProcessing(**own) for name, own in entry.get("after", {}).items()},
        )
        for entry in table["tasks"]
    )


def part_of(folder: TrainedFolder) -> tuple[Task, TaskPart] | None:
    """Return the task and the part of it that a trained folder is; ``None`` if it is another's."""
    return next(
        ((task, part) for task in tasks() for part in task.parts if part.is_in(folder)), None
    )
