"""Which way the axes of a grid run through a body, in words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry

_WORDS = {"L": "left", "R": "right", "P": "back", "A": "front", "S": "top", "I": "bottom"}
_OTHER = {"L": "R", "R": "L", "P": "A", "A": "P", "S": "I", "I": "S"}
ACROSS = {"L": "left-right", "P": "front-back", "S": "up-down"}
"""What each of the three ways through a body is called, by the letter that LPS has for it."""

# A direction is named by those parts of it that make up at least this share of its length.
_COUNTS = 0.4


def ends(grid: sitk.Image, axis: int) -> tuple[str, str]:
    """Return where the first and the last voxel along an axis (k, j, i) lie, such as "left"."""
    letter = geometry.orientation(grid)[2 - axis]
    return _WORDS[_OTHER[letter]], _WORDS[letter]


def across(grid: sitk.Image, axis: int) -> str:
    """Return which way an axis (k, j, i) runs most nearly, one of :data:`ACROSS`."""
    letter = geometry.orientation(grid)[2 - axis]
    return ACROSS[letter if letter in ACROSS else _OTHER[letter]]


def towards(grid: sitk.Image, step: npt.ArrayLike) -> tuple[str, float]:
    """Return where a step of some voxels along (k, j, i) leads in words, and how far, mm."""
    index = np.asarray(step, dtype=np.float64)[::-1]
    lps = geometry.index_to_lps(grid)[:3, :3] @ index
    far = float(np.linalg.norm(lps))
    named = [
        _WORDS[letter if part > 0 else _OTHER[letter]]
        for letter, part in zip("LPS", lps, strict=True)
        if abs(part) >= _COUNTS * far
    ]
    return " and ".join(named), far
