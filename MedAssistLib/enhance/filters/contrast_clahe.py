"""Contrast-limited adaptive histogram equalisation in 3-D.

Pizer et al. 1987, doi:10.1016/S0734-189X(87)80186-X; tiles as in Zuiderveld 1994, Graphics Gems IV.
ITK has the adaptive kind only, which has no limit for noise and is slow for large neighbourhoods.
"""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from MedAssistLib.enhance.contrast import bound, fill_in
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.tiles import Tiles, equalise, tiles_of
from MedAssistLib.progress import Progress

_AUTO = "chosen from the scan's values"


@dataclass(frozen=True, kw_only=True)
class ClaheOptions(Options):
    """How local, and how strong."""

    tile: float = option(
        60.0,
        least=20.0,
        most=500.0,
        unit="mm",
        help="Size of the tiles that are equalised each by itself: about that of an organ",
    )
    limit: float = option(
        3.0,
        least=1.0,
        most=100.0,
        unit="1",
        help="How many times contrast may grow at most; higher brings out noise",
    )
    low: float | None = bound("The darkest value that counts", ct=-160.0, auto=_AUTO)
    high: float | None = bound("The brightest value that counts", ct=240.0, auto=_AUTO)


def _prepare(image: sitk.Image, options: ClaheOptions, progress: Progress) -> Tiles:
    ends = fill_in(image, options.low, options.high)
    return tiles_of(image, options.tile, options.limit, ends, progress)


def _compute(
    image: sitk.Image, _options: ClaheOptions, progress: Progress, tiles: Tiles
) -> sitk.Image:
    return equalise(image, tiles, progress)


FILTER = FilterKind(
    name="contrast.clahe",
    help="Brings out contrast everywhere at once, dark and bright: use it to see lesions in liver "
    "or brain at a glance; HU are lost.",
    options=ClaheOptions,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.05,
    keeps_unit=False,
)
