"""Gaussian smoothing (discrete kernel: Lindeberg 1990, doi:10.1109/34.49051)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import gaussian, gaussian_reach
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class GaussianOptions(Options):
    """How much is blurred."""

    sigma: float = option(
        1.0,
        least=0.1,
        most=10.0,
        unit="mm",
        help="Standard deviation of the blur, the same in mm along each axis",
    )


def _compute(
    image: sitk.Image, options: GaussianOptions, progress: Progress, _state: None
) -> sitk.Image:
    smooth: sitk.Image = run(gaussian(options.sigma), progress, image)
    return smooth


FILTER = FilterKind(
    name="denoise.gaussian",
    help="Blurs evenly, edges too: use it when speed matters more than sharp edges.",
    options=GaussianOptions,
    compute=_compute,
    in_slabs=True,
    reach=lambda options, spacing: gaussian_reach(options.sigma, spacing),
)
