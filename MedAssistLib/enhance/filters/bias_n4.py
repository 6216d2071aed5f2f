"""N4 bias field correction (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.progress import Progress

_HISTOGRAM_BINS = 200
_SMALLEST_SIDE = 4


@dataclass(frozen=True, kw_only=True)
class N4Options(Options):
    """How the bias field is fitted."""

    working_spacing: float = option(
        4.0,
        least=1.0,
        most=10.0,
        unit="mm",
        help="Spacing at which the field is fitted; the field is smooth, so coarse is enough",
    )
    iterations: int = option(
        50, least=1, most=500, unit="1", help="Most iterations at each fitting level"
    )
    levels: int = option(
        4, least=1, most=6, unit="1", help="Fitting levels; each one halves the field's detail"
    )


def _prepare(image: sitk.Image, options: N4Options, progress: Progress) -> sitk.Image:
    """Return the logarithm of the bias field on the whole image's grid.

    The image is turned upright first: the coarse grid and N4's fit begin at the first voxel, and
    would otherwise differ with the order in which voxels are stored, by up to 7 % of the range.
    """
    upright = sitk.DICOMOrient(image, "LPS")
    factors = np.maximum(np.rint(options.working_spacing / np.array(upright.GetSpacing())), 1)
    most = np.maximum(np.array(upright.GetSize()) // _SMALLEST_SIDE, 1)
    small = sitk.Shrink(upright, [int(n) for n in np.minimum(factors, most)])
    mask = sitk.OtsuThreshold(small, 0, 1, _HISTOGRAM_BINS)
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([int(options.iterations)] * int(options.levels))
    run(correction, progress, small, mask)
    field = correction.GetLogBiasFieldAsImage(upright)
    back: sitk.Image = sitk.DICOMOrient(field, geometry.orientation(image))
    return back


def _compute(
    image: sitk.Image, _options: N4Options, progress: Progress, field: sitk.Image
) -> sitk.Image:
    progress.check()
    if not geometry.same_grid(field, image):
        # The last True continues the outermost voxels, where a slab's corner may lie.
        field = sitk.Resample(
            field, image, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32, True
        )
    corrected: sitk.Image = image / sitk.Cast(sitk.Exp(field), sitk.sitkFloat32)
    return corrected


FILTER = FilterKind(
    name="bias.n4",
    help="Evens out the brightness of MR: use it when one side of a head is brighter than another.",
    options=N4Options,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.02,
)
