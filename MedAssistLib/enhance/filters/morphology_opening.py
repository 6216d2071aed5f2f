"""Grey-scale opening: the brightest smooth background below the image."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, with_ball
from MedAssistLib.progress import Progress


def _compute(
    image: sitk.Image, options: BallOptions, progress: Progress, _state: None
) -> sitk.Image:
    return with_ball(
        sitk.GrayscaleMorphologicalOpeningImageFilter(), image, options.radius, progress
    )


FILTER = FilterKind(
    name="morphology.opening",
    help="Removes small bright spots and keeps the rest: use it against calcifications.",
    options=BallOptions,
    compute=_compute,
    in_slabs=True,
    reach=ball_reach,
)
