"""Window and level, as radiology names them, without changing the values inside the window."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.contrast import LARGEST, Range, bound
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import INTENSITY, Options, option
from MedAssistLib.enhance.voxels import robust_range
from MedAssistLib.progress import Progress

_AUTO = "chosen from the scan's values"


@dataclass(frozen=True, kw_only=True)
class WindowOptions(Options):
    """Which values are kept apart."""

    width: float | None = option(
        None,
        least=0.001,
        most=LARGEST,
        unit=INTENSITY,
        help="From black to white",
        by_modality={"CT": 400.0},
        auto=_AUTO,
    )
    level: float | None = bound("The value in the middle", ct=40.0, auto=_AUTO)


def _prepare(image: sitk.Image, options: WindowOptions, _progress: Progress) -> Range:
    """Return the least and the largest value of the window."""
    width, level = options.width, options.level
    if width is None or level is None:
        low, high = robust_range(image)
        width = high - low if width is None else width
        level = (low + high) / 2.0 if level is None else level
    return level - width / 2.0, level + width / 2.0


def _compute(
    image: sitk.Image, _options: WindowOptions, progress: Progress, window: Range
) -> sitk.Image:
    clamp = sitk.ClampImageFilter()
    clamp.SetLowerBound(window[0])
    clamp.SetUpperBound(window[1])
    clamped: sitk.Image = run(clamp, progress, image)
    return clamped


FILTER = FilterKind(
    name="contrast.window",
    help="Cuts values off outside a window and keeps those inside as they are: use it to show one "
    "kind of tissue, or before filters that outliers would spoil.",
    options=WindowOptions,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.02,
)
