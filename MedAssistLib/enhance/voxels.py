"""What several filters share: mm to voxels, smoothing, robust ranges, the body, grey-value maps."""

from __future__ import annotations

import functools
import math
import os
from concurrent.futures import ThreadPoolExecutor

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
# Multiplications between two looks for a wish to cancel: about a tenth of a second.
_SMOOTHED_AT_ONCE = 50_000_000

Slices = tuple[int, int, int]


def radius_in_voxels(image: sitk.Image, radius: float) -> list[int]:
    """Return a radius in mm as whole voxels along each axis; 0 along axes that are coarser."""
    return [round_half_up(radius / spacing) for spacing in image.GetSpacing()]


def radius_reach(radius: float, spacing: float) -> float:
    """Return how far, in mm, :func:`radius_in_voxels` looks along an axis."""
    return round_half_up(radius / spacing) * spacing


def round_half_up(value: float) -> int:
    """Return the nearest whole number; unlike :func:`round`, 2.5 gives 3 as 1.5 gives 2."""
    return math.floor(value + 0.5)


def finest(image: sitk.Image) -> float:
    """Return the smallest spacing in mm."""
    return float(min(image.GetSpacing()))


def blur(  # noqa: PLR0913 - each is a fact about the work
    image: sitk.Image,
    sigma: float,
    progress: Progress,
    *,
    start: float = 0.0,
    stop: float = 1.0,
    keep: Slices | None = None,
) -> sitk.Image:
    """Return an image smoothed by a Gaussian of ``sigma`` mm along each axis.

    It is ITK's discrete Gaussian (Lindeberg 1990): right also for a sigma below half a voxel, as it
    is along the axis of thick slices. ITK's own filter cannot be stopped and is slow at borders.

    Args:
        image: The image.
        sigma: Standard deviation in mm.
        progress: Told how far it is; looked at for cancellation.
        start: How much of ``progress`` was done before, in [0, 1].
        stop: How much of ``progress`` will be done after.
        keep: The slices that are wanted, as (axis, first, one after the last); ``None`` for all.

    Raises:
        CancelledError: If the user asked to stop.
    """
    axes = [2, 1, 0]
    if keep is not None:  # Across the slices first: the rest of the work is on what is wanted only.
        axes.sort(key=lambda axis: axis != keep[0])
    values = sitk.GetArrayViewFromImage(image)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, axis in enumerate(axes):
            kernel = _kernel(sigma / image.GetSpacing()[axis])
            values = _along(values, 2 - axis, kernel, pool, progress)
            if keep is not None and axis == keep[0]:
                image = slices(image, *keep)
                values = values[(slice(None),) * (2 - axis) + (slice(keep[1], keep[2]),)]
            progress.update(start + (stop - start) * (number + 1) / len(axes))
    return geometry.from_array(values, image)


def slices(image: sitk.Image, axis: int, first: int, stop: int) -> sitk.Image:
    """Return the slices ``first`` to ``stop`` - 1 across an axis, in their place."""
    start, size = [0, 0, 0], list(image.GetSize())
    start[axis], size[axis] = first, stop - first
    part: sitk.Image = sitk.RegionOfInterest(image, size, start)
    return part


@functools.cache
def _kernel(sigma: float) -> Values:
    """Return the weights of ITK's discrete Gaussian for a sigma in voxels: its answer to a 1."""
    half = math.ceil(_KERNEL_SIGMAS * sigma) + 2
    impulse = sitk.Image([2 * half + 1, 1], sitk.sitkFloat64)
    impulse[half, 0] = 1.0
    smoothing = sitk.DiscreteGaussianImageFilter()
    smoothing.SetVariance([sigma * sigma, 0.0])
    smoothing.SetMaximumError(_KERNEL_ERROR)
    smoothing.SetMaximumKernelWidth(_WIDEST_KERNEL)
    weights = sitk.GetArrayFromImage(smoothing.Execute(impulse))[0]
    used = np.flatnonzero(weights)
    kernel: Values = weights[used[0] : used[-1] + 1]
    return kernel


def _along(
    values: npt.NDArray[np.float32],
    axis: int,
    kernel: Values,
    pool: ThreadPoolExecutor,
    progress: Progress,
) -> npt.NDArray[np.float32]:
    """Return values smoothed along one axis, piece by piece; the outermost voxels continue."""
    from scipy import ndimage  # Slow to import, and the panel lists all filters when it opens.

    made = np.empty(values.shape, dtype=np.float32)
    across = int(axis == 0)
    step = max(1, _SMOOTHED_AT_ONCE // (values.size // values.shape[across] * len(kernel)))

    def work(first: int) -> None:
        progress.check()
        piece = (slice(None),) * across + (slice(first, first + step),)
        ndimage.correlate1d(values[piece], kernel, axis, made[piece], mode="nearest")

    list(pool.map(work, range(0, values.shape[across], step)))
    return made


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
    shift = sitk.ShiftScaleImageFilter()
    shift.SetShift(-low)
    shift.SetScale(1.0 / (high - low))
    scaled = run(shift, progress, image, stop=stop / 2)
    # After scaling: rounding may leave what was clamped before a little below 0.
    clamp = sitk.ClampImageFilter()
    clamp.SetLowerBound(0.0)
    clamped: sitk.Image = run(clamp, progress, scaled, start=stop / 2, stop=stop)
    return clamped


def with_numbers(image: sitk.Image) -> sitk.Image:
    """Return a scan with its least value where it holds no number; itself if it needs no change."""
    values = sitk.GetArrayViewFromImage(image)
    if not np.issubdtype(values.dtype, np.floating):
        return image
    good = np.isfinite(values)
    if good.all():
        return image
    least = values[good].min() if good.any() else values.dtype.type(0)
    return geometry.from_array(np.where(good, values, least), image)
