"""What a layout of a training set is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.progress import Progress
from MedAssistLib.train.dataset.cases import TrainingSet


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A way to lay out labelled cases on a disk.

    Attributes:
        name: What it is called in messages.
        recognises: Tells whether a path, which exists, is of this layout. Every path is of one
            layout at most.
        read: Reads it; raises InputError if it is damaged.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Progress], TrainingSet]
