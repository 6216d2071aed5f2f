"""Gradient magnitude of the smoothed image."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.smoothing import blur, gaussian_reach
from MedAssistLib.enhance.voxels import Slices, slices, with_neighbours
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class GradientOptions(Options):
    """How coarse the edges are."""

    sigma: float = option(
        1.0, least=0.1, most=10.0, unit="mm", help="Blur before edges are looked for, against noise"
    )


def _compute(
    image: sitk.Image,
    options: GradientOptions,
    progress: Progress,
    _state: None,
    keep: Slices | None = None,
) -> sitk.Image:
    worked, inner = with_neighbours(image, keep)
    blurred = blur(image, options.sigma, progress, stop=0.6, keep=worked if keep else None)
    edges: sitk.Image = run(
        sitk.GradientMagnitudeImageFilter(), progress, blurred, start=0.6, stop=1.0
    )
    return slices(edges, *inner) if keep else edges


FILTER = FilterKind(
    name="structure.gradient",
    help="Shows edges, as change of value per mm: use it to see where structures end.",
    options=GradientOptions,
    compute=_compute,
    part=_compute,
    reach=lambda options, spacing: gaussian_reach(options.sigma, spacing) + spacing,
    keeps_unit=False,
)
