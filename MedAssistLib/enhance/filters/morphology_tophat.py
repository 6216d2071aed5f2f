"""Top hat: what an opening or closing takes away."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, with_ball
from MedAssistLib.enhance.options import choice
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class TopHatOptions(BallOptions):
    """How small, and on which side."""

    side: str = choice("bright", "bright", "dark", help="Brighter or darker than around")


def _compute(
    image: sitk.Image, options: TopHatOptions, progress: Progress, _state: None
) -> sitk.Image:
    bright = options.side == "bright"
    kind = sitk.WhiteTopHatImageFilter if bright else sitk.BlackTopHatImageFilter
    return with_ball(kind(), image, options.radius, progress)


FILTER = FilterKind(
    name="morphology.tophat",
    help="Shows only what is small and brighter or darker than around: use it on small vessels, "
    "calcifications or, with side=dark, bronchi.",
    options=TopHatOptions,
    compute=_compute,
    in_slabs=True,
    reach=ball_reach,
)
