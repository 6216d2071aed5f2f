"""What an image file's own header states, beyond what ITK hands on.

ITK fills what a header leaves out, a spacing of 1 mm or axes along the body, without a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.case import Finding, Severity
from MedAssistLib.errors import InputError

NO_PLACE_RULE = "scan.no-place"
TWO_PLACES_RULE = "scan.two-places"

_MOST_DEFLATED = 1032
"""What deflate can shrink at most (zlib.net/zlib_tech.html)."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a header states.

    Attributes:
        spacing: Whether it gives the distance of the voxels.
        volumes: Whether several values a voxel are volumes, such as time points, and not a colour.
        ras: Whether ITK hands on its places as right, anterior, superior instead of LPS.
        data: The file with the voxels, if it is one.
        start: Bytes of it before the voxels.
        packed: Whether they are packed or written as text there.
        findings: What is odd about it.
    """

    spacing: bool = True
    volumes: bool = False
    ras: bool = False
    data: Path | None = None
    start: int = 0
    packed: bool = False
    findings: tuple[Finding, ...] = ()


def require_room(data: Path, needed: int, held: int, *, packed: bool) -> None:
    """Refuse a header that announces more than its file can hold, before anything trusts it.

    Args:
        data: The file with the voxels.
        needed: Bytes that the header announces.
        held: Bytes of the file.
        packed: Whether they are packed.

    Raises:
        InputError: If it does.
    """
    if needed > (held * _MOST_DEFLATED if packed else held):
        what = f"is cut off: {max(held, 0)} bytes{' packed' * packed} of {needed}"
        raise InputError(what, where=data, hint="Copy or export it again")


def no_place(explanation: str) -> Finding:
    """Return the finding that a file does not say how the scan lies in the body."""
    return Finding(
        rule=NO_PLACE_RULE,
        severity=Severity.REVIEW,
        title="The file does not say which way the scan lies: left may be right.",
        explanation=explanation,
    )


def no_origin() -> Finding:
    """Return the finding that a file gives directions but no position."""
    return Finding(
        rule="scan.no-origin",
        severity=Severity.INFO,
        title="The file does not say where the scan lies; its first voxel was put at 0, 0, 0.",
        explanation="Do not compare its places with those of another scan.",
    )


def given_spacing(spacing: Sequence[float]) -> Finding:
    """Return the finding that a person gave the spacing."""
    shown = " × ".join(f"{value:g}" for value in spacing)
    return Finding(
        rule="scan.given-spacing",
        severity=Severity.INFO,
        title=f"The file does not say its voxel spacing; {shown} mm was given by hand.",
        explanation="Every length and volume depends on it.",
    )


def numbers(text: str) -> list[float]:
    """Return the numbers of a header field, parted by blanks, commas or brackets.

    Raises:
        ValueError: If something in it is no number.
    """
    for mark in "(),":
        text = text.replace(mark, " ")
    return [float(part) for part in text.split() if part != "none"]


def usable(values: Sequence[float]) -> bool:
    """Tell whether all are finite and above zero, as a spacing must be."""
    return bool(values) and all(math.isfinite(value) and value > 0.0 for value in values)
