"""Histogram equalisation (Hummel 1977, doi:10.1016/S0146-664X(77)80011-7) of the body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.contrast import AIR_AND_BODY, along_curve, bound
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options
from MedAssistLib.enhance.voxels import Values, body_threshold, sample
from MedAssistLib.progress import Progress

_BINS = 1024


@dataclass(frozen=True, kw_only=True)
class EqualiseOptions(Options):
    """What is equalised."""

    above: float | None = bound(
        "Only values above this are equalised; the others become it", ct=-200.0, auto=AIR_AND_BODY
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


FILTER = FilterKind(
    name="contrast.equalise",
    help="Gives each grey an equal share of the body: use it for a first look when you do not know "
    "where the tissue lies; HU are lost.",
    options=EqualiseOptions,
    prepare=_prepare,
    compute=along_curve,
    tolerance=0.02,
    keeps_unit=False,
)
