"""Files of weights, written whole or not at all."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import torch

from MedAssistLib import files


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
