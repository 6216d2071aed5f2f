"""Gradient anisotropic diffusion (Perona and Malik 1990, doi:10.1109/34.56205)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.diffusion import DiffusionOptions, conductance, diffusion_kind


@dataclass(frozen=True, kw_only=True)
class GradientDiffusionOptions(DiffusionOptions):
    """How strongly noise is smoothed."""

    conductance: float = conductance(1.5)


FILTER = diffusion_kind(
    name="denoise.gradient",
    help="Smooths flat areas and keeps strong edges crisp: use it where edges have high contrast.",
    options=GradientDiffusionOptions,
    itk=sitk.GradientAnisotropicDiffusionImageFilter,
    curvature=False,
)
