"""Laplacian sharpening: the image less a share of its scale-normalised Laplacian of Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.laplacian import (
    LAPLACIAN_TOLERANCE,
    laplacian_of_gaussian,
    laplacian_reach,
)
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import Slices, slices
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class LaplacianOptions(Options):
    """Which edges are steepened, and how much."""

    sigma: float = option(
        0.7, least=0.1, most=10.0, unit="mm", help="Blur before edges are looked for, against noise"
    )
    amount: float = option(0.5, least=0.05, most=5.0, unit="1", help="How strongly")


def _compute(
    image: sitk.Image,
    options: LaplacianOptions,
    progress: Progress,
    _state: None,
    keep: Slices | None = None,
) -> sitk.Image:
    laplacian = laplacian_of_gaussian(image, options.sigma, progress, keep)
    before = slices(image, *keep) if keep else image
    sharp: sitk.Image = before - options.amount * options.sigma**2 * laplacian
    progress.update(1.0)
    return sharp


FILTER = FilterKind(
    name="sharpen.laplacian",
    help="Steepens edges: use it on blurred bone or airway walls; it brings out noise as well.",
    options=LaplacianOptions,
    compute=_compute,
    part=_compute,
    reach=lambda options, spacing: laplacian_reach(options.sigma, spacing),
    tolerance=LAPLACIAN_TOLERANCE,
)
