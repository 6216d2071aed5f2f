"""Gamma: a power curve over a range of values."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.contrast import Range, bound, fill_in
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import scale_to
from MedAssistLib.progress import Progress

_AUTO = "chosen from the scan's values"


@dataclass(frozen=True, kw_only=True)
class GammaOptions(Options):
    """How the curve bends, and where."""

    gamma: float = option(
        0.7,
        least=0.05,
        most=20.0,
        unit="1",
        help="Below 1 spreads dark values apart, above 1 bright ones",
    )
    low: float | None = bound(
        "Where the curve begins; what is below becomes it", ct=-160.0, auto=_AUTO
    )
    high: float | None = bound("Which value above low stays as it is", ct=240.0, auto=_AUTO)


def _prepare(image: sitk.Image, options: GammaOptions, _progress: Progress) -> Range:
    return fill_in(image, options.low, options.high)


def _compute(
    image: sitk.Image, options: GammaOptions, progress: Progress, ends: Range
) -> sitk.Image:
    low, high = ends
    scaled = scale_to(image, low, high, progress, 0.4)
    curve = sitk.PowImageFilter()
    bent = run(curve, progress, scaled, options.gamma, start=0.4, stop=0.9)
    result: sitk.Image = bent * (high - low) + low
    progress.update(1.0)
    return result


FILTER = FilterKind(
    name="contrast.gamma",
    help="Brightens or darkens the middle tones: use it when dark tissue hides in shadow.",
    options=GammaOptions,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.02,
    keeps_unit=False,
)
