"""Non-local means (Buades, Coll and Morel 2005, doi:10.1109/CVPR.2005.38)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.noise import estimated_noise
from MedAssistLib.enhance.nonlocal_means import Likeness, nonlocal_means
from MedAssistLib.enhance.options import INTENSITY, Options, option, switch
from MedAssistLib.enhance.voxels import Slices, as_slices, round_half_up
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class NonlocalOptions(Options):
    """Where alike voxels are looked for and how alike they must be."""

    search: float = option(
        2.0,
        least=0.5,
        most=20.0,
        unit="mm",
        help="How far away alike voxels are looked for, at least one voxel; time grows with its "
        "third power",
    )
    patch: float = option(
        1.0,
        least=0.25,
        most=5.0,
        unit="mm",
        help="Half the width of the surroundings that are compared, at least one voxel",
    )
    strength: float = option(
        0.85,
        least=0.1,
        most=5.0,
        unit="1",
        help="How different surroundings may be, in standard deviations of the noise: more "
        "smooths more",
    )
    noise: float | None = option(
        None,
        least=1e-6,
        most=1e6,
        unit=INTENSITY,
        help="Standard deviation of the noise",
        auto="estimated from the scan",
    )
    rician: bool = switch(
        False,
        help="Whether the noise is that of magnitude MR, which brightens what is dark",
        by_modality={"MR": True},
    )


def _prepare(image: sitk.Image, options: NonlocalOptions, _progress: Progress) -> float:
    """Return the standard deviation of the noise."""
    return options.noise if options.noise is not None else estimated_noise(image)


def _compute(
    image: sitk.Image, options: NonlocalOptions, progress: Progress, noise: float
) -> sitk.Image:
    return _part(image, options, progress, noise, (0, 0, image.GetSize()[0]))


def _part(
    image: sitk.Image,
    options: NonlocalOptions,
    progress: Progress,
    noise: float,
    slices: Slices,
) -> sitk.Image:
    """Return denoised slices, given as (axis, first, one after the last), in their place."""
    axis, first, stop = slices
    start, size = [0, 0, 0], list(image.GetSize())
    start[axis], size[axis] = first, stop - first
    if noise <= 0.0:
        unchanged: sitk.Image = sitk.RegionOfInterest(image, size, start)
        return unchanged
    search, patch = (
        [_voxels(mm, s, min(image.GetSpacing())) for s in reversed(image.GetSpacing())]
        for mm in (options.search, options.patch)
    )
    likeness = Likeness(
        noise=noise,
        strength=options.strength,
        search=(search[0], search[1], search[2]),
        patch=(patch[0], patch[1], patch[2]),
        rician=options.rician,
    )
    wanted = [(f, f + n) for f, n in zip(reversed(start), reversed(size), strict=True)]
    denoised = nonlocal_means(sitk.GetArrayViewFromImage(image), likeness, progress, wanted)
    return as_slices(denoised, image, slices)


def _voxels(radius: float, spacing: float, finest: float) -> int:
    """Return a radius in mm as voxels: at least one along the finest axis, none along coarse."""
    return round_half_up(max(radius, finest) / spacing)


def _reach(options: NonlocalOptions, spacing: float) -> float:
    # No image has a finest spacing above that of this axis.
    return sum(_voxels(mm, spacing, spacing) for mm in (options.search, options.patch)) * spacing


FILTER = FilterKind(
    name="denoise.nonlocal",
    help="Averages voxels whose surroundings look alike and keeps fine detail: the best denoiser "
    "here; PyTorch with a graphics card makes it faster.",
    options=NonlocalOptions,
    prepare=_prepare,
    coarse=False,
    compute=_compute,
    reach=_reach,
    part=_part,
)
