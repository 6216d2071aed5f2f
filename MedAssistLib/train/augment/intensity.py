"""Noise, blur, contrast and uneven light: how scans of other scanners might look.

All work on one patch of normalised intensities, axes (channel, k, j, i), and leave it as it is.
The set and its ranges follow nnU-Net's (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), half
as often, because trainings here are shorter; the bias field of MR (Sudre et al. 2017,
doi:10.1007/978-3-319-67434-6_13) is added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from MedAssistLib.train.augment.random import Random

# Knots of the bias field along each axis of a patch.
_KNOTS = 3
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Intensity:
    """How often and how strongly intensities are changed.

    Attributes:
        chance_noise: Of Gaussian noise.
        noise: Its greatest standard deviation.
        chance_blur: Of Gaussian blur.
        blur: Its least and greatest standard deviation, voxels.
        chance_brightness: Of a factor on all intensities.
        brightness: Least and greatest of it.
        chance_contrast: Of a factor on the distance from the mean.
        contrast: Least and greatest of it.
        chance_coarse: Of fewer, larger voxels.
        coarse: Least zoom.
        chance_gamma: Of a gamma curve.
        gamma: Least and greatest exponent.
        chance_bias: Of a smooth bias field.
        bias: Its greatest standard deviation, as the logarithm of a factor.
    """

    chance_noise: float = 0.05
    noise: float = 0.3
    chance_blur: float = 0.05
    blur: tuple[float, float] = (0.5, 1.0)
    chance_brightness: float = 0.1
    brightness: tuple[float, float] = (0.75, 1.25)
    chance_contrast: float = 0.1
    contrast: tuple[float, float] = (0.75, 1.25)
    chance_coarse: float = 0.05
    coarse: float = 0.5
    chance_gamma: float = 0.15
    gamma: tuple[float, float] = (0.7, 1.5)
    chance_bias: float = 0.0
    bias: float = 0.3

    def __post_init__(self) -> None:
        for name in ("blur", "gamma"):
            low, high = getattr(self, name)
            if not 0.0 < low <= high:
                raise ValueError(f"{name} is {low} to {high}")
        if not 0.0 < self.coarse <= 1.0:
            raise ValueError(f"coarse is {self.coarse}")


def vary(patch: torch.Tensor, how: Intensity, random: Random) -> torch.Tensor:
    """Return a patch as another scanner might have given it."""
    return torch.stack([_varied(channel, how, random) for channel in patch])


def _varied(x: torch.Tensor, how: Intensity, random: Random) -> torch.Tensor:
    if random.chance(how.chance_bias):
        x = _biased(x, random.between(0.0, how.bias), random)
    if random.chance(how.chance_noise):
        x = x + random.normal(*x.shape) * random.between(0.0, how.noise)
    if random.chance(how.chance_blur):
        x = _blurred(x, random.between(*how.blur))
    if random.chance(how.chance_brightness):
        x = x * random.between(*how.brightness)
    if random.chance(how.chance_contrast):
        x = _contrasted(x, random.between(*how.contrast))
    if random.chance(how.chance_coarse):
        x = _coarsened(x, random.between(how.coarse, 1.0))
    if random.chance(how.chance_gamma):
        x = _curved(x, random.between(*how.gamma), inverted=random.chance(0.25))
    return x


def _biased(x: torch.Tensor, strength: float, random: Random) -> torch.Tensor:
    knots = random.normal(1, 1, _KNOTS, _KNOTS, _KNOTS) * strength
    size = [int(n) for n in x.shape]
    field = functional.interpolate(knots, size, mode="trilinear", align_corners=True)[0, 0]
    low = x.min()
    return (x - low) * field.exp() + low


def _blurred(x: torch.Tensor, sigma: float) -> torch.Tensor:
    reach = math.ceil(3 * sigma)
    steps = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights = weights / weights.sum()
    y = x[None, None]
    for axis in range(3):
        shape, sides = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + axis] = len(weights)
        sides[2 * (2 - axis)] = sides[2 * (2 - axis) + 1] = reach
        y = functional.conv3d(functional.pad(y, sides, mode="replicate"), weights.view(shape))
    return y[0, 0]


def _contrasted(x: torch.Tensor, factor: float) -> torch.Tensor:
    mean, low, high = x.mean(), x.min(), x.max()
    return ((x - mean) * factor + mean).clamp(low, high)


def _coarsened(x: torch.Tensor, zoom: float) -> torch.Tensor:
    size = [int(n) for n in x.shape]
    small = [max(1, round(n * zoom)) for n in size]
    coarse = functional.interpolate(x[None, None], small, mode="nearest-exact")
    return functional.interpolate(coarse, size, mode="trilinear", align_corners=False)[0, 0]


def _curved(x: torch.Tensor, gamma: float, *, inverted: bool) -> torch.Tensor:
    """Bend the grey values and give them their mean and deviation back."""
    sign = -1.0 if inverted else 1.0
    y = x * sign
    low, span = y.min(), (y.max() - y.min()).clamp(min=_LEAST)
    y = ((y - low) / span) ** gamma
    mean, deviation = x.mean(), x.std()
    y = (y - y.mean()) / y.std().clamp(min=_LEAST) * sign
    return y * deviation + mean
