"""What several filters share: mm to voxels, smoothing, robust ranges, the body, grey-value maps."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.itk import run
from MedAssistLib.progress import Progress

Values = npt.NDArray[np.float64]

_ENOUGH_VOXELS = 1_000_000
_DARKEST, _BRIGHTEST = 0.5, 99.5
_OTSU_BINS = 256
# The kernel of the discrete Gaussian ends where this share of its weight is left outside.
_KERNEL_ERROR = 0.001
_KERNEL_SIGMAS = 3.3
_WIDEST_KERNEL = 4096


def radius_in_voxels(image: sitk.Image, radius: float) -> list[int]:
    """Return a radius in mm as whole voxels along each axis; 0 along axes that are coarser."""
    return [round_half_up(radius / spacing) for spacing in image.GetSpacing()]


def radius_reach(radius: float, spacing: float) -> float:
    """Return how far, in mm, :func:`radius_in_voxels` looks along an axis."""
    return round_half_up(radius / spacing) * spacing


def round_half_up(value: float) -> int:
    """Return the nearest whole number; unlike :func:`round`, 2.5 gives 3 as 1.5 gives 2."""
    return math.floor(value + 0.5)


def gaussian(sigma: float) -> sitk.DiscreteGaussianImageFilter:
    """Return a Gaussian filter of ``sigma`` mm along each axis.

    It is ITK's discrete one (Lindeberg 1990): as fast as the recursive one up to two voxels, right
    also for a sigma below half a voxel, as it is along the axis of thick slices, and content with
    two slices, where the recursive one needs four.
    """
    smoothing = sitk.DiscreteGaussianImageFilter()
    smoothing.SetVariance(sigma * sigma)
    smoothing.SetMaximumError(_KERNEL_ERROR)
    smoothing.SetMaximumKernelWidth(_WIDEST_KERNEL)
    smoothing.SetUseImageSpacing(True)
    return smoothing


def gaussian_reach(sigma: float, spacing: float) -> float:
    """Return how far, in mm, :func:`gaussian` looks along an axis."""
    return (math.ceil(_KERNEL_SIGMAS * sigma / spacing) + 1) * spacing


def sample(image: sitk.Image) -> Values:
    """Return some of the finite values, evenly spread over the image, as a flat array."""
    values = sitk.GetArrayViewFromImage(image)
    # The same step along every axis, so that the sample does not follow the storage order.
    step = max(1, round((values.size / _ENOUGH_VOXELS) ** (1 / 3)))
    some = values[tuple(slice((n - 1) % step // 2, None, step) for n in values.shape)]
    flat = some.astype(np.float64).ravel()
    finite: Values = flat[np.isfinite(flat)]
    return finite


def robust_range(image: sitk.Image) -> tuple[float, float]:
    """Return the range that holds nearly all values: dark to bright without outliers.

    The upper end is a percentile of what is brighter than average, because most of a scan is air.
    """
    values = sample(image)
    if not values.size:
        return 0.0, 1.0
    low = float(np.percentile(values, _DARKEST))
    high = float(np.percentile(values[values >= values.mean()], _BRIGHTEST))
    return low, high if high > low else low + 1.0


def body_threshold(image: sitk.Image, above: float | None) -> float:
    """Return ``above``, or for ``None`` the threshold by Otsu (1979) between air and body."""
    if above is not None:
        return above
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(_OTSU_BINS)
    low, high = robust_range(image)
    flat = np.clip(sample(image), low, high).astype(np.float32)
    otsu.Execute(sitk.GetImageFromArray(flat[None]))
    return float(otsu.GetThreshold())


def map_values(image: sitk.Image, x: Values, y: Values, progress: Progress) -> sitk.Image:
    """Return an image with its values mapped along the line through the points (x, y).

    Values below the first and above the last ``x`` get the first and last ``y``.
    """
    values = sitk.GetArrayViewFromImage(image)
    mapped = np.empty(values.shape, dtype=np.float32)
    for k, plane in enumerate(values):
        progress.update(k / len(values))
        mapped[k] = np.interp(plane, x, y)
    progress.update(1.0)
    return geometry.from_array(mapped, image)


def scale_to(
    image: sitk.Image, low: float, high: float, progress: Progress, stop: float
) -> sitk.Image:
    """Return an image with ``low`` … ``high`` brought to 0 … 1, and what is darker to 0."""
    windowing = sitk.ClampImageFilter()
    windowing.SetLowerBound(low)
    clamped = run(windowing, progress, image, stop=stop / 2)
    shift = sitk.ShiftScaleImageFilter()
    shift.SetShift(-low)
    shift.SetScale(1.0 / (high - low))
    scaled: sitk.Image = run(shift, progress, clamped, start=stop / 2, stop=stop)
    return scaled
