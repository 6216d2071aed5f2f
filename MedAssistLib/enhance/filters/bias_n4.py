"""N4 bias field correction (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind, Options, option
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


def _apply(image: sitk.Image, options: N4Options, progress: Progress) -> sitk.Image:
    factors = np.maximum(np.rint(options.working_spacing / np.array(image.GetSpacing())), 1)
    most = np.maximum(np.array(image.GetSize()) // _SMALLEST_SIDE, 1)
    small = sitk.Shrink(image, [int(n) for n in np.minimum(factors, most)])
    mask = sitk.OtsuThreshold(small, 0, 1, _HISTOGRAM_BINS)
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([int(options.iterations)] * int(options.levels))
    run(correction, progress, small, mask)
    field = sitk.Exp(correction.GetLogBiasFieldAsImage(image))
    corrected: sitk.Image = image / sitk.Cast(field, sitk.sitkFloat32)
    return corrected


FILTER = FilterKind(
    name="bias.n4",
    help="Evens out the brightness of MR: use it when one side of a head is brighter than another.",
    options=N4Options,
    apply=_apply,
)
