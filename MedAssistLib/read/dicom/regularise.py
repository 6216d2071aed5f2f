"""Putting tilted or unevenly spaced slices on a regular grid, by linear interpolation.

All slices of a stack are parallel planes, so a point of the grid has its value from the plane
before and the plane behind it, each interpolated within the plane.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom.geometry import Grid

Values = npt.NDArray[np.float32]


def regularise(
    slices: npt.NDArray[np.generic],
    grid: Grid,
    out: npt.NDArray[np.generic],
    progress: Progress,
) -> None:
    """Fill a regular grid.

    Args:
        slices: Values, axes (slice, j, i), ordered along the normal.
        grid: The grid, and where each slice falls on it.
        out: Filled, axes (k, j, i); where no slice reaches it gets the lowest value of all.
        progress: Told how far it is.

    Raises:
        CancelledError: If the user asked to stop.
    """
    lowest = slices.min()
    for k, plane in enumerate(_planes(slices, grid)):
        progress.update(k / grid.size[2])
        outside = np.isnan(plane)
        if np.issubdtype(out.dtype, np.integer):
            np.rint(plane, out=plane)
        plane[outside] = lowest
        out[k] = plane


def _planes(slices: npt.NDArray[np.generic], grid: Grid) -> Iterator[Values]:
    """Yield each plane of the grid, NaN where no slice reaches."""
    held: dict[int, Values] = {}
    for k in range(grid.size[2]):
        below = int(np.searchsorted(grid.levels, k, side="right")) - 1
        above = min(below + 1, len(slices) - 1)
        held = {
            number: held[number] if number in held else _moved(slices[number], grid, number)
            for number in {below, above}
        }
        span = grid.levels[above] - grid.levels[below]
        weight = (k - grid.levels[below]) / span if span > 0 else 0.0
        yield _blended(held[below], held[above], np.float32(weight))


def _blended(below: Values, above: Values, weight: np.float32) -> Values:
    """Weigh two planes; where only one has a value, take that."""
    if weight == 0.0:
        return below.copy()
    mixed = below + (above - below) * weight
    nearest, other = (below, above) if weight < 0.5 else (above, below)
    gaps = np.isnan(mixed)
    mixed[gaps] = np.where(np.isnan(nearest), other, nearest)[gaps]
    return mixed


def _moved(values: npt.NDArray[np.generic], grid: Grid, number: int) -> Values:
    """Return one slice on the grid's columns and rows, NaN where it does not reach."""
    plane = np.full((grid.size[1], grid.size[0]), np.nan, dtype=np.float32)
    (whole_i, part_i), (whole_j, part_j) = (_parts(shift) for shift in grid.shifts[number])
    shifted = _between(_between(values.astype(np.float32), part_i, 1), part_j, 0)
    rows, columns = shifted.shape
    plane[whole_j : whole_j + rows, whole_i : whole_i + columns] = shifted
    return plane


def _parts(shift: float) -> tuple[int, float]:
    """Return the first grid position that a slice reaches, and where in the slice that lies."""
    whole = math.ceil(shift - 1e-6)
    return whole, max(whole - shift, 0.0)


def _between(values: Values, part: float, axis: int) -> Values:
    """Return the values ``part`` of a pixel after each pixel that has a next one."""
    if part == 0.0:
        return values
    low = np.take(values, range(values.shape[axis] - 1), axis)
    high = np.take(values, range(1, values.shape[axis]), axis)
    mixed: Values = low + (high - low) * np.float32(part)
    return mixed
