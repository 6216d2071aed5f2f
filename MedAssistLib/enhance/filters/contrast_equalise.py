"""Histogram equalisation (Hummel 1977, doi:10.1016/S0146-664X(77)80011-7) of the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.contrast import LARGEST
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import INTENSITY, Options, option
from MedAssistLib.enhance.voxels import Values, body_threshold, map_values, sample
from MedAssistLib.progress import Progress

_BINS = 1024


@dataclass(frozen=True, kw_only=True)
class EqualiseOptions(Options):
    """What is equalised."""

    above: float | None = option(
        None,
        least=-LARGEST,
        most=LARGEST,
        unit=INTENSITY,
        help="Only values above this are equalised; the others become it",
        by_modality={"CT": -200.0},
        auto="the threshold between air and body by Otsu's method",
    )


def _prepare(
    image: sitk.Image, options: EqualiseOptions, _progress: Progress
) -> tuple[Values, Values]:
    """Return the points of the curve: edges of the histogram's bins, and where they go."""
    low = body_threshold(image, options.above)
    values = sample(image)
    values = values[values > low]
    if not values.size:
        return np.array([low]), np.array([low])
    counts, edges = np.histogram(values, _BINS, (low, values.max()))
    share = np.concatenate([[0.0], np.cumsum(counts) / values.size])
    return edges, low + share * (edges[-1] - low)


def _compute(
    image: sitk.Image,
    _options: EqualiseOptions,
    progress: Progress,
    curve: tuple[Values, Values],
) -> sitk.Image:
    return map_values(image, *curve, progress)


FILTER = FilterKind(
    name="contrast.equalise",
    help="Gives each grey an equal share of the body: use it for a first look when you do not know "
    "where the tissue lies; HU are lost.",
    options=EqualiseOptions,
    prepare=_prepare,
    compute=_compute,
    tolerance=0.02,
)
