"""Grey-scale closing: the darkest smooth background above the image."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, with_ball
from MedAssistLib.progress import Progress


def _compute(
    image: sitk.Image, options: BallOptions, progress: Progress, _state: None
) -> sitk.Image:
    return with_ball(
        sitk.GrayscaleMorphologicalClosingImageFilter(), image, options.radius, progress
    )


FILTER = FilterKind(
    name="morphology.closing",
    help="Fills small dark gaps and keeps the rest: use it to close airways or cracks in bone.",
    options=BallOptions,
    compute=_compute,
    in_slabs=True,
    reach=ball_reach,
)
