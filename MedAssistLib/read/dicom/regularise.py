"""Putting tilted or unevenly spaced slices on a regular grid, by linear interpolation.

All slices of a stack are parallel planes, so a point of the grid has its value from the plane
before and the plane behind it, each interpolated within the plane. Padding, which is no
measurement, is not mixed with anything: between it and a value the nearer of the two is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom.geometry import Grid

Values = npt.NDArray[np.floating[Any]]
Padding = tuple[float, float]
"""The lowest and the highest of the values that stand for no measurement."""

_OUTSIDE, _PADDED = np.nan, np.inf
_ROUNDED = 1e-6
"""Share of a value that 32-bit floats may round away."""


def regularise(
    slices: npt.NDArray[np.generic],
    grid: Grid,
    out: npt.NDArray[np.generic],
    progress: Progress,
    paddings: Sequence[Padding | None] = (),
) -> None:
    """Fill a regular grid.

    Args:
        slices: Values, axes (slice, j, i), ordered along the normal.
        grid: The grid, and where each slice falls on it.
        out: Filled, axes (k, j, i); where no slice reaches it gets padding if there is any, else
            the lowest value of all. Planes that coincide with a slice are copied exactly.
        progress: Told how far it is.
        paddings: For each slice the values that are padding; none if it is empty.

    Raises:
        CancelledError: If the user asked to stop.
    """
    marks = paddings or [None] * len(slices)
    fill = next((mark[0] for mark in marks if mark is not None), slices.min())
    padded = any(mark is not None for mark in marks)
    with np.errstate(invalid="ignore"):  # Infinity less infinity, among padding.
        for k, plane in enumerate(_planes(slices, grid, marks)):
            progress.update(k / grid.size[2])
            outside = ~np.isfinite(plane) if padded else np.isnan(plane)
            if np.issubdtype(out.dtype, np.integer):
                np.rint(plane, out=plane)
            plane[outside] = fill
            out[k] = plane


def _planes(
    slices: npt.NDArray[np.generic], grid: Grid, paddings: Sequence[Padding | None]
) -> Iterator[Values]:
    """Yield each plane of the grid, not a number where no slice reaches."""
    held: dict[int, Values] = {}
    for k in range(grid.size[2]):
        below = int(np.searchsorted(grid.levels, k, side="right")) - 1
        above = min(below + 1, len(slices) - 1)
        held = {
            number: held[number]
            if number in held
            else _moved(_marked(slices[number], paddings[number]), grid, number)
            for number in {below, above}
        }
        span = grid.levels[above] - grid.levels[below]
        weight = (k - grid.levels[below]) / span if span > 0 else 0.0
        yield _mixed(held[below], held[above], float(weight))


def _marked(values: npt.NDArray[np.generic], padding: Padding | None) -> Values:
    """Return values in a type that holds all of theirs exactly, padding marked."""
    narrow = values.dtype == np.float32 or values.dtype.itemsize < 4
    marked: Values = values.astype(np.float32 if narrow else np.float64)
    if padding is not None:
        near = _ROUNDED * max(abs(padding[0]), abs(padding[1]))
        marked[(marked >= padding[0] - near) & (marked <= padding[1] + near)] = _PADDED
    return marked


def _mixed(low: Values, high: Values, weight: float) -> Values:
    """Weigh two arrays; among padding take the nearer, and where only one reaches, that."""
    if weight == 0.0:
        return low.copy()
    mixed: Values = low + (high - low) * low.dtype.type(weight)
    gaps = ~np.isfinite(mixed)
    nearest, other = (low, high) if weight < 0.5 else (high, low)
    mixed[gaps] = np.where(np.isnan(nearest), other, nearest)[gaps]
    return mixed


def _moved(values: Values, grid: Grid, number: int) -> Values:
    """Return one slice on the grid's columns and rows, not a number where it does not reach."""
    plane = np.full((grid.size[1], grid.size[0]), _OUTSIDE, dtype=values.dtype)
    (whole_i, part_i), (whole_j, part_j) = (_parts(shift) for shift in grid.shifts[number])
    shifted = _between(_between(values, part_i, 1), part_j, 0)
    rows, columns = shifted.shape
    plane[whole_j : whole_j + rows, whole_i : whole_i + columns] = shifted
    return plane


def _parts(shift: float) -> tuple[int, float]:
    """Return the first grid position that a slice reaches, and where in the slice that lies."""
    whole = math.ceil(shift - 1e-6)
    part = whole - shift
    return whole, part if part > 1e-6 else 0.0


def _between(values: Values, part: float, axis: int) -> Values:
    """Return the values ``part`` of a pixel after each pixel that has a next one."""
    if part == 0.0:
        return values
    low = np.take(values, range(values.shape[axis] - 1), axis)
    high = np.take(values, range(1, values.shape[axis]), axis)
    return _mixed(low, high, part)
