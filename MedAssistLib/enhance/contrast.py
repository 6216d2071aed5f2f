"""What the contrast filters share: options for a range of values, what fills them in, curves."""

from __future__ import annotations

from typing import Any

import SimpleITK as sitk

from MedAssistLib.enhance.options import INTENSITY, Options, option
from MedAssistLib.enhance.voxels import Values, map_values, robust_range
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

LARGEST = 1e6
AIR_AND_BODY = "the threshold between air and body by Otsu's method"

Range = tuple[float, float]


def bound(what: str, *, ct: float, auto: str) -> Any:
    """Return a dataclass field for one end of a range of values."""
    return option(
        None,
        least=-LARGEST,
        most=LARGEST,
        unit=INTENSITY,
        help=what,
        by_modality={"CT": ct},
        auto=auto,
    )


def fill_in(image: sitk.Image, low: float | None, high: float | None) -> Range:
    """Return a range with its open ends taken from the image.

    Raises:
        UsageError: If it would be empty.
    """
    found = robust_range(image) if low is None or high is None else (0.0, 0.0)
    start = found[0] if low is None else low
    stop = found[1] if high is None else high
    if not start < stop:
        hint = "Give a low that is below high"
        raise UsageError(f"the range from {start:g} to {stop:g} is empty", hint=hint)
    return start, stop


def along_curve(
    image: sitk.Image, _options: Options, progress: Progress, curve: tuple[Values, Values]
) -> sitk.Image:
    """Return an image with its values mapped along a curve; see :func:`map_values`."""
    return map_values(image, *curve, progress)
