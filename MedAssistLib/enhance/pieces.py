"""Working through an image in pieces, so that a wish to cancel is looked at often enough.

ITK looks for one only every hundredth of its work, which for a whole scan may be many seconds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.itk import run
from MedAssistLib.progress import Progress

# ITK gets at most so much work at once, in seconds of one core; it looks every hundredth of it.
_AT_ONCE_S = 25.0
_MOST_VOXELS = 4_000_000


def run_in_pieces(  # noqa: PLR0913 - each is a fact about the work
    itk_filter: Any,
    progress: Progress,
    image: sitk.Image,
    *,
    around: Sequence[int],
    cost_s: float,
    start: float = 0.0,
    stop: float = 1.0,
) -> sitk.Image:
    """Execute a SimpleITK filter on an image, piece by piece; see :func:`run`.

    Args:
        itk_filter: The filter with its parameters set; its result has its input's size.
        progress: Told how far it is; looked at for cancellation.
        image: The image.
        around: How many voxels around each voxel its result depends on, along (i, j, k).
        cost_s: Rough time per voxel in seconds of one core.
        start: How much of ``progress`` was done before, in [0, 1].
        stop: How much of ``progress`` will be done after.

    Raises:
        CancelledError: If the user asked to stop.
    """
    size = image.GetSize()
    sides = _sides(size, around, min(_AT_ONCE_S / cost_s, _MOST_VOXELS))
    corners = list(itertools.product(*(range(0, n, s) for n, s in zip(size, sides, strict=True))))
    values = np.empty(size[::-1], dtype=np.float32)
    done = [start + (stop - start) * n / len(corners) for n in range(len(corners) + 1)]
    for number, low in enumerate(corners):
        high = [min(b + s, n) for b, s, n in zip(low, sides, size, strict=True)]
        # ITK's gradients want two voxels at least along each axis.
        first = [max(min(b - a, n - 2), 0) for b, a, n in zip(low, around, size, strict=True)]
        last = [min(max(e + a, 2), n) for e, a, n in zip(high, around, size, strict=True)]
        extent = [e - b for b, e in zip(first, last, strict=True)]
        piece = sitk.RegionOfInterest(image, extent, first)
        made = run(itk_filter, progress, piece, start=done[number], stop=done[number + 1])
        inner = tuple(slice(b - f, e - f) for b, e, f in zip(low, high, first, strict=True))
        place = tuple(slice(b, e) for b, e in zip(low, high, strict=True))
        values[place[::-1]] = sitk.GetArrayViewFromImage(made)[inner[::-1]]
    return geometry.from_array(values, image)


def _sides(size: Sequence[int], around: Sequence[int], most: float) -> list[int]:
    """Return the sides of pieces that have at most so many voxels with their context."""
    sides = list(size)

    def voxels() -> int:
        return math.prod(min(s + 2 * a, n) for s, a, n in zip(sides, around, size, strict=True))

    while voxels() > most and max(sides) > 1:
        # The side that is longest for its context: cutting it costs least.
        axis = max(range(3), key=lambda a: sides[a] / (around[a] + 1) if sides[a] > 1 else 0.0)
        sides[axis] = -(-sides[axis] // 2)
    return sides
