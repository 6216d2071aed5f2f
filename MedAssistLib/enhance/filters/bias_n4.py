"""N4 bias field correction (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.progress import Progress

_HISTOGRAM_BINS = 200
_SMALLEST_SIDE = 4
# N4 can be stopped between iterations only, whose time grows with the voxels.
_MOST_VOXELS = 250_000


@dataclass(frozen=True, kw_only=True)
class N4Options(Options):
    """How the bias field is fitted."""

    working_spacing: float = option(
        4.0,
        least=1.0,
        most=10.0,
        unit="mm",
        help="Least spacing at which the field is fitted; it is smooth, so coarse is enough",
    )
    iterations: int = option(
        50, least=1, most=500, unit="1", help="Most iterations at each fitting level"
    )
    levels: int = option(
        4, least=1, most=6, unit="1", help="Fitting levels; each one halves the field's detail"
    )


def _prepare(image: sitk.Image, options: N4Options, progress: Progress) -> sitk.Image:
    """Return the logarithm of the bias field on a coarse upright grid.

    The image is turned upright first: the coarse grid and N4's fit begin at the first voxel, and
    would otherwise differ with the order in which voxels are stored, by up to 7 % of the range.
    """
    upright = sitk.DICOMOrient(image, "LPS")
    progress.check()
    small = sitk.Shrink(upright, _factors(upright, options.working_spacing))
    mask = sitk.OtsuThreshold(small, 0, 1, _HISTOGRAM_BINS)
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([int(options.iterations)] * int(options.levels))
    run(correction, progress, small, mask)
    field: sitk.Image = sitk.Cast(correction.GetLogBiasFieldAsImage(small), sitk.sitkFloat32)
    scaled: sitk.Image = field + _scale(small, mask, field)
    return scaled


def _factors(image: sitk.Image, spacing: float) -> list[int]:
    """Return by how much each axis is shrunk for a spacing in mm, or a coarser one if need be."""
    size, own = np.array(image.GetSize()), np.array(image.GetSpacing())
    spacing = max(spacing, float((np.prod(size * own) / _MOST_VOXELS) ** (1 / 3)))
    factors = np.maximum(np.rint(spacing / own), 1)
    return [int(n) for n in np.minimum(factors, np.maximum(size // _SMALLEST_SIDE, 1))]


def _scale(image: sitk.Image, mask: sitk.Image, field: sitk.Image) -> float:
    """Return what to add to the field so that the mean inside the mask stays: N4 lets it drift."""
    inside = sitk.GetArrayViewFromImage(mask) > 0
    values = sitk.GetArrayViewFromImage(image)[inside].astype(np.float64)
    corrected = values / np.exp(sitk.GetArrayViewFromImage(field)[inside])
    before, after = values.sum(), corrected.sum()
    return math.log(after / before) if before > 0.0 and after > 0.0 else 0.0


def _compute(
    image: sitk.Image, _options: N4Options, progress: Progress, field: sitk.Image
) -> sitk.Image:
    resampling = sitk.ResampleImageFilter()
    resampling.SetReferenceImage(image)
    resampling.SetInterpolator(sitk.sitkLinear)
    resampling.SetUseNearestNeighborExtrapolator(True)  # Continues the outermost voxels.
    fine = run(resampling, progress, field)
    corrected: sitk.Image = image / sitk.Exp(fine)
    return corrected


FILTER = FilterKind(
    name="bias.n4",
    help="Evens out the brightness of MR: use it when one side of a head is brighter than another.",
    options=N4Options,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.02,
    keeps_unit=False,
)
