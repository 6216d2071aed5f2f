"""Resampling to another spacing over the same space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, choice, option
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

_INTERPOLATORS = {
    "linear": sitk.sitkLinear,
    "cubic": sitk.sitkBSpline,
    "nearest": sitk.sitkNearestNeighbor,
}
_MOST_VOXELS = 2**31
# ITK prepares splines of all it is given without looking whether to stop.
_AT_ONCE = 4_000_000
# Slices beyond which a spline's voxels have no weight in float32.
_CONTEXT = 12


@dataclass(frozen=True, kw_only=True)
class ResampleOptions(Options):
    """The new grid, and how values between voxels are found."""

    spacing: float = option(
        1.0, least=0.05, most=50.0, unit="mm", help="Distance of the voxels along each axis"
    )
    interpolation: str = choice(
        "linear", *_INTERPOLATORS, help="How values between voxels are found; cubic is sharper"
    )


def _grid(image: sitk.Image, spacing: float) -> sitk.Image:
    """Return an empty grid of this spacing that covers the same space as the image, centred.

    Raises:
        UsageError: If it would be too large.
    """
    old = np.array(image.GetSpacing())
    extent = old * image.GetSize()
    size = [max(2, math.ceil(length / spacing - 1e-6)) for length in extent]
    if math.prod(size) > _MOST_VOXELS:
        what = f"spacing={spacing:g} makes {math.prod(size) / 1e9:.0f} thousand million voxels"
        raise UsageError(what, hint="Give a larger spacing")
    # Centred, so that the result does not depend on which way the axes run.
    first = (extent - np.array(size) * spacing + spacing) / (2.0 * old) - 0.5
    grid = geometry.empty_like(image, sitk.sitkUInt8, tuple(size))
    grid.SetSpacing([spacing] * 3)
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def _compute(
    image: sitk.Image, options: ResampleOptions, progress: Progress, _state: None
) -> sitk.Image:
    grid = _grid(image, options.spacing)
    # What is finer than the new voxels would come back as false patterns, so it is blurred away.
    variance = np.maximum(options.spacing**2 - np.square(image.GetSpacing()), 0.0) / 4.0
    if variance.any() and options.interpolation != "nearest":
        smoothing = sitk.DiscreteGaussianImageFilter()
        smoothing.SetVariance(variance.tolist())
        smoothing.SetMaximumKernelWidth(4096)
        image = run(smoothing, progress, image, stop=0.5)
    resampling = sitk.ResampleImageFilter()
    resampling.SetInterpolator(_INTERPOLATORS[options.interpolation])
    resampling.SetUseNearestNeighborExtrapolator(True)
    values = np.empty(grid.GetSize()[::-1], dtype=np.float32)
    step = max(1, _AT_ONCE // math.prod(grid.GetSize()[:2]))
    for start in range(0, len(values), step):
        part = grid[:, :, start : start + step]
        resampling.SetReferenceImage(part)
        done = [0.5 + 0.5 * min(n / len(values), 1.0) for n in (start, start + step)]
        slab = run(resampling, progress, _around(image, part), start=done[0], stop=done[1])
        values[start : start + step] = sitk.GetArrayViewFromImage(slab)
    return geometry.from_array(values, grid)


def _around(image: sitk.Image, part: sitk.Image) -> sitk.Image:
    """Return the slices of an image that some slices of the new grid are interpolated from."""
    ends = ([0, 0, 0], [0, 0, part.GetSize()[2] - 1])
    low, high = (
        image.TransformPhysicalPointToContinuousIndex(part.TransformIndexToPhysicalPoint(end))[2]
        for end in ends
    )
    depth = image.GetSize()[2]
    first = min(max(math.floor(low) - _CONTEXT, 0), depth - 2)
    slab: sitk.Image = image[:, :, first : max(math.ceil(high) + _CONTEXT + 1, 2)]
    return slab


FILTER = FilterKind(
    name="geometry.resample",
    help="Makes all voxels cubes of one size, without false patterns: use it on thick slices "
    "before 3-D views, or to make a scan smaller.",
    options=ResampleOptions,
    compute=_compute,
    keeps_grid=False,
)
