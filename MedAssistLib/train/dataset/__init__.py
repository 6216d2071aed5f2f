"""Where labelled cases come from: one file a layout."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.train.dataset.cases import IGNORED, LabelledCase, Structures, TrainingSet
from MedAssistLib.train.dataset.description import DESCRIPTION
from MedAssistLib.train.dataset.folder import require_cases
from MedAssistLib.train.dataset.layouts import layouts

__all__ = ["IGNORED", "LabelledCase", "Structures", "TrainingSet", "read_dataset"]


def read_dataset(path: str | os.PathLike[str], progress: Progress | None = None) -> TrainingSet:
    """Read which cases a training set has.

    No voxels are read, but those of the labels where nothing else says what they mean.

    Args:
        path: A folder of the Medical Segmentation Decathlon or of nnU-Net v2 (raw), a CSV of image
            and label paths, or a folder of pairs.
        progress: Told how far it is.

    Returns:
        The set, its cases in the order of their names; its findings tell what was left out.

    Raises:
        InputError: If it is none of these, is damaged, or has no case or two of one name.
        CancelledError: If the user asked to stop.
    """
    source = Path(path)
    if not source.exists():
        raise InputError("does not exist", where=source, hint="Check the path")
    source = source.parent if source.name == DESCRIPTION else source
    layout = next((layout for layout in layouts() if layout.recognises(source)), None)
    if layout is None:
        known = ", ".join(layout.name for layout in layouts())
        raise InputError("is no training set", where=source, hint=f"Known layouts: {known}")
    found = layout.read(source, (progress or Progress()).part("Looking at cases", 0.0, 1.0))
    require_cases(found.cases, source, found.findings)
    return replace(found, cases=tuple(sorted(found.cases, key=lambda case: case.name)))
