"""How much each voxel looks like a part of a tube or sheet, in numpy, for the slices of a preview.

It is ``itk::HessianToObjectnessMeasureImageFilter`` with its defaults for what is bright.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from MedAssistLib.enhance.blocks import Array, along, part_of

_AROUND = (1, 1, 1)
# Of half a squared ratio, for alpha and beta of one half.
_ROUNDNESS = np.float32(-0.5 / 0.5**2)
_TINY = np.float32(1e-20)


def objectness(block: Array, factors: Sequence[float], scale: float, dimension: int) -> Array:
    """Return the measure of a block, without the voxel on each side, in [0, 1].

    Args:
        block: Values, axes (k, j, i), with one voxel more on each side.
        factors: What differences along (k, j, i) are multiplied by for the derivatives.
        scale: One over the second derivative from which answers are strong; below 0 for what is
            dark.
        dimension: 1 for tubes, 2 for sheets.
    """
    high, middle, low, strength = _eigenvalues(_second_derivatives(block, factors, scale))
    if dimension == 1:
        # The two that are largest without their sign lie across the tube, and are below 0.
        shown = (middle < 0.0) & (high + middle <= 0.0)
        across = np.maximum(middle * low, _TINY)
        measure: Array = np.exp(_ROUNDNESS * high * high / across)
        flatness = np.clip(middle / np.minimum(low, -_TINY), 0.0, 1.0)
        measure *= -np.expm1(_ROUNDNESS * flatness * flatness)
    else:
        # The largest without its sign lies across the sheet, and is below 0.
        shown = (low < 0.0) & (high + low <= 0.0)
        flatness = np.clip(np.maximum(high, -middle) / np.minimum(low, -_TINY), -1.0, 1.0)
        measure = np.exp(_ROUNDNESS * flatness * flatness)
    measure *= -np.expm1(np.float32(-0.5) * strength)
    measure *= shown
    return measure


def _second_derivatives(block: Array, factors: Sequence[float], scale: float) -> list[Array]:
    """Return those along kk, jj, ii, and along kj, ki, ji."""
    centre = part_of(block, _AROUND)
    own, mixed = [], []
    for axis, factor in enumerate(factors):
        others = [other for other in range(3) if other != axis]
        line = part_of(block, [int(other in others) for other in range(3)])
        second = along(line, axis, 2, None) + along(line, axis, None, -2)
        second -= centre
        second -= centre
        second *= np.float32(factor * factor * scale)
        own.append(second)
        slope = along(block, axis, 2, None) - along(block, axis, None, -2)
        for other in range(axis + 1, 3):
            plane = along(slope, 3 - axis - other, 1, -1)
            cross = along(plane, other, 2, None) - along(plane, other, None, -2)
            cross *= np.float32(0.25 * factor * factors[other] * scale)
            mixed.append(cross)
    return own + mixed


def _eigenvalues(hessian: list[Array]) -> tuple[Array, Array, Array, Array]:
    """Return those of symmetric matrices, from high to low, and the sum of their squares.

    Smith 1961, doi:10.1145/355578.366316.
    """
    kk, jj, ii, kj, ki, ji = hessian
    mean = (kk + jj + ii) * np.float32(1.0 / 3.0)
    kk, jj, ii = kk - mean, jj - mean, ii - mean
    spread = kk * kk + jj * jj + ii * ii + 2.0 * (kj * kj + ki * ki + ji * ji)
    strength = spread + 3.0 * mean * mean
    radius = np.sqrt(spread * np.float32(1.0 / 6.0))
    determinant = kk * (jj * ii - ji * ji) - kj * (kj * ii - ji * ki) + ki * (kj * ji - jj * ki)
    cosine = determinant / np.maximum(2.0 * radius * radius * radius, _TINY)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0)) * np.float32(1.0 / 3.0)
    radius *= 2.0
    high = mean + radius * np.cos(angle)
    low = mean + radius * np.cos(angle + np.float32(2.0 * math.pi / 3.0))
    return high, 3.0 * mean - high - low, low, strength
