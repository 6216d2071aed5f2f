"""What a model's zip may hold, and what of it is left packed."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from MedAssistLib import archive as zips
from MedAssistLib.archive import Terms, pour
from MedAssistLib.errors import ModelError
from MedAssistLib.progress import Progress

__all__ = ["clutter", "pour", "require_space", "unpack"]

# What file managers and trainings leave behind; of the latter, results of patients.
_CLUTTER = (
    *("*/__MACOSX/*", "*/.DS_Store", "*/._*"),
    *("*/fold_*/validation/*", "*/crossval_results_*/*"),
    *("*/fold_*/training_log_*.txt", "*/fold_*/progress.png", "*/fold_*/debug.json"),
    "*/fold_*/checkpoint_latest.pth",
)
_KEPT = "summary.json"  # The accuracy that a training reached.
_SPACE = "Free some space, or set MEDASSIST_MODELS to a folder on another disk"


def clutter(parts: tuple[str, ...]) -> bool:
    """Tell whether a file is one that file managers or trainings leave beside a model."""
    path = "/" + "/".join(parts)
    return parts[-1] != _KEPT and any(fnmatchcase(path, pattern) for pattern in _CLUTTER)


_TERMS = Terms(
    error=ModelError,
    unsafe="get the model from its publisher",
    packed="Unpack it yourself and add the folder",
    most_files=10_000,
    most_ratio=100.0,  # Weights hardly shrink, and text shrinks tenfold.
    left_out=clutter,
    space=_SPACE,
)


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack a zip into a folder, leaving out what no model needs.

    Raises:
        ModelError: If it is damaged or holds what could harm.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    zips.unpack(archive, folder, _TERMS, progress)


def require_space(folder: Path, size: int) -> None:
    """Refuse what does not fit on the disk of ``folder``, which need not be there yet.

    Raises:
        ResourceError: If fewer than ``size`` bytes are free.
    """
    zips.require_space(folder, size, _SPACE)
