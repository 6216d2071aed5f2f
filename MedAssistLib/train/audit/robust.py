"""Outliers by median and median deviation, which the outliers themselves do not move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FEWEST = 8
"""Fewer values than this have no outliers."""

# The median deviation of a normal distribution is so much of its standard deviation.
_NORMAL = 0.6744897501960817

Vector = npt.NDArray[np.float64]


def robust_scores(values: Vector) -> Vector:
    """Return how many standard deviations each value is from the middle.

    The modified z-score of Iglewicz and Hoaglin, "How to detect and handle outliers", 1993: of an
    otherwise normal distribution, values beyond ±3.5 are outliers.

    Args:
        values: At least one.

    Returns:
        The scores; ±infinity for other values where at least half of them are the same.
    """
    off = values - np.median(values)
    deviation = np.median(np.abs(off))
    scores: Vector = np.where(off == 0.0, 0.0, np.copysign(np.inf, off))
    if deviation > 0.0:
        scores = _NORMAL * off / deviation
    return scores
