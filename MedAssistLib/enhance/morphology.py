"""What the filters of grey-scale morphology share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.pieces import run_in_pieces
from MedAssistLib.enhance.voxels import radius_in_voxels, radius_reach
from MedAssistLib.progress import Progress

_HIGHEST = float(np.finfo(np.float32).max)
# Time for one neighbour of a voxel.
_COST_S = 3e-9


@dataclass(frozen=True, kw_only=True)
class BallOptions(Options):
    """How large the ball is that is moved through the image."""

    radius: float = option(
        2.0,
        least=0.1,
        most=10.0,
        unit="mm",
        help="Radius of the ball: what is thinner than its diameter counts as small",
    )


def opened(
    image: sitk.Image, options: BallOptions, progress: Progress, _state: None = None
) -> sitk.Image:
    """Return the grey-scale opening with a ball."""
    steps = (sitk.GrayscaleErodeImageFilter(), sitk.GrayscaleDilateImageFilter())
    return _both(steps, image, options.radius, _HIGHEST, progress)


def closed(
    image: sitk.Image, options: BallOptions, progress: Progress, _state: None = None
) -> sitk.Image:
    """Return the grey-scale closing with a ball."""
    steps = (sitk.GrayscaleDilateImageFilter(), sitk.GrayscaleErodeImageFilter())
    return _both(steps, image, options.radius, -_HIGHEST, progress)


def _both(
    steps: tuple[Any, Any], image: sitk.Image, radius: float, outside: float, progress: Progress
) -> sitk.Image:
    """Run two passes on a border that counts for nothing in the first, as ITK's own filters do."""
    ball = radius_in_voxels(image, radius)
    made = sitk.ConstantPad(image, ball, ball, outside)
    cost = _COST_S * math.prod(2 * r + 1 for r in ball)
    for number, step in enumerate(steps):
        step.SetKernelType(sitk.sitkBall)
        step.SetKernelRadius(ball)
        made = run_in_pieces(
            step,
            progress,
            made,
            around=ball,
            cost_s=cost,
            start=number / len(steps),
            stop=(number + 1) / len(steps),
        )
    cropped: sitk.Image = sitk.Crop(made, ball, ball)
    return cropped


def ball_reach(options: BallOptions, spacing: float) -> float:
    """Return how far, in mm, an opening or closing looks along an axis: it is two passes."""
    return 2.0 * radius_reach(options.radius, spacing)
