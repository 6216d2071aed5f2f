"""Non-local means (Buades, Coll and Morel 2005, doi:10.1109/CVPR.2005.38), in torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.kind import FilterKind, Slices
from MedAssistLib.enhance.options import INTENSITY, Options, option, switch
from MedAssistLib.enhance.voxels import round_half_up
from MedAssistLib.errors import ResourceError
from MedAssistLib.progress import Progress

# The median of the absolute values of a normal distribution, in standard deviations.
_MEDIAN_DEVIATION = 0.6745
# As many voxels along an axis as the noise is estimated from, around the middle.
_ESTIMATED_SIDE = 256
_OTSU_BINS = 256


@dataclass(frozen=True, kw_only=True)
class NonlocalOptions(Options):
    """Where alike voxels are looked for and how alike they must be."""

    search: float = option(
        2.0,
        least=0.5,
        most=20.0,
        unit="mm",
        help="How far away alike voxels are looked for, at least one voxel; time grows with its "
        "third power",
    )
    patch: float = option(
        1.0,
        least=0.25,
        most=5.0,
        unit="mm",
        help="Half the width of the surroundings that are compared, at least one voxel",
    )
    strength: float = option(
        0.85,
        least=0.1,
        most=5.0,
        unit="1",
        help="How different surroundings may be, in standard deviations of the noise: more "
        "smooths more",
    )
    noise: float | None = option(
        None,
        least=1e-6,
        most=1e6,
        unit=INTENSITY,
        help="Standard deviation of the noise",
        auto="estimated from the scan",
    )
    rician: bool = switch(
        False,
        help="Whether the noise is that of magnitude MR, which brightens what is dark",
        by_modality={"MR": True},
    )


def _prepare(image: sitk.Image, options: NonlocalOptions, _progress: Progress) -> float:
    """Return the standard deviation of the noise."""
    return options.noise if options.noise is not None else estimated_noise(image)


def estimated_noise(image: sitk.Image) -> float:
    """Return the standard deviation of an image's noise inside the body.

    It is the median absolute Haar detail along all three axes (Donoho 1995), where structure
    hardly shows, over the voxels that are brighter than Otsu's threshold.
    """
    detail = mean = _middle(sitk.GetArrayViewFromImage(image))
    for axis in range(3):
        if detail.shape[axis] > 1:
            detail = np.diff(detail, axis=axis) / np.float32(math.sqrt(2.0))
            rows = mean.shape[axis]
            mean = (mean.take(range(1, rows), axis) + mean.take(range(rows - 1), axis)) / 2.0
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(_OTSU_BINS)
    otsu.Execute(sitk.GetImageFromArray(mean))
    body = detail[mean > otsu.GetThreshold()]
    return float(np.median(np.abs(body))) / _MEDIAN_DEVIATION if body.size else 0.0


def _middle(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the block in the middle; the same one however the scan is stored."""
    cut = [max(n - _ESTIMATED_SIDE + 1, 0) // 2 for n in values.shape]
    return values[tuple(slice(c, n - c) for c, n in zip(cut, values.shape, strict=True))]


def _compute(
    image: sitk.Image, options: NonlocalOptions, progress: Progress, noise: float
) -> sitk.Image:
    return _part(image, options, progress, noise, (0, 0, image.GetSize()[0]))


def _part(
    image: sitk.Image,
    options: NonlocalOptions,
    progress: Progress,
    noise: float,
    slices: Slices,
) -> sitk.Image:
    """Return denoised slices, given as (axis, first, one after the last), in their place."""
    axis, first, stop = slices
    start, size = [0, 0, 0], list(image.GetSize())
    start[axis], size[axis] = first, stop - first
    place: sitk.Image = sitk.Extract(image, size, start)
    if noise <= 0.0:
        return place
    try:
        from MedAssistLib.enhance.nonlocal_torch import Likeness, nonlocal_means
    except ImportError as error:
        hint = (
            "In Slicer install the PyTorch extension, elsewhere: pip install torch; "
            "or use denoise.curvature"
        )
        what = "needs PyTorch, which is not installed"
        raise ResourceError(what, where="denoise.nonlocal", hint=hint) from error
    search, patch = (
        [_voxels(mm, s, min(image.GetSpacing())) for s in reversed(image.GetSpacing())]
        for mm in (options.search, options.patch)
    )
    likeness = Likeness(
        noise=noise,
        strength=options.strength,
        search=(search[0], search[1], search[2]),
        patch=(patch[0], patch[1], patch[2]),
        rician=options.rician,
    )
    wanted = [(f, f + n) for f, n in zip(reversed(start), reversed(size), strict=True)]
    denoised = nonlocal_means(sitk.GetArrayViewFromImage(image), likeness, progress, wanted)
    return geometry.from_array(denoised, place)


def _voxels(radius: float, spacing: float, finest: float) -> int:
    """Return a radius in mm as voxels: at least one along the finest axis, none along coarse."""
    return round_half_up(max(radius, finest) / spacing)


def _reach(options: NonlocalOptions, spacing: float) -> float:
    # No image has a finest spacing above that of this axis.
    return sum(_voxels(mm, spacing, spacing) for mm in (options.search, options.patch)) * spacing


FILTER = FilterKind(
    name="denoise.nonlocal",
    help="Averages voxels whose surroundings look alike and keeps fine detail: the best denoiser "
    "here; needs PyTorch.",
    options=NonlocalOptions,
    prepare=_prepare,
    coarse=False,
    compute=_compute,
    reach=_reach,
    part=_part,
)
