"""The folders that jobs exchange voxels in, and the results that are still waiting in them.

A folder holds ``job.json`` (what was asked for), the scans as ``.npy``, and once the work is done
``result.json`` and what it names. It is removed as soon as its result is in a scene, so that one
with a ``result.json`` is a result that nobody has seen yet. No name from the scene is written.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedAssistLib.errors import cannot_write
from MedAssistLib.files import make_folder, write_text

FOLDER_VARIABLE = "MEDASSIST_JOBS"
_ASKED, _ANSWERED = "job.json", "result.json"
_LEFT_OVER_S = 86_400


def jobs_folder() -> Path:
    """Return where the folders are: ``MEDASSIST_JOBS``, or beside the user's folder of models."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen).expanduser().absolute()
    # It brings all formats of models with it, which the panel can do without while it opens.
    from MedAssistLib.models.store import models_folder

    return models_folder().parent / "jobs"


def trainings_folder() -> Path:
    """Return where trainings lie until their models are done: beside the jobs' folder."""
    return jobs_folder().parent / "trainings"


def new_folder(name: str) -> Path:
    """Make a folder for a job, which nobody but the user may look into.

    Raises:
        ResourceError: If it cannot be made.
    """
    folder = make_folder(jobs_folder()) / name
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def note_job(folder: Path, asked: Mapping[str, Any]) -> None:
    """Write down what a job was asked for.

    Raises:
        ResourceError: If it cannot be written.
    """
    write_text(folder / _ASKED, json.dumps(asked))


def note_result(folder: Path, answered: Mapping[str, Any]) -> None:
    """Write down what the worker answered.

    Raises:
        ResourceError: If it cannot be written.
    """
    write_text(folder / _ANSWERED, json.dumps(answered))


def remove_folder(folder: Path) -> None:
    """Remove a job's folder; what cannot be removed now is left for :func:`kept_results`."""
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class KeptResult:
    """A result that is not in a scene yet.

    Attributes:
        folder: Where it is.
        asked: What was asked for.
        answered: What the worker answered.
        made: When, in seconds since 1970.
    """

    folder: Path
    asked: Mapping[str, Any]
    answered: Mapping[str, Any]
    made: float


def kept_results() -> list[KeptResult]:
    """Return the results of earlier sessions, and remove what work was interrupted long ago."""
    found = []
    for folder in sorted(jobs_folder().glob("*")):
        try:
            found.append(_read(folder))
        except (OSError, ValueError):
            _remove_if_old(folder)
    return found


def _remove_if_old(folder: Path) -> None:
    """Remove a folder without a result; a young one may be at work, here or in another Slicer."""
    try:
        old = time.time() - folder.stat().st_mtime > _LEFT_OVER_S
    except OSError:
        return
    if old:
        remove_folder(folder)


def _read(folder: Path) -> KeptResult:
    answered = folder / _ANSWERED
    return KeptResult(
        folder=folder,
        asked=json.loads((folder / _ASKED).read_text(encoding="utf-8")),
        answered=json.loads(answered.read_text(encoding="utf-8")),
        made=answered.stat().st_mtime,
    )
