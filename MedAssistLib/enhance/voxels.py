"""What several filters share: mm to voxels, slices, robust ranges, the body, grey-value maps."""

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
Slices = tuple[int, int, int]


def as_slices(values: npt.NDArray[np.float32], image: sitk.Image, keep: Slices) -> sitk.Image:
    """Return values, axes (k, j, i), as slices of an image, in their place."""
    made = geometry.from_array(values, image)
    start = [0, 0, 0]
    start[keep[0]] = keep[1]
    made.SetOrigin(image.TransformIndexToPhysicalPoint(start))
    return made


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


def with_neighbours(image: sitk.Image, keep: Slices | None) -> tuple[Slices, Slices]:
    """Return slices with the one on each side, and where they are among those.

    Args:
        image: The image, of two slices at least: ITK's gradients need them.
        keep: The slices, as (axis, first, one after the last); ``None`` for all.
    """
    axis, first, stop = keep or (2, 0, image.GetSize()[2])
    low, high = max(first - 1, 0), min(stop + 1, image.GetSize()[axis])
    return (axis, low, high), (axis, first - low, stop - low)


def slices(image: sitk.Image, axis: int, first: int, stop: int) -> sitk.Image:
    """Return the slices ``first`` to ``stop`` - 1 across an axis, in their place."""
    start, size = [0, 0, 0], list(image.GetSize())
    start[axis], size[axis] = first, stop - first
    part: sitk.Image = sitk.RegionOfInterest(image, size, start)
    return part


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
