"""Bilateral filter (Tomasi and Manduchi 1998, doi:10.1109/ICCV.1998.710815)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.blocks import Array, on_slices, part_of
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.noise import estimated_noise
from MedAssistLib.enhance.options import INTENSITY, Options, option
from MedAssistLib.enhance.pieces import run_in_pieces
from MedAssistLib.enhance.voxels import Slices, finest, robust_range
from MedAssistLib.progress import Progress

_AUTO_SIGMA = 0.7
_AUTO_NOISE = 3.0
# A scan without noise still has greys that are alike.
_LEAST_SHARE = 0.01
_RANGE_SAMPLES = 200
# ITK cuts the kernel here.
_KERNEL_SIGMAS = 2.5
# Time for one neighbour of a voxel.
_COST_S = 1.2e-8


@dataclass(frozen=True, kw_only=True)
class BilateralOptions(Options):
    """What counts as near, in place and in intensity."""

    sigma: float | None = option(
        None,
        least=0.1,
        most=3.0,
        unit="mm",
        help="How far away voxels still count",
        auto="0.7 times the smallest distance of voxels",
    )
    contrast: float | None = option(
        None,
        least=0.001,
        most=10000.0,
        unit=INTENSITY,
        help="How strong an edge must be to be kept: about twice the noise",
        auto="three times the noise, estimated from the scan",
    )


def _prepare(image: sitk.Image, options: BilateralOptions, _progress: Progress) -> float:
    if options.contrast is not None:
        return options.contrast
    low, high = robust_range(image)
    return max(_AUTO_NOISE * estimated_noise(image), _LEAST_SHARE * (high - low))


def _compute(
    image: sitk.Image, options: BilateralOptions, progress: Progress, contrast: float
) -> sitk.Image:
    sigma = _sigma(options, finest(image))
    bilateral = sitk.BilateralImageFilter()
    bilateral.SetDomainSigma(sigma)
    bilateral.SetRangeSigma(contrast)
    bilateral.SetNumberOfRangeGaussianSamples(_RANGE_SAMPLES)

    radius = [_radius(sigma, spacing) for spacing in image.GetSpacing()]
    cost = _COST_S * math.prod(2 * r + 1 for r in radius)
    return run_in_pieces(bilateral, progress, image, around=radius, cost_s=cost)


def _part(
    image: sitk.Image,
    options: BilateralOptions,
    progress: Progress,
    contrast: float,
    keep: Slices,
) -> sitk.Image:
    sigma = _sigma(options, finest(image))
    radius = [_radius(sigma, spacing) for spacing in image.GetSpacing()]
    around, spacing = radius[::-1], image.GetSpacing()[::-1]
    shifts = list(itertools.product(*(range(-r, r + 1) for r in around)))
    near = [-0.5 * float(np.square(np.multiply(s, spacing) / sigma).sum()) for s in shifts]

    def work(block: Array) -> Array:
        centre = part_of(block, around)
        change, weights = np.zeros_like(centre), np.zeros_like(centre)
        for shift, exponent in zip(shifts, near, strict=True):
            progress.check()
            apart = part_of(block, around, shift) - centre
            weight = apart * np.float32(1.0 / contrast)
            weight *= weight
            weight *= np.float32(-0.5)
            weight += np.float32(exponent)
            np.exp(weight, out=weight)
            weights += weight
            weight *= apart
            change += weight
        change /= weights
        change += centre
        return change

    return on_slices(image, keep, radius, work, progress)


def _sigma(options: BilateralOptions, spacing: float) -> float:
    return _AUTO_SIGMA * spacing if options.sigma is None else options.sigma


def _radius(sigma: float, spacing: float) -> int:
    return math.ceil(_KERNEL_SIGMAS * sigma / spacing)


def _reach(options: BilateralOptions, spacing: float) -> float:
    return _radius(_sigma(options, spacing), spacing) * spacing


FILTER = FilterKind(
    name="denoise.bilateral",
    help="Averages only alike voxels, so edges stay: use it on CT whose noise you know in HU; it "
    "is slow.",
    options=BilateralOptions,
    prepare=_prepare,
    coarse=False,
    compute=_compute,
    part=_part,
    reach=_reach,
    tolerance=0.005,
)
