"""Bright or dark tubes and sheets of several sizes: what vesselness and sheetness share.

Frangi et al. 1998 (doi:10.1007/BFb0056195), generalised by Antiga 2007 (doi:10.54294/b7q0ki).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk

from MedAssistLib.enhance.blocks import Array, on_slices
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.objectness import objectness
from MedAssistLib.enhance.options import INTENSITY, Options, choice, option
from MedAssistLib.enhance.pieces import run_in_pieces
from MedAssistLib.enhance.smoothing import blur, gaussian_reach
from MedAssistLib.enhance.voxels import Slices, robust_range, with_neighbours
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

_AUTO_SHARE = 0.2
# Second derivatives see one voxel more.
_AROUND = (1, 1, 1)
# Time for one voxel.
_COST_S = 5e-7


@dataclass(frozen=True, kw_only=True)
class StructureOptions(Options):
    """Which structures are looked for."""

    smallest: float = option(
        1.0, least=0.3, most=20.0, unit="mm", help="Radius, or half the thickness, of the thinnest"
    )
    largest: float = option(
        3.0, least=0.3, most=20.0, unit="mm", help="Radius, or half the thickness, of the thickest"
    )
    sizes: int = option(
        3, least=1, most=10, unit="1", help="How many sizes from the thinnest to the thickest"
    )
    side: str = choice("bright", "bright", "dark", help="Brighter or darker than around")
    contrast: float | None = option(
        None,
        least=0.001,
        most=10000.0,
        unit=INTENSITY,
        help="How much brighter or darker than around; fainter ones fade",
        by_modality={"CT": 100.0},
        auto="a fifth of the range of the scan's values",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.largest < self.smallest:
            what = f"largest={self.largest:g} is below smallest={self.smallest:g}"
            raise UsageError(what, hint="Give them the other way round")


def structure_kind(*, name: str, help: str, dimension: int) -> FilterKind:  # noqa: A002
    """Return a filter that shows what has ``dimension`` long directions: 1 tubes, 2 sheets.

    Args:
        name: Its name in chains.
        help: When to use it.
        dimension: 1 or 2.
    """

    def compute(
        image: sitk.Image,
        options: StructureOptions,
        progress: Progress,
        contrast: float,
    ) -> sitk.Image:
        return strongest(image, dimension, options, progress, contrast)

    def part(
        image: sitk.Image,
        options: StructureOptions,
        progress: Progress,
        contrast: float,
        keep: Slices,
    ) -> sitk.Image:
        return strongest_on_slices(image, dimension, options, progress, contrast, keep)

    return FilterKind(
        name=name,
        help=help,
        options=StructureOptions,
        prepare=contrast_of,
        compute=compute,
        part=part,
        reach=structure_reach,
        tolerance=0.02,
        keeps_unit=False,
    )


def contrast_of(image: sitk.Image, options: StructureOptions, _progress: Progress) -> float:
    """Return the contrast that the options say or that suits the whole image."""
    if options.contrast is not None:
        return options.contrast
    low, high = robust_range(image)
    return _AUTO_SHARE * (high - low)


def scales(options: StructureOptions) -> list[float]:
    """Return the Gaussians' sigmas in mm, evenly spread in their logarithm.

    A tube answers most to a sigma of its radius over √2.
    """
    most = options.sizes - 1
    ratio = options.largest / options.smallest
    radii = [options.smallest * ratio ** (n / most if most else 0.5) for n in range(most + 1)]
    return [radius / math.sqrt(2.0) for radius in radii]


def strongest(
    image: sitk.Image,
    dimension: int,
    options: StructureOptions,
    progress: Progress,
    contrast: float,
) -> sitk.Image:
    """Return, for each voxel, the strongest answer of all scales, in [0, 1].

    Args:
        image: The image.
        dimension: 1 for tubes, 2 for sheets.
        options: What is looked for.
        progress: Told how far it is.
        contrast: Contrast in the image's unit from which answers are strong.
    """
    sigmas = scales(options)
    best: Any = None
    for number, sigma in enumerate(sigmas):
        start, stop = number / len(sigmas), (number + 1) / len(sigmas)
        middle = start + 0.2 * (stop - start)
        blurred = blur(image, sigma, progress, start=start, stop=middle)
        measure = sitk.ObjectnessMeasureImageFilter()
        measure.SetObjectDimension(dimension)
        measure.SetBrightObject(options.side == "bright")
        measure.SetScaleObjectnessMeasure(False)
        measure.SetGamma(_strong(contrast))
        answer = run_in_pieces(
            measure,
            progress,
            blurred * sigma**2,
            around=_AROUND,
            cost_s=_COST_S,
            start=middle,
            stop=stop,
        )
        best = answer if best is None else sitk.Maximum(best, answer)
    result: sitk.Image = best
    return result


def strongest_on_slices(  # noqa: PLR0913, PLR0917 - each is a fact about the work
    image: sitk.Image,
    dimension: int,
    options: StructureOptions,
    progress: Progress,
    contrast: float,
    keep: Slices,
) -> sitk.Image:
    """Return what :func:`strongest` is in slices, given as (axis, first, one after the last)."""
    worked, inner = with_neighbours(image, keep)
    scale = (1.0 if options.side == "bright" else -1.0) / _strong(contrast)
    best: Any = None
    for sigma in scales(options):
        blurred = blur(image, sigma, progress, keep=worked)
        factors = [sigma / spacing for spacing in reversed(image.GetSpacing())]

        def work(block: Array, factors: list[float] = factors) -> Array:
            return objectness(block, factors, scale, dimension)

        answer = on_slices(blurred, inner, _AROUND, work, progress)
        best = answer if best is None else sitk.Maximum(best, answer)
    result: sitk.Image = best
    return result


def _strong(contrast: float) -> float:
    """Return the second derivatives, times sigma squared, of a tube of a contrast: about half."""
    return contrast / 2.0


def structure_reach(options: StructureOptions, spacing: float) -> float:
    """Return how far, in mm, :func:`strongest` looks along an axis."""
    return gaussian_reach(scales(options)[-1], spacing) + spacing
