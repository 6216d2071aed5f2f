"""Anisotropic diffusion with ITK: what its two kinds share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.blocks import Array, iterated
from MedAssistLib.enhance.diffusion_steps import diffused
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import Slices, finest
from MedAssistLib.progress import Progress

# Diffusion for a time t spreads by a standard deviation of √(2t); beyond six there is nothing.
_SIGMAS = 6.0

_VOXELS_AT_ONCE = 2_000_000
_LEAST_SLICES = 8
# Side, in voxels, of the block that tells how the mean gradient falls.
_BLOCK = 96


def conductance(default: float) -> Any:
    """Return a dataclass field for how strong an edge must be to be kept."""
    return option(
        default,
        least=0.1,
        most=20.0,
        unit="1",
        help="How strong an edge must be to be kept: a higher value blurs weaker edges",
    )


@dataclass(frozen=True, kw_only=True)
class DiffusionOptions(Options):
    """How strongly noise is smoothed."""

    iterations: int = option(
        3, least=1, most=100, unit="1", help="How often it is smoothed: more smooths more"
    )
    conductance: float = conductance(1.0)


def diffusion_kind(
    *,
    name: str,
    help: str,  # noqa: A002
    options: type[DiffusionOptions],
    itk: Callable[[], Any],
    curvature: bool,
) -> FilterKind:
    """Return one of the two anisotropic diffusions as a filter.

    Args:
        name: Its name in chains.
        help: When to use it.
        options: Its options.
        itk: Makes ITK's filter.
        curvature: Whether it is curvature diffusion; otherwise gradient diffusion.
    """

    def prepare(image: sitk.Image, chosen: DiffusionOptions, progress: Progress) -> list[float]:
        return means_of(itk(), image, chosen, progress.part(kind.stage, 0.0, 0.0))

    def compute(
        image: sitk.Image, chosen: DiffusionOptions, progress: Progress, _state: None
    ) -> sitk.Image:
        return diffuse(itk(), image, chosen, progress)  # A whole image shows its own means.

    def part(
        image: sitk.Image,
        chosen: DiffusionOptions,
        progress: Progress,
        means: list[float],
        keep: Slices,
    ) -> sitk.Image:
        step = time_step(finest(image))
        limits = [-2.0 * mean * chosen.conductance**2 for mean in means]
        scales = [1.0 / spacing for spacing in reversed(image.GetSpacing())]

        def work(block: Array, number: int) -> Array:
            return diffused(block, scales, limits[number], step, curvature=curvature)

        return iterated(image, keep, chosen.iterations, work, progress)

    kind = FilterKind(
        name=name,
        help=help,
        options=options,
        prepare=prepare,
        coarse=False,
        compute=compute,
        reach=lambda chosen, spacing: diffusion_reach(chosen.iterations, spacing),
        part=part,
        state_for_part_only=True,
        tolerance=0.005,
    )
    return kind


def time_step(spacing: float) -> float:
    """Return the largest stable step in mm² for a smallest spacing in mm.

    ITK asks for at most the spacing over 2⁴ in 3-D; below half a millimetre that is too much for an
    explicit scheme, which wants less than the spacing's square over 6.
    """
    return min(spacing / 16.0, spacing * spacing / 8.0)


def diffusion_reach(iterations: int, spacing: float) -> float:
    """Return how far, in mm, diffusion carries along an axis; ITK's steps see one voxel each."""
    spread = _SIGMAS * math.sqrt(2.0 * iterations * time_step(spacing))
    return min(math.ceil(spread / spacing), iterations) * spacing


def mean_squared_gradient(image: sitk.Image, progress: Progress) -> float:
    """Return the mean squared gradient to which ITK ties the conductance: central differences."""
    values = sitk.GetArrayViewFromImage(image)
    across, down, along = (1.0 / (4.0 * s * s) for s in image.GetSpacing())
    last = len(values) - 1
    total = 0.0
    for k, plane in enumerate(values):
        progress.check()
        total += along * _sum_of_squares(values[min(k + 1, last)] - values[max(k - 1, 0)])
        total += down * _sum_of_squares(_differences(plane, 0))
        total += across * _sum_of_squares(_differences(plane, 1))
    return total / values.size


def means_of(
    diffusion: Any, image: sitk.Image, options: DiffusionOptions, progress: Progress
) -> list[float]:
    """Return the whole image's mean squared gradient before each iteration.

    The first is exact; how it falls is taken from a block in the middle of the image, because only
    a full run would tell.
    """
    cut = [max(n - _BLOCK, 0) // 2 for n in image.GetSize()]
    block = image[tuple(slice(c, n - c) for c, n in zip(cut, image.GetSize(), strict=True))]
    means: list[float] = []
    diffuse(diffusion, block, options, progress, seen=means)
    whole = mean_squared_gradient(image, progress)
    return [whole * (mean / means[0] if means[0] > 0.0 else 1.0) for mean in means]


def diffuse(
    diffusion: Any,
    image: sitk.Image,
    options: DiffusionOptions,
    progress: Progress,
    seen: list[float] | None = None,
) -> sitk.Image:
    """Run one of ITK's two anisotropic diffusion filters.

    Each iteration goes through the image in slabs, because ITK can be stopped only between
    iterations. ITK measures edges against the mean gradient of the image that it is given. A slab's
    is not the whole image's, so the conductance makes up for the difference.

    Args:
        diffusion: The filter.
        image: The whole image.
        options: How strongly.
        progress: Told how far it is.
        seen: Gets the image's mean squared gradient before each iteration.
    """
    diffusion.SetNumberOfIterations(1)
    diffusion.SetTimeStep(time_step(finest(image)))
    for iteration in range(options.iterations):
        mean = mean_squared_gradient(image, progress)
        if seen is not None:
            seen.append(mean)
        joined = np.empty(image.GetSize()[::-1], dtype=np.float32)
        for slab, inner, place in _slabs(image):
            local = mean_squared_gradient(slab, progress)
            ratio = math.sqrt(mean / local) if local > 0.0 else 1.0
            diffusion.SetConductanceParameter(options.conductance * ratio)
            done = (iteration + place.start / len(joined)) / options.iterations
            smooth = run(diffusion, progress, slab, start=done, stop=done)
            joined[place] = sitk.GetArrayViewFromImage(smooth)[inner]
        image = geometry.from_array(joined, image)
    progress.update(1.0)
    return image


def _slabs(image: sitk.Image) -> Iterator[tuple[sitk.Image, slice, slice]]:
    """Yield slabs with a slice of context, the slices of each without it, and their place."""
    columns, rows, depth = image.GetSize()
    thickness = max(_LEAST_SLICES, _VOXELS_AT_ONCE // (columns * rows))
    for start in range(0, depth, thickness):
        stop, first = min(start + thickness, depth), max(start - 1, 0)
        yield image[:, :, first : stop + 1], slice(start - first, stop - first), slice(start, stop)


def _differences(plane: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """Return the value after less the value before along an axis; the border continues."""
    ahead = np.take(
        plane, np.minimum(np.arange(plane.shape[axis]) + 1, plane.shape[axis] - 1), axis
    )
    behind = np.take(plane, np.maximum(np.arange(plane.shape[axis]) - 1, 0), axis)
    differences: npt.NDArray[np.float32] = ahead - behind
    return differences


def _sum_of_squares(values: npt.NDArray[np.float32]) -> float:
    flat = values.ravel()
    return float(flat @ flat)
