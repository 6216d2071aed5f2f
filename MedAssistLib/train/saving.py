"""Files of weights, written whole or not at all, by one training at a time."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout  # PyTorch brings it.

from MedAssistLib import files
from MedAssistLib.errors import UsageError

_LOCK = ".lock"


def save(path: Path, content: Any) -> None:
    """Write tensors and what describes them, as ``torch.save`` does, in one step.

    Args:
        path: The file; an interruption leaves the one before.
        content: What :func:`MedAssistLib.models.checkpoints.read_checkpoint` gives back.

    Raises:
        ResourceError: If the disk is full.
    """
    # On a full disk PyTorch's own writer fails with a riddle instead of the system's reason.
    memory = io.BytesIO()
    torch.save(content, memory)
    with files.replacing(path) as temporary:
        temporary.write_bytes(memory.getbuffer())


def remove_unfinished(*folders: Path) -> None:
    """Remove what was just being written to some folders when an earlier run was killed."""
    for folder in folders:
        for left in folder.glob(".medassist-*"):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder; a process that is killed lets go of it.

    Raises:
        UsageError: If another training is at work there.
    """
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        what = "another training is at work there"
        raise UsageError(what, where=folder, hint="Wait for it, or stop it") from error
    except (OSError, NotImplementedError):
        # Some network drives know no locks; what cannot be written is told by who writes it.
        yield
        return
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
