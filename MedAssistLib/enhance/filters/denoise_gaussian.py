"""Gaussian smoothing (discrete kernel: Lindeberg 1990, doi:10.1109/34.49051)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.smoothing import blur, gaussian_reach
from MedAssistLib.enhance.voxels import Slices, finest
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class GaussianOptions(Options):
    """How much is blurred."""

    sigma: float | None = option(
        None,
        least=0.1,
        most=10.0,
        unit="mm",
        help="Standard deviation of the blur, the same in mm along each axis",
        auto="half of the smallest distance of voxels",
    )


def _compute(
    image: sitk.Image,
    options: GaussianOptions,
    progress: Progress,
    _state: None,
    keep: Slices | None = None,
) -> sitk.Image:
    return blur(image, _sigma(options, finest(image)), progress, keep=keep)


def _sigma(options: GaussianOptions, spacing: float) -> float:
    return spacing / 2.0 if options.sigma is None else options.sigma


FILTER = FilterKind(
    name="denoise.gaussian",
    help="Blurs evenly, edges too: use it when speed matters more than sharp edges.",
    options=GaussianOptions,
    compute=_compute,
    reach=lambda options, spacing: gaussian_reach(_sigma(options, spacing), spacing),
    part=_compute,
)
