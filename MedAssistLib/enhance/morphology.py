"""What the filters of grey-scale morphology share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import radius_in_voxels, radius_reach
from MedAssistLib.progress import Progress


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


def with_ball(morphology: Any, image: sitk.Image, radius: float, progress: Progress) -> sitk.Image:
    """Run one of ITK's filters of grey-scale morphology with a ball of ``radius`` mm."""
    morphology.SetKernelType(sitk.sitkBall)
    morphology.SetKernelRadius(radius_in_voxels(image, radius))
    result: sitk.Image = run(morphology, progress, image)
    return result


def ball_reach(options: BallOptions, spacing: float) -> float:
    """Return how far, in mm, an opening or closing looks along an axis: it is two passes."""
    return 2.0 * radius_reach(options.radius, spacing)
