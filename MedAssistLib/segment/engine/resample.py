"""Interpolation from one grid to another of the same extent, one axis after the other.

Voxel ``o`` of ``m`` lies at ``(o + 0.5) · n / m − 0.5`` of ``n``; beyond the first and last voxel
the outermost value goes on. An axis is a matrix of ``m`` × ``n`` weights, so that all three are
matrix products, on any device, for the whole result or for a slab of it. The answer is that of
nnU-Net's default, which takes ``skimage.transform.resize(mode="edge", anti_aliasing=False)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from MedAssistLib.errors import ModelError
from MedAssistLib.models.plan import Resampling

NEAREST, LINEAR, CUBIC = 0, 1, 3

# Above this ratio of spacings nnU-Net takes the coarse axis apart.
_ANISOTROPIC = 3.0
# SciPy goes on with the outermost value this far before it finds the spline's coefficients.
_EDGE = 12


@dataclass(frozen=True)
class Interpolation:
    """How one grid becomes another.

    Attributes:
        orders: Spline order along each axis.
        apart: The axis that is taken apart, if any.
        scales: For each axis, the old voxels from one new voxel to the next, where both grids
            begin at the same point; ``None`` where both cover the same extent.
    """

    orders: tuple[int, int, int]
    apart: int | None = None
    scales: tuple[float, float, float] | None = None

    def along(self, axis: int) -> tuple[int, float | None]:
        """Return the order and the scale along an axis."""
        return self.orders[axis], None if self.scales is None else self.scales[axis]


class Taps(NamedTuple):
    """Between which two voxels of the old grid each voxel of the new one lies.

    Attributes:
        low: Index of the voxel before it.
        high: Index of the voxel after it; equal to ``low`` at the end and for nearest neighbour.
        weight: Share of ``high``, in [0, 1].
    """

    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


def interpolation(
    how: Resampling, old_spacing: Sequence[float], new_spacing: Sequence[float]
) -> Interpolation:
    """Return the order along each axis, by nnU-Net's rule about coarse axes.

    Args:
        how: The model's plan for it.
        old_spacing: mm along the three axes before.
        new_spacing: mm along the three axes after.
    """
    if how.first_voxels:
        k, j, i = (new / old for old, new in zip(old_spacing, new_spacing, strict=True))
        return Interpolation((how.order,) * 3, scales=(k, j, i))
    axis = _coarse_axis(how.apart, old_spacing, new_spacing)
    orders = [how.order] * 3
    if axis is not None:
        orders[axis] = how.order_apart
    return Interpolation((orders[0], orders[1], orders[2]), axis)


def _coarse_axis(
    apart: bool | None, old_spacing: Sequence[float], new_spacing: Sequence[float]
) -> int | None:
    if apart is False:
        return None
    spacing = old_spacing
    if apart is None:
        uneven = [s for s in (old_spacing, new_spacing) if max(s) / min(s) > _ANISOTROPIC]
        if not uneven:
            return None
        spacing = uneven[0]
    # With two axes as coarse as each other there is no single one to take apart.
    coarse = [axis for axis, value in enumerate(spacing) if value == max(spacing)]
    return coarse[0] if len(coarse) == 1 else None


def new_size(
    size: Sequence[int],
    old_spacing: Sequence[float],
    new_spacing: Sequence[float],
    *,
    first_voxels: bool = False,
) -> tuple[int, int, int]:
    """Return the number of voxels along each axis at another spacing.

    Args:
        size: Voxels along the three axes before.
        old_spacing: mm along them before.
        new_spacing: mm along them after.
        first_voxels: Count from the first voxel's middle to the last's, rounded as MONAI does;
            otherwise the extent, rounded as nnU-Net does.
    """
    ends = 1 if first_voxels else 0
    k, j, i = (
        max(1, round(old / new * (n - ends) + ends))
        for n, old, new in zip(size, old_spacing, new_spacing, strict=True)
    )
    return k, j, i


def taps(old: int, new: int, order: int, scale: float | None = None) -> Taps:
    """Return the neighbours of each of ``new`` voxels among ``old``, for order 0 or 1."""
    place = _places(old, new, scale)
    if order == NEAREST or _same(old, new, scale):
        # Halfway, scikit-image takes the voxel after; in MONAI errors of rounding decide.
        rounded = np.floor(place + 0.5) if scale is None else np.rint(place)
        nearest = np.clip(rounded, 0, old - 1).astype(np.int64)
        return Taps(nearest, nearest, np.zeros(new))
    place = place.clip(0, old - 1)
    low = np.floor(place).astype(np.int64)
    return Taps(low, np.minimum(low + 1, old - 1), place - low)


@lru_cache(maxsize=32)
def weights(old: int, new: int, order: int, scale: float | None = None) -> torch.Tensor:
    """Return the matrix (new, old), float32, that interpolates one axis.

    Raises:
        ModelError: If the order is not 0, 1 or 3.
    """
    if order in (NEAREST, LINEAR):
        low, high, share = taps(old, new, order, scale)
        matrix = np.zeros((new, old))
        rows = np.arange(new)
        np.add.at(matrix, (rows, low), 1.0 - share)
        np.add.at(matrix, (rows, high), share)
    elif order == CUBIC:
        matrix = _cubic(old, _places(old, new, scale))
    else:
        raise ModelError(f"its plan interpolates with splines of order {order}, not 0, 1 or 3")
    return torch.from_numpy(matrix.astype(np.float32))


def resample(
    volume: torch.Tensor,
    size: tuple[int, int, int],
    how: Interpolation,
    rows: tuple[int, int] | None = None,
) -> torch.Tensor:
    """Interpolate a volume onto a grid of another size.

    Args:
        volume: Values, axes (channel, k, j, i).
        size: Voxels of the new grid along (k, j, i).
        how: Spline order of each axis.
        rows: First row along k to compute and the row after the last; ``None`` for all.

    Returns:
        float32 values, axes (channel, k, j, i), on the device of ``volume``. As in scikit-image,
        a cubic result stays within the values of its channel, or within those of its slice if an
        axis is taken apart.
    """
    start, stop = rows or (0, size[0])
    old = volume.shape[1:]
    if all(_same(old[axis], size[axis], how.along(axis)[1]) for axis in range(3)):
        return volume[:, start:stop].float()
    bounds = _bounds(volume, how)
    matrices = [weights(old[axis], size[axis], *how.along(axis)) for axis in range(3)]
    first, window = _window(matrices[0][start:stop])
    matrices[0] = first
    result = volume[:, window]
    if bounds is not None and how.apart == 0:
        bounds = bounds[0][:, window], bounds[1][:, window]
    together = [axis for axis in range(3) if axis != how.apart]
    # What shrinks most goes first, so that the rest has less to do.
    together.sort(key=lambda axis: matrices[axis].shape[0] / matrices[axis].shape[1])
    for axis in together:
        result = _along(result, matrices[axis], axis)
    if bounds is not None:
        result = result.clamp(*bounds)
    if how.apart is not None:
        result = _along(result, matrices[how.apart], how.apart)
    return result.float()


def _places(old: int, new: int, scale: float | None) -> npt.NDArray[np.float64]:
    if scale is not None:
        return np.arange(new, dtype=np.float64) * scale
    return (np.arange(new, dtype=np.float64) + 0.5) * (old / new) - 0.5


def _same(old: int, new: int, scale: float | None) -> bool:
    return old == new and scale in (None, 1.0)


def _cubic(old: int, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights of the interpolating cubic B-spline over a line that goes on flat."""
    line = np.pad(np.eye(old), ((_EDGE, _EDGE), (0, 0)), mode="edge")
    coefficients = ndimage.spline_filter1d(line, 3, axis=0, output=np.float64, mode="nearest")
    place = places + _EDGE
    before = np.floor(place).astype(np.int64)
    t = (place - before)[:, np.newaxis]
    basis = (
        (1 - t) ** 3 / 6,
        2 / 3 - t**2 * (2 - t) / 2,
        2 / 3 - (1 - t) ** 2 * (1 + t) / 2,
        t**3 / 6,
    )
    matrix: npt.NDArray[np.float64] = np.zeros((len(places), old))
    for step, share in zip((-1, 0, 1, 2), basis, strict=True):
        matrix += share * coefficients[before + step]
    return matrix


