"""Curvature anisotropic diffusion (Whitaker and Xue 2001, doi:10.1109/ICIP.2001.958456)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind, Options, option
from MedAssistLib.progress import Progress

# ITK: the explicit scheme is stable in 3-D up to the smallest spacing over 2⁴.
_STABLE_SHARE = 1.0 / 16.0


@dataclass(frozen=True, kw_only=True)
class CurvatureOptions(Options):
    """How strongly noise is smoothed."""

    iterations: int = option(
        5, least=1, most=100, unit="1", help="How often it is smoothed: more smooths more"
    )
    conductance: float = option(
        3.0,
        least=0.1,
        most=20.0,
        unit="1",
        help="How strong an edge must be to be kept: a higher value blurs weaker edges",
    )


def _apply(image: sitk.Image, options: CurvatureOptions, progress: Progress) -> sitk.Image:
    diffusion = sitk.CurvatureAnisotropicDiffusionImageFilter()
    diffusion.SetNumberOfIterations(int(options.iterations))
    diffusion.SetConductanceParameter(options.conductance)
    diffusion.SetTimeStep(_STABLE_SHARE * min(image.GetSpacing()))
    smooth: sitk.Image = run(diffusion, progress, image)
    return smooth


FILTER = FilterKind(
    name="denoise.curvature",
    help="Smooths noise but keeps edges: use it on grainy MR or CT before segmenting or rendering.",
    options=CurvatureOptions,
    apply=_apply,
)
