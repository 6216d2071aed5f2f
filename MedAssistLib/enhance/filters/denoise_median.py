"""Median of the neighbourhood (Huang et al. 1979, doi:10.1109/TASSP.1979.1163188)."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import radius_in_voxels, radius_reach
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class MedianOptions(Options):
    """How large the neighbourhood is."""

    radius: float = option(
        1.0,
        least=0.1,
        most=5.0,
        unit="mm",
        help="Half the width of the neighbourhood; details that are thinner vanish",
    )


def _compute(
    image: sitk.Image, options: MedianOptions, progress: Progress, _state: None
) -> sitk.Image:
    median = sitk.MedianImageFilter()
    median.SetRadius(radius_in_voxels(image, options.radius))
    smooth: sitk.Image = run(median, progress, image)
    return smooth


FILTER = FilterKind(
    name="denoise.median",
    help="Removes single bright and dark voxels and keeps edges: use it on salt-and-pepper noise.",
    options=MedianOptions,
    compute=_compute,
    in_slabs=True,
    reach=lambda options, spacing: radius_reach(options.radius, spacing),
)
