"""Curvature anisotropic diffusion (Whitaker and Xue 2001, doi:10.1109/ICIP.2001.958456)."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.diffusion import (
    DiffusionOptions,
    diffuse,
    diffusion_reach,
    means_of,
)
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.voxels import Slices
from MedAssistLib.progress import Progress


def _prepare(image: sitk.Image, options: DiffusionOptions, progress: Progress) -> list[float]:
    diffusion = sitk.CurvatureAnisotropicDiffusionImageFilter()
    still = progress.part(FILTER.stage, 0.0, 0.0)
    return means_of(diffusion, image, options, still)


def _compute(
    image: sitk.Image, options: DiffusionOptions, progress: Progress, _state: None
) -> sitk.Image:
    # A whole image shows its own means.
    return diffuse(sitk.CurvatureAnisotropicDiffusionImageFilter(), image, options, progress)


def _part(
    image: sitk.Image,
    options: DiffusionOptions,
    progress: Progress,
    means: list[float],
    keep: Slices,
) -> sitk.Image:
    diffusion = sitk.CurvatureAnisotropicDiffusionImageFilter()
    return diffuse(diffusion, image, options, progress, means=means, keep=keep)


FILTER = FilterKind(
    name="denoise.curvature",
    help="Smooths noise but keeps edges: use it on grainy MR or CT before segmenting or rendering.",
    options=DiffusionOptions,
    prepare=_prepare,
    coarse=False,
    compute=_compute,
    reach=lambda options, spacing: diffusion_reach(options.iterations, spacing),
    part=_part,
    state_for_part_only=True,
    tolerance=0.005,
)
