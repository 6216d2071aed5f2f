"""Gradient anisotropic diffusion (Perona and Malik 1990, doi:10.1109/34.56205)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.diffusion import (
    DiffusionOptions,
    conductance,
    diffuse,
    diffusion_reach,
    means_of,
)
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.voxels import Slices
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class GradientDiffusionOptions(DiffusionOptions):
    """How strongly noise is smoothed."""

    conductance: float = conductance(1.5)


def _prepare(image: sitk.Image, options: DiffusionOptions, progress: Progress) -> list[float]:
    diffusion = sitk.GradientAnisotropicDiffusionImageFilter()
    still = progress.part(FILTER.stage, 0.0, 0.0)
    return means_of(diffusion, image, options, still)


def _compute(
    image: sitk.Image, options: DiffusionOptions, progress: Progress, _state: None
) -> sitk.Image:
    # A whole image shows its own means.
    return diffuse(sitk.GradientAnisotropicDiffusionImageFilter(), image, options, progress)


def _part(
    image: sitk.Image,
    options: DiffusionOptions,
    progress: Progress,
    means: list[float],
    keep: Slices,
) -> sitk.Image:
    diffusion = sitk.GradientAnisotropicDiffusionImageFilter()
    return diffuse(diffusion, image, options, progress, means=means, keep=keep)


FILTER = FilterKind(
    name="denoise.gradient",
    help="Smooths flat areas and keeps strong edges crisp: use it where edges have high contrast.",
    options=GradientDiffusionOptions,
    prepare=_prepare,
    coarse=False,
    compute=_compute,
    reach=lambda options, spacing: diffusion_reach(options.iterations, spacing),
    part=_part,
    state_for_part_only=True,
    tolerance=0.005,
)
