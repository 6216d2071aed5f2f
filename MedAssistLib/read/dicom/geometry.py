"""Where the slices of one stack lie, what is odd about that, and the regular grid that holds them.

Everything comes from the positions. Lengths are mm; points and directions are LPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Finding, Point
from MedAssistLib.read.dicom.frames import Frame, Vector
from MedAssistLib.read.dicom.oddities import (
    OVERLAP_SHARE,
    TOLERANCE_MM,
    sideways_findings,
    step_findings,
)

SAME_PLACE_MM = 0.002
"""Slices nearer to each other than this lie in one place; more than what files round away."""

_SNAP_MM = 0.01
_STEP_TOLERANCE = 0.02
_MOST_TOLERANCE = 0.1
_MOST_GROWTH = 10


@dataclass(frozen=True, eq=False)
class Grid:
    """The regular grid of a stack, and where each of its slices falls on it.

    Attributes:
        size: Voxels along i, j, k.
        spacing: mm along i, j, k.
        origin: LPS mm of voxel (0, 0, 0).
        direction: 3×3, its columns the directions of i, j, k.
        levels: For each slice its place along k, in voxels; whole where it coincides.
        shifts: For each slice (n, 2) where its first pixel falls along i and j, in voxels.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: Point
    direction: Vector
    levels: npt.NDArray[np.float64]
    shifts: npt.NDArray[np.float64]

    @property
    def regular(self) -> bool:
        """Whether slice number k is the grid's plane k, so that nothing needs resampling."""
        places = np.arange(self.size[2])
        return np.array_equal(self.levels, places) and not self.shifts.any()


def along_normal(frames: Sequence[Frame]) -> npt.NDArray[np.float64]:
    """Return the place of each frame along the normal of the first, in mm from the origin."""
    places: npt.NDArray[np.float64] = np.array([f.position for f in frames]) @ frames[0].normal
    return places


def grid_of(frames: Sequence[Frame]) -> tuple[Grid, tuple[Finding, ...]]:
    """Find the regular grid of a stack.

    Args:
        frames: At least two, all turned alike, ordered along their normal, no two in one place.

    Returns:
        The grid, and what is odd about the stack.
    """
    first = frames[0]
    along = along_normal(frames) - along_normal(frames[:1])
    moved = np.array([frame.position for frame in frames]) - first.position
    sideways = np.column_stack([moved @ first.row, moved @ first.column])
    findings = sideways_findings(along, sideways, first)
    if not findings:
        sideways = np.zeros_like(sideways)
    step, levels = _levels(along)
    findings += step_findings(frames, along, levels, step)
    shifts = sideways / np.array(first.spacing)
    low = np.floor(shifts.min(axis=0))
    extra = np.ceil(shifts.max(axis=0)) - low
    origin = first.position + first.row * low[0] * first.spacing[0]
    origin = origin + first.column * low[1] * first.spacing[1]
    grid = Grid(
        size=(
            first.size[0] + int(extra[0]),
            first.size[1] + int(extra[1]),
            round(float(levels[-1])) + 1,
        ),
        spacing=(*first.spacing, step),
        origin=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=np.column_stack([first.row, first.column, first.normal]),
        levels=levels,
        shifts=shifts - low,
    )
    return grid, tuple(findings)


def _levels(along: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the distance between the grid's planes, and each slice's place in that unit."""
    steps, count = np.diff(along), len(along) - 1
    mean = float(along[-1]) / count
    if _fits(along, np.arange(count + 1) * mean, mean):
        return mean, np.arange(count + 1, dtype=np.float64)
    typical = float(np.median(steps))
    counts = np.cumsum([0, *np.rint(steps / typical)])
    if (np.diff(counts) >= 1).all() and counts[-1] <= _MOST_GROWTH * count:
        base = float(along[-1] / counts[-1])
        if _fits(along, counts * base, base):
            return base, counts.astype(np.float64)
    finest = float(steps[steps >= OVERLAP_SHARE * typical].min())
    counted = (max(round(float(along[-1]) / size), 1) for size in (finest, typical, mean))
    planes = next((planes for planes in counted if planes <= _MOST_GROWTH * count), count)
    step = float(along[-1]) / planes
    levels = along / step
    whole = np.rint(levels)
    return step, np.where(np.abs(levels - whole) * step <= _SNAP_MM, whole, levels)


def _fits(along: npt.NDArray[np.float64], places: npt.NDArray[Any], step: float) -> bool:
    tolerance = min(max(TOLERANCE_MM, _STEP_TOLERANCE * step), _MOST_TOLERANCE * step)
    return bool(np.abs(along - places).max() <= tolerance)
