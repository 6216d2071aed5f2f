"""Rescaling between two percentiles, such as to 0 … 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.contrast import LARGEST, Range
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import sample
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress


@dataclass(frozen=True, kw_only=True)
class RescaleOptions(Options):
    """Which values go where."""

    minimum: float = option(
        0.0, least=-LARGEST, most=LARGEST, unit="1", help="The darkest value of the result"
    )
    maximum: float = option(
        1.0, least=-LARGEST, most=LARGEST, unit="1", help="The brightest value of the result"
    )
    darkest: float = option(
        0.5, least=0.0, most=100.0, unit="%", help="Percentile that becomes the minimum"
    )
    brightest: float = option(
        99.9, least=0.0, most=100.0, unit="%", help="Percentile that becomes the maximum"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for low, high in (("minimum", "maximum"), ("darkest", "brightest")):
            start, stop = getattr(self, low), getattr(self, high)
            if not start < stop:
                what = f"{low}={start:g} is not below {high}={stop:g}"
                raise UsageError(what, hint="Give them the other way round")


def _prepare(image: sitk.Image, options: RescaleOptions, _progress: Progress) -> Range:
    """Return the two percentiles."""
    values = sample(image)
    if not values.size:
        return 0.0, 1.0
    low, high = (float(np.percentile(values, p)) for p in (options.darkest, options.brightest))
    return low, high if high > low else low + 1.0


def _compute(
    image: sitk.Image, options: RescaleOptions, progress: Progress, ends: Range
) -> sitk.Image:
    windowing = sitk.IntensityWindowingImageFilter()
    windowing.SetWindowMinimum(ends[0])
    windowing.SetWindowMaximum(ends[1])
    windowing.SetOutputMinimum(options.minimum)
    windowing.SetOutputMaximum(options.maximum)
    rescaled: sitk.Image = run(windowing, progress, image)
    return rescaled


FILTER = FilterKind(
    name="contrast.rescale",
    help="Brings values to a fixed range without a few outliers deciding it: use it before "
    "programs that want 0 to 1 or 0 to 255; HU are lost.",
    options=RescaleOptions,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.02,
    keeps_unit=False,
)
