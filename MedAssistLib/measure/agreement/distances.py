"""Numbers that sum up how far two surfaces are from each other.

Each takes what :func:`~MedAssistLib.measure.agreement.surfaces.compare_surfaces` returns, and
weights every surface element with its area, as ``surface-distance`` does (doi:10.2196/26151).
"""

from __future__ import annotations

import math

import numpy as np

from MedAssistLib.measure.agreement.surfaces import SurfaceDistances

Pair = tuple[SurfaceDistances, SurfaceDistances]


def hausdorff_distance(pair: Pair, percent: float = 100.0) -> float:
    """Return the distance in mm within which ``percent`` of each surface is of the other.

    With 95 it is HD95: the larger of both surfaces' 95th percentiles.

    Args:
        pair: Both surfaces.
        percent: Share of the surface's area, above 0 and at most 100.

    Returns:
        Infinite if one mask is empty, NaN if both are.
    """
    found = [_percentile(surface, percent) for surface in pair if len(surface.areas)]
    return max(found, default=math.nan)


def average_distance(pair: Pair) -> float:
    """Return the average symmetric surface distance (ASSD) in mm.

    It is the mean over the area of both surfaces together, not the mean of both surfaces' means.

    Returns:
        Infinite if one mask is empty, NaN if both are.
    """
    area = sum(float(surface.areas.sum()) for surface in pair)
    weighted = sum(float((surface.distances * surface.areas).sum()) for surface in pair)
    return weighted / area if area else math.nan


def surface_dice(pair: Pair, tolerance: float) -> float:
    """Return the normalised surface Dice (NSD): the share of both surfaces that is close enough.

    Args:
        pair: Both surfaces.
        tolerance: What is close enough, mm.

    Returns:
        From 0 to 1; 0 if one mask is empty, NaN if both are.
    """
    area = sum(float(surface.areas.sum()) for surface in pair)
    close = sum(float(surface.areas[surface.distances <= tolerance].sum()) for surface in pair)
    return close / area if area else math.nan


def _percentile(surface: SurfaceDistances, percent: float) -> float:
    """Return the distance that ``percent`` of a surface's area does not exceed, mm."""
    distances = surface.distances
    # Equal distances in order of area, so that sums are rounded as in surface-distance.
    order = np.lexsort((surface.areas, distances))
    areas = surface.areas[order]
    share = np.cumsum(areas) / areas.sum()
    place = min(int(np.searchsorted(share, percent / 100.0)), len(order) - 1)
    return float(distances[order[place]])
