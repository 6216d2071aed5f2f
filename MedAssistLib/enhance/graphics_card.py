"""Whether a graphics card is worth the second that torch takes to load."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

# Pairs of voxels that a processor compares in about that time.
_WORTH_A_CARD = 1_000_000_000


def best_device(pairs: int) -> str:
    """Return where so many pairs of voxels are compared soonest: ``"cuda"`` or ``"cpu"``."""
    if pairs < _WORTH_A_CARD or not _may_have_card():
        return "cpu"
    try:
        import torch
    except ImportError:
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def _may_have_card() -> bool:
    """Tell whether there is a driver for a card of NVIDIA's or AMD's, without loading torch."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True
