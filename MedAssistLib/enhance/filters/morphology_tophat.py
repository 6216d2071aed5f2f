"""Top hat: what an opening or closing takes away."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.morphology import BallOptions, ball_reach, closed, opened
from MedAssistLib.enhance.options import choice
from MedAssistLib.enhance.voxels import Slices, slices
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class TopHatOptions(BallOptions):
    """How small, and on which side."""

    side: str = choice("bright", "bright", "dark", help="Brighter or darker than around")


def _compute(
    image: sitk.Image,
    options: TopHatOptions,
    progress: Progress,
    _state: None,
    keep: Slices | None = None,
) -> sitk.Image:
    before = slices(image, *keep) if keep else image
    if options.side == "bright":
        hat: sitk.Image = before - opened(image, options, progress, keep=keep)
    else:
        hat = closed(image, options, progress, keep=keep) - before
    return hat


FILTER = FilterKind(
    name="morphology.tophat",
    help="Shows only what is small and brighter or darker than around: use it on small vessels, "
    "calcifications or, with side=dark, bronchi.",
    options=TopHatOptions,
    compute=_compute,
    part=_compute,
    reach=ball_reach,
    keeps_unit=False,
)
