"""Curvature anisotropic diffusion (Whitaker and Xue 2001, doi:10.1109/ICIP.2001.958456)."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.diffusion import (
    DiffusionOptions,
    diffuse,
    diffusion_reach,
    mean_squared_gradient,
)
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.progress import Progress


def _prepare(image: sitk.Image, _options: DiffusionOptions, _progress: Progress) -> float:
    return mean_squared_gradient(image)


def _compute(
    image: sitk.Image, options: DiffusionOptions, progress: Progress, mean: float
) -> sitk.Image:
    return diffuse(sitk.CurvatureAnisotropicDiffusionImageFilter(), image, options, mean, progress)


FILTER = FilterKind(
    name="denoise.curvature",
    help="Smooths noise but keeps edges: use it on grainy MR or CT before segmenting or rendering.",
    options=DiffusionOptions,
    prepare=_prepare,
    coarse=False,
    compute=_compute,
    reach=lambda options, spacing: diffusion_reach(options.iterations, spacing),
    tolerance=0.02,
)
