"""Median of the neighbourhood (Huang et al. 1979, doi:10.1109/TASSP.1979.1163188)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.blocks import Array, on_slices
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.pieces import run_in_pieces
from MedAssistLib.enhance.voxels import Slices, finest, radius_in_voxels, radius_reach
from MedAssistLib.progress import Progress

_SMALLEST = 1.0
# Time for one neighbour of a voxel.
_COST_S = 2.2e-8
_VALUES_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class MedianOptions(Options):
    """How large the neighbourhood is."""

    radius: float | None = option(
        None,
        least=0.1,
        most=5.0,
        unit="mm",
        help="Half the width of the neighbourhood; details that are thinner vanish",
        auto="the smallest distance of voxels, or 1 mm if that is more",
    )


def _compute(
    image: sitk.Image, options: MedianOptions, progress: Progress, _state: None
) -> sitk.Image:
    median = sitk.MedianImageFilter()
    radius = radius_in_voxels(image, _radius(options, finest(image)))
    median.SetRadius(radius)
    cost = _COST_S * math.prod(2 * r + 1 for r in radius)
    return run_in_pieces(median, progress, image, around=radius, cost_s=cost)


def _part(
    image: sitk.Image, options: MedianOptions, progress: Progress, _state: None, keep: Slices
) -> sitk.Image:
    radius = radius_in_voxels(image, _radius(options, finest(image)))
    window = [2 * r + 1 for r in reversed(radius)]
    middle = math.prod(window) // 2

    def work(block: Array) -> Array:
        windows = np.lib.stride_tricks.sliding_window_view(block, window)
        flat = windows.reshape(*windows.shape[:3], -1)
        flat.partition(middle, axis=-1)
        return flat[..., middle]

    at_once = _VALUES_AT_ONCE // math.prod(window)
    return on_slices(image, keep, radius, work, progress, at_once=at_once)


def _radius(options: MedianOptions, spacing: float) -> float:
    return max(_SMALLEST, spacing) if options.radius is None else options.radius


FILTER = FilterKind(
    name="denoise.median",
    help="Removes single bright and dark voxels and keeps edges: use it on salt-and-pepper noise.",
    options=MedianOptions,
    compute=_compute,
    part=_part,
    reach=lambda options, spacing: radius_reach(_radius(options, spacing), spacing),
)
