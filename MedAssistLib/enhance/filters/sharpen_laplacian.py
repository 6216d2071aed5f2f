"""Laplacian sharpening: the image less a share of its scale-normalised Laplacian of Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import blur, gaussian_reach
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class LaplacianOptions(Options):
    """Which edges are steepened, and how much."""

    sigma: float = option(
        0.7, least=0.1, most=10.0, unit="mm", help="Blur before edges are looked for, against noise"
    )
    amount: float = option(0.5, least=0.05, most=5.0, unit="1", help="How strongly")


def _compute(
    image: sitk.Image, options: LaplacianOptions, progress: Progress, _state: None
) -> sitk.Image:
    blurred = blur(image, options.sigma, progress, stop=0.5)
    laplacian = run(sitk.LaplacianImageFilter(), progress, blurred, start=0.5, stop=0.9)
    sharp: sitk.Image = image - options.amount * options.sigma**2 * laplacian
    progress.update(1.0)
    return sharp


FILTER = FilterKind(
    name="sharpen.laplacian",
    help="Steepens edges: use it on blurred bone or airway walls; it brings out noise as well.",
    options=LaplacianOptions,
    compute=_compute,
    reach=lambda options, spacing: gaussian_reach(options.sigma, spacing) + spacing,
)
