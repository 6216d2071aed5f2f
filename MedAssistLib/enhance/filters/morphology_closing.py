"""Grey-scale closing: the darkest smooth background above the image."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, closed
from MedAssistLib.progress import Progress


def _compute(
    image: sitk.Image, options: BallOptions, progress: Progress, _state: None
) -> sitk.Image:
    return closed(image, options.radius, progress)


FILTER = FilterKind(
    name="morphology.closing",
    help="Fills small dark gaps and keeps the rest: use it to close airways or cracks in bone.",
    options=BallOptions,
    compute=_compute,
    reach=ball_reach,
)
