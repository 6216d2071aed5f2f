"""Unsharp masking: the image plus a share of what a blur takes away."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.smoothing import blur, gaussian_reach
from MedAssistLib.enhance.voxels import Slices, slices
from MedAssistLib.progress import Progress

_TOLERANCE = 0.002


@dataclass(frozen=True, kw_only=True)
class UnsharpOptions(Options):
    """What is sharpened, and how much."""

    sigma: float = option(
        1.0, least=0.1, most=10.0, unit="mm", help="Size of the details that are brought out"
    )
    amount: float = option(
        0.7, least=0.05, most=5.0, unit="1", help="How strongly: 1 doubles their contrast"
    )


def _compute(
    image: sitk.Image,
    options: UnsharpOptions,
    progress: Progress,
    _state: None,
    keep: Slices | None = None,
) -> sitk.Image:
    blurred = blur(image, options.sigma, progress, stop=0.9, keep=keep)
    before = slices(image, *keep) if keep else image
    sharp: sitk.Image = before + options.amount * (before - blurred)
    progress.update(1.0)
    return sharp


FILTER = FilterKind(
    name="sharpen.unsharp",
    help="Brings out fine detail: use it on soft reconstructions that are free of noise.",
    options=UnsharpOptions,
    compute=_compute,
    part=_compute,
    reach=lambda options, spacing: gaussian_reach(
        options.sigma, spacing, _TOLERANCE / options.amount
    ),
    tolerance=_TOLERANCE,
)
