"""Grey-scale opening: the brightest smooth background below the image."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, opened
from MedAssistLib.progress import Progress


def _compute(
    image: sitk.Image, options: BallOptions, progress: Progress, _state: None
) -> sitk.Image:
    return opened(image, options.radius, progress)


FILTER = FilterKind(
    name="morphology.opening",
    help="Removes small bright spots and keeps the rest: use it against calcifications.",
    options=BallOptions,
    compute=_compute,
    reach=ball_reach,
)
