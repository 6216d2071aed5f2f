"""One step of ITK's diffusions and of its curvature flow in numpy, for the slices of a preview.

The schemes are those of ``itk::GradientNDAnisotropicDiffusionFunction``,
``itk::CurvatureNDAnisotropicDiffusionFunction`` and ``itk::CurvatureFlowFunction``. A block's
voxels stand in a row, where each axis is one distance: numpy is quickest on long rows. What comes
about where a line of voxels ends and the next begins is left out in the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from MedAssistLib.enhance.blocks import Array, part_of

_AROUND = (1, 1, 1)
# As in ITK, where there is no gradient.
_LEAST_SQUARE, _FLAT = 1e-10, 1e-9


class _Row:
    """A block's voxels in a row.

    Attributes:
        steps: Distances of neighbours along the three axes, the longest first.
        scales: One over the spacing in mm along those.
    """

    def __init__(self, block: Array, scales: Sequence[float]) -> None:
        self._block = block.copy(order="K")
        self._values = self._block.ravel(order="K")
        steps = [stride // block.itemsize for stride in self._block.strides]
        pairs = sorted(zip(steps, scales, strict=True), reverse=True)
        self.steps, self.scales = zip(*pairs, strict=True)
        self._first = sum(self.steps)
        self._stop = self._values.size - self._first

    def at(self, shift: int = 0, before: int = 0, behind: int = 0) -> Array:
        """Return the voxels inside the margin, and so many more, shifted."""
        return self._values[self._first + shift - before : self._stop + shift + behind]

    def slope(self, axis: int, factor: float, more: int) -> Array:
        """Return the value after less the value before along an axis, times a factor."""
        step = self.steps[axis]
        slope: Array = self.at(step, more, more) - self.at(-step, more, more)
        slope *= np.float32(factor * self.scales[axis])
        return slope

    def with_inside(self, values: Array) -> Array:
        """Return the block without its margin, with new values."""
        self.at()[:] = values
        return part_of(self._block, _AROUND)


def diffused(
    block: Array, scales: Sequence[float], limit: float, step: float, *, curvature: bool
) -> Array:
    """Return a block after one step of anisotropic diffusion, without the voxel on each side.

    Args:
        block: Values, axes (k, j, i), with one voxel more on each side.
        scales: One over the spacing in mm, along (k, j, i).
        limit: What squared gradients are divided by in the exponent of the conductance: minus
            twice their mean, times the squared conductance of the options.
        step: Time step.
        curvature: Whether it is curvature diffusion; otherwise gradient diffusion.
    """
    row = _Row(block, scales)
    if limit == 0.0:
        return row.with_inside(row.at())
    change, rising, falling = (np.zeros_like(row.at()) for _ in range(3))
    for axis, apart in enumerate(row.steps):
        # At the borders between a voxel and the next along the axis, from the one before the first.
        ahead = row.at(apart, apart) - row.at(0, apart)
        ahead *= np.float32(row.scales[axis])
        square = ahead * ahead
        for other in range(3):
            if other != axis:
                slope = row.slope(other, 0.25, apart)
                slope = slope[apart:] + slope[:-apart]
                slope *= slope
                square += slope
        flow = square * np.float32(1.0 / limit)
        np.exp(flow, out=flow)
        flow *= ahead
        if curvature:
            square += np.float32(_LEAST_SQUARE)
            flow /= np.sqrt(square, out=square)
            up, down = np.maximum(ahead, 0.0), np.minimum(ahead, 0.0)
            up *= up
            down *= down
            rising += up[apart:]
            rising += down[:-apart]
            falling += down[apart:]
            falling += up[:-apart]
        change += flow[apart:]
        change -= flow[:-apart]
    if curvature:
        # The one where it brightens, the other elsewhere: quicker than np.where.
        rising -= falling
        rising *= change > 0.0
        rising += falling
        change *= np.sqrt(rising, out=rising)
    change *= np.float32(step)
    change += row.at()
    return row.with_inside(change)


def flowed(block: Array, scales: Sequence[float], step: float) -> Array:
    """Return a block after one step of curvature flow, without the voxel on each side.

    Args:
        block: Values, axes (k, j, i), with one voxel more on each side.
        scales: One over the spacing in mm, along (k, j, i).
        step: Time step in mm².
    """
    row = _Row(block, scales)
    double = row.at() + row.at()
    # The slope along an axis is also needed where the axes after it lead.
    margins = [*row.steps[1:], 0]
    slopes = [row.slope(axis, 0.5, more) for axis, more in enumerate(margins)]
    inner = [slope[more : len(slope) - more] for slope, more in zip(slopes, margins, strict=True)]
    laplacian, squares, bend = (np.zeros_like(double) for _ in range(3))
    for axis, (apart, margin) in enumerate(zip(row.steps, margins, strict=True)):
        squares += inner[axis] * inner[axis]
        second = row.at(apart) + row.at(-apart)
        second -= double
        second *= np.float32(row.scales[axis] ** 2)
        laplacian += second
        second *= inner[axis]
        for other in range(axis + 1, 3):
            # Twice the second derivative along both.
            to = row.steps[other]
            ahead = slopes[axis][margin + to : len(slopes[axis]) - margin + to]
            cross = ahead - slopes[axis][margin - to : len(slopes[axis]) - margin - to]
            cross *= np.float32(row.scales[other])
            cross *= inner[other]
            second += cross
        second *= inner[axis]
        bend += second
    laplacian *= squares
    laplacian -= bend
    laplacian *= squares >= _FLAT
    laplacian /= np.maximum(squares, np.float32(_FLAT), out=squares)
    laplacian *= np.float32(step)
    laplacian += row.at()
    return row.with_inside(laplacian)
