"""Unsharp masking: the image plus a share of what a blur takes away."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import blur, gaussian_reach
from MedAssistLib.progress import Progress


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
    image: sitk.Image, options: UnsharpOptions, progress: Progress, _state: None
) -> sitk.Image:
    blurred = blur(image, options.sigma, progress, stop=0.9)
    sharp: sitk.Image = image + options.amount * (image - blurred)
    progress.update(1.0)
    return sharp


FILTER = FilterKind(
    name="sharpen.unsharp",
    help="Brings out fine detail: use it on soft reconstructions that are free of noise.",
    options=UnsharpOptions,
    compute=_compute,
    reach=lambda options, spacing: gaussian_reach(options.sigma, spacing),
)
