"""Made-up structures of known place, for networks to find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Range = tuple[float, float]


def two_kinds_of_balls(
    size: Sequence[int],
    spacing: Sequence[float],
    random: np.random.Generator,
    *,
    centres: Range,
    radii: Range,
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels 1 and 2 of two balls each, later over earlier, and where each voxel lies in mm.

    Args:
        size: Voxels along each axis.
        spacing: mm along each axis.
        random: Decides where the balls are.
        centres: Between which shares of the extent along each axis they lie.
        radii: How large they are, as shares of the mean extent.
    """
    places = np.stack(np.meshgrid(*[np.arange(n) for n in size], indexing="ij"), -1) * spacing
    extent = np.array(size) * spacing
    labels = np.zeros(size, dtype=np.uint8)
    for label in (1, 2, 1, 2):
        centre = random.uniform(*centres, 3) * extent
        radius = random.uniform(*radii) * extent.mean()
        labels[((places - centre) ** 2).sum(-1) < radius**2] = label
    return labels, places
