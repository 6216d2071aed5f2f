"""The Laplacian of the smoothed image: what Laplacian sharpening and blob finding share."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.blocks import Array, along, on_slices, part_of
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.smoothing import blur, gaussian_reach
from MedAssistLib.enhance.voxels import Slices, with_neighbours
from MedAssistLib.progress import Progress

# Differences of what is nearly equal keep few of a float32's digits.
LAPLACIAN_TOLERANCE = 1e-4
_AROUND = (1, 1, 1)


def laplacian_of_gaussian(
    image: sitk.Image, sigma: float, progress: Progress, keep: Slices | None = None
) -> sitk.Image:
    """Return the Laplacian of an image smoothed by a Gaussian of ``sigma`` mm, per mm².

    Args:
        image: The image, or a slab of it.
        sigma: Standard deviation in mm.
        progress: Told how far it is; looked at for cancellation.
        keep: The slices that are wanted, as (axis, first, one after the last); ``None`` for all.

    Raises:
        CancelledError: If the user asked to stop.
    """
    if keep:
        worked, inner = with_neighbours(image, keep)
        return _laplacian(blur(image, sigma, progress, stop=0.9, keep=worked), inner, progress)
    blurred = blur(image, sigma, progress, stop=0.6)
    laplacian: sitk.Image = run(sitk.LaplacianImageFilter(), progress, blurred, start=0.6, stop=0.9)
    return laplacian


def _laplacian(image: sitk.Image, keep: Slices, progress: Progress) -> sitk.Image:
    """Return what ITK's Laplacian is in some slices."""
    factors = [np.float32(spacing**-2) for spacing in reversed(image.GetSpacing())]

    def work(block: Array) -> Array:
        made = part_of(block, _AROUND) * np.float32(-2.0 * sum(factors))
        for axis, factor in enumerate(factors):
            others = [int(other != axis) for other in range(3)]
            line = part_of(block, others)
            made += factor * (along(line, axis, 2, None) + along(line, axis, None, -2))
        return made

    return on_slices(image, keep, _AROUND, work, progress)


def laplacian_reach(sigma: float, spacing: float) -> float:
    """Return how far, in mm, :func:`laplacian_of_gaussian` looks along an axis."""
    return gaussian_reach(sigma, spacing) + spacing
