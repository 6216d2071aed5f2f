"""Gaussian smoothing in mm: of a whole image, or of the slices of a preview only.

It is ITK's discrete Gaussian (Lindeberg 1990, doi:10.1109/34.49051): right also for a sigma below
half a voxel, as it is along the axis of thick slices. ITK's own filter cannot be stopped and is
slow at borders.
"""

from __future__ import annotations

import functools
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.blocks import Array, along, on_slices
from MedAssistLib.enhance.voxels import Slices, Values, as_slices
from MedAssistLib.progress import Progress

# The kernel of the discrete Gaussian ends where this share of its weight is left outside.
_KERNEL_ERROR = 0.001
_KERNEL_SIGMAS = 3.3
_WIDEST_KERNEL = 4096
# Multiplications between two looks for a wish to cancel: about a tenth of a second.
_SMOOTHED_AT_ONCE = 50_000_000


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
    if keep:
        return _blurred_slices(image, sigma, progress, keep)
    values = sitk.GetArrayViewFromImage(image)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for axis in range(3):
            kernel = _kernel(sigma / image.GetSpacing()[2 - axis])
            values = _along(values, axis, kernel, pool, progress)
            progress.update(start + (stop - start) * (axis + 1) / 3.0)
    return geometry.from_array(values, image)


def _blurred_slices(
    image: sitk.Image, sigma: float, progress: Progress, keep: Slices
) -> sitk.Image:
    """Return some slices: across them first, so that the rest of the work is on those only."""
    axis, first, stop = keep
    kernels = [_kernel(sigma / spacing) for spacing in image.GetSpacing()]
    made = _across(sitk.GetArrayViewFromImage(image), keep, kernels[axis])
    within = [other for other in range(3) if other != axis]
    around = [len(kernels[n]) // 2 if n in within else 0 for n in range(3)]

    def work(block: Array) -> Array:
        for other in within:
            block = _weighted(block, 2 - other, kernels[other])
        return block

    across = as_slices(made, image, keep)
    return on_slices(across, (axis, 0, stop - first), around, work, progress)


def gaussian_reach(sigma: float, spacing: float, left_out: float = 0.0) -> float:
    """Return how far, in mm, :func:`blur` looks along an axis.

    Args:
        sigma: Standard deviation in mm.
        spacing: The axis's spacing in mm.
        left_out: Share of the weights that may lie further away.
    """
    kernel = _kernel(sigma / spacing)
    reach = len(kernel) // 2
    # Both ends of the kernel, without what is as far as the reach itself.
    while reach and 2.0 * kernel[: len(kernel) // 2 - reach + 1].sum() <= left_out:
        reach -= 1
    return reach * spacing


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


def _across(
    values: npt.NDArray[np.float32], keep: Slices, kernel: Values
) -> npt.NDArray[np.float32]:
    """Return slices smoothed along the axis across them; the outermost voxels continue."""
    axis, first, stop = keep
    half, depth = len(kernel) // 2, values.shape[2 - axis]
    weights = np.zeros((stop - first, depth), dtype=np.float32)
    for row, index in enumerate(range(first, stop)):
        near = np.clip(np.arange(index - half, index + half + 1), 0, depth - 1)
        np.add.at(weights[row], near, kernel)
    made: npt.NDArray[np.float32] = np.tensordot(weights, values, (1, 2 - axis))
    return np.moveaxis(made, 0, 2 - axis)


def _weighted(block: Array, axis: int, kernel: Values) -> Array:
    """Return a block smoothed along an axis, without half of the kernel at each end."""
    half, weights = len(kernel) // 2, kernel.astype(np.float32)
    length = block.shape[axis] - 2 * half
    made: Array = along(block, axis, half, half + length) * weights[half]
    for apart in range(1, half + 1):
        before = along(block, axis, half - apart, half - apart + length)
        both = before + along(block, axis, half + apart, half + apart + length)
        both *= weights[half + apart]
        made += both
    return made


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
