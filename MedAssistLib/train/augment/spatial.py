"""Turning, stretching and bending: where in a case each voxel of a training patch comes from.

The whole way from the case to the patch is one interpolation, so that nothing is blurred twice and
the corners of a turned patch hold what is there in the case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from MedAssistLib.train.augment.random import Random

Size = tuple[int, int, int]

# Knots of the bending field along each axis of a patch.
_KNOTS = 4
# Stronger bending, as a share of the distance of the knots, would fold.
_STRONGEST = 0.15


@dataclass(frozen=True, kw_only=True)
class Spatial:
    """How strongly patches are moved; angles, sizes and lengths are drawn evenly up to these.

    Attributes:
        chance_turn: How often a patch is turned.
        angles: Greatest angle about the axes k, j, i, in degrees; an axis that is much coarser
            than the others should not be mixed with them.
        chance_scale: How often it is stretched.
        scale: Least and greatest factor by which things look larger.
        chance_bend: How often it is bent.
        bend: Standard deviation of the bending at its knots, mm; less in a patch so small that it
            would fold.
        mirror: Axes (0 is k) that are flipped every other time.
    """

    chance_turn: float = 0.5
    angles: tuple[float, float, float] = (30.0, 30.0, 30.0)
    chance_scale: float = 0.5
    scale: tuple[float, float] = (0.7, 1.4)
    chance_bend: float = 0.2
    bend: float = 1.5
    mirror: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is {self.scale}")
        if not {0, 1, 2}.issuperset(self.mirror):
            raise ValueError(f"mirror is {self.mirror}: the axes are 0, 1 and 2")


@dataclass(frozen=True, eq=False)
class Places:
    """Where the voxels of a patch come from.

    Attributes:
        voxels: Of the case, axes (k, j, i, 3), the last one in the order (k, j, i).
        low: The first voxel of the case that is needed, along each axis; it may lie outside.
        high: The last one.
    """

    voxels: torch.Tensor
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def places(
    how: Spatial, centre: npt.ArrayLike, patch: Size, spacing: Sequence[float], random: Random
) -> Places:
    """Draw where the voxels of a patch come from.

    Args:
        how: How strongly it is moved.
        centre: Voxel of the case that the patch lies about, axes (k, j, i).
        patch: Voxels of the patch.
        spacing: mm along (k, j, i), so that turning does not shear.
        random: Random numbers.
    """
    steps = np.asarray(spacing, dtype=np.float64)
    matrix = (_matrix(how, random) * steps) / steps[:, None]
    knots = float(((np.asarray(patch) - 1) * steps).min()) / (_KNOTS - 1)
    bend = min(how.bend, _STRONGEST * knots) if random.chance(how.chance_bend) else 0.0
    # The bending is as good as never stronger than four standard deviations.
    reach = np.abs(matrix) @ ((np.asarray(patch) - 1) / 2) + 4 * bend / steps
    middle = np.asarray(centre, dtype=np.float64)
    field = random.normal(1, 3, *(_KNOTS,) * 3)
    device = field.device
    lines = [torch.arange(n, dtype=torch.float32, device=device) - (n - 1) / 2 for n in patch]
    offsets = torch.stack(torch.meshgrid(*lines, indexing="ij"), -1)
    voxels = offsets @ _on(device, matrix.T) + _on(device, middle)
    if bend:
        moved = functional.interpolate(field, patch, mode="trilinear", align_corners=True)
        voxels = voxels + moved[0].movedim(0, -1) * _on(device, bend / steps)
    return Places(voxels, middle - reach, middle + reach)


def sample(volume: torch.Tensor, voxels: torch.Tensor, *, nearest: bool = False) -> torch.Tensor:
    """Read a volume at given places; zero outside.

    Args:
        volume: float, axes (channel, k, j, i).
        voxels: Places, axes (k, j, i, 3).
        nearest: Take the nearest voxel instead of interpolating linearly.

    Returns:
        Axes (channel, k, j, i) of the places.
    """
    size = _on(voxels.device, np.array(volume.shape[1:]))
    # grid_sample wants the order (i, j, k), from -1 to 1 over the outer edges of the volume.
    grid = ((2 * voxels + 1) / size - 1).flip(-1)
    mode = "nearest" if nearest else "bilinear"
    return functional.grid_sample(
        volume[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False
    )[0]


def _on(device: torch.device, values: npt.NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device, non_blocking=True)


def _matrix(how: Spatial, random: Random) -> npt.NDArray[np.float64]:
    """Draw the matrix that maps mm of the patch to mm of the case."""
    matrix = np.eye(3)
    if random.chance(how.chance_turn):
        for axis, most in enumerate(how.angles):
            matrix = matrix @ _turn(axis, random.between(-most, most))
    if random.chance(how.chance_scale):
        low, high = (math.log(factor) for factor in how.scale)
        matrix = matrix / math.exp(random.between(low, high))
    for axis in how.mirror:
        if random.chance(0.5):
            matrix[:, axis] *= -1
    return matrix


def _turn(axis: int, degrees: float) -> npt.NDArray[np.float64]:
    first, second = (other for other in range(3) if other != axis)
    angle = math.radians(degrees)
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = math.cos(angle)
    matrix[first, second], matrix[second, first] = -math.sin(angle), math.sin(angle)
    return matrix