def _bounds(volume: torch.Tensor, how: Interpolation) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the least and greatest value that each channel, or each of its slices, may take."""
    if max(order for axis, order in enumerate(how.orders) if axis != how.apart) <= LINEAR:
        return None
    over = [axis + 1 for axis in range(3) if axis != how.apart]
    return volume.amin(over, keepdim=True).float(), volume.amax(over, keepdim=True).float()


def _window(matrix: torch.Tensor) -> tuple[torch.Tensor, slice]:
    """Return the columns of a matrix from its first to its last one that matters, and which."""
    used = (matrix.abs() > 1e-9).any(0).nonzero()
    window = slice(int(used[0]), int(used[-1]) + 1)
    return matrix[:, window], window


def _along(volume: torch.Tensor, matrix: torch.Tensor, axis: int) -> torch.Tensor:
    """Apply a matrix (new, old) along one of the axes (k, j, i) of a (channel, k, j, i) array."""
    new, old = matrix.shape
    if new == old and torch.equal(matrix, torch.eye(new)):
        return volume
    matrix = matrix.to(volume.device)
    shape = list(volume.shape)
    shape[axis + 1] = new
    if axis == 2:
        return (volume.float() @ matrix.T).reshape(shape)
    flat = volume.float().reshape(int(np.prod(volume.shape[: axis + 1])), old, -1)
    return torch.bmm(matrix.expand(len(flat), new, old), flat).reshape(shape)
