"""Laplacian of Gaussian (Marr and Hildreth 1980, doi:10.1098/rspb.1980.0020), scale-normalised."""

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
from MedAssistLib.enhance.voxels import Slices
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class LogOptions(Options):
    """How large the blobs are."""

    sigma: float = option(
        2.0,
        least=0.1,
        most=10.0,
        unit="mm",
        help="Size of the blobs: a ball answers most to its radius over the root of 3",
    )


def _compute(
    image: sitk.Image,
    options: LogOptions,
    progress: Progress,
    _state: None,
    keep: Slices | None = None,
) -> sitk.Image:
    laplacian = laplacian_of_gaussian(image, options.sigma, progress, keep)
    normalised: sitk.Image = laplacian * options.sigma**2
    progress.update(1.0)
    return normalised


FILTER = FilterKind(
    name="structure.log",
    help="Shows blobs: negative in bright ones, positive in dark ones, zero at edges: use it to "
    "find nodules or calcifications of one size.",
    options=LogOptions,
    compute=_compute,
    part=_compute,
    reach=lambda options, spacing: laplacian_reach(options.sigma, spacing),
    tolerance=LAPLACIAN_TOLERANCE,
    keeps_unit=False,
)
