"""Bilateral filter (Tomasi and Manduchi 1998, doi:10.1109/ICCV.1998.710815)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import INTENSITY, Options, option
from MedAssistLib.enhance.voxels import robust_range
from MedAssistLib.progress import Progress

_AUTO_SHARE = 0.1
_RANGE_SAMPLES = 200
# ITK cuts the kernel here.
_KERNEL_SIGMAS = 2.5


@dataclass(frozen=True, kw_only=True)
class BilateralOptions(Options):
    """What counts as near, in place and in intensity."""

    sigma: float = option(
        1.0, least=0.1, most=2.0, unit="mm", help="How far away voxels still count"
    )
    contrast: float | None = option(
        None,
        least=0.001,
        most=10000.0,
        unit=INTENSITY,
        help="How strong an edge must be to be kept: about twice the noise",
        by_modality={"CT": 60.0},
        auto="a tenth of the range of the scan's values",
    )


def _prepare(image: sitk.Image, options: BilateralOptions, _progress: Progress) -> float:
    if options.contrast is not None:
        return options.contrast
    low, high = robust_range(image)
    return _AUTO_SHARE * (high - low)


def _compute(
    image: sitk.Image, options: BilateralOptions, progress: Progress, contrast: float
) -> sitk.Image:
    bilateral = sitk.BilateralImageFilter()
    bilateral.SetDomainSigma(options.sigma)
    bilateral.SetRangeSigma(contrast)
    bilateral.SetNumberOfRangeGaussianSamples(_RANGE_SAMPLES)
    smooth: sitk.Image = run(bilateral, progress, image)
    return smooth


def _reach(options: BilateralOptions, spacing: float) -> float:
    return math.ceil(_KERNEL_SIGMAS * options.sigma / spacing) * spacing


FILTER = FilterKind(
    name="denoise.bilateral",
    help="Averages only alike voxels, so edges stay: use it on CT whose noise you know in HU; it "
    "is slow.",
    options=BilateralOptions,
    prepare=_prepare,
    compute=_compute,
    in_slabs=True,
    reach=_reach,
    tolerance=0.005,
)
