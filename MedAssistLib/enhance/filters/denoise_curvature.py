"""Curvature anisotropic diffusion (Whitaker and Xue 2001, doi:10.1109/ICIP.2001.958456)."""

from __future__ import annotations

import SimpleITK as sitk

from MedAssistLib.enhance.diffusion import DiffusionOptions, diffusion_kind

FILTER = diffusion_kind(
    name="denoise.curvature",
    help="Smooths noise but keeps edges: use it on grainy MR or CT before segmenting or rendering.",
    options=DiffusionOptions,
    itk=sitk.CurvatureAnisotropicDiffusionImageFilter,
    curvature=True,
)
