"""Cropping to the box around the body."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib.enhance.contrast import AIR_AND_BODY, bound
from MedAssistLib.enhance.itk import run
from MedAssistLib.enhance.kind import FilterKind
from MedAssistLib.enhance.options import Options, option
from MedAssistLib.enhance.voxels import Values, body_threshold
from MedAssistLib.progress import Progress

# The body is found on a copy of about this spacing, in mm.
_COARSE = 3.0


@dataclass(frozen=True, kw_only=True)
class CropOptions(Options):
    """What is kept around the body."""

    margin: float = option(
        5.0, least=0.0, most=200.0, unit="mm", help="What is kept around the body on each side"
    )
    above: float | None = bound(
        "Values above this are body; only the largest connected part counts",
        ct=-300.0,
        auto=AIR_AND_BODY,
    )


def _prepare(image: sitk.Image, options: CropOptions, progress: Progress) -> Values:
    """Return the corners of the body's box along the image's axes, LPS mm, one a row."""
    factors = np.maximum(np.floor(_COARSE / np.array(image.GetSpacing())), 1).astype(int)
    factors = np.minimum(factors, np.maximum(np.array(image.GetSize()) // 2, 1))
    small = sitk.Shrink(image, factors.tolist())
    mask = small > body_threshold(image, options.above)
    # Separates the table, which touches the back.
    mask = sitk.BinaryMorphologicalOpening(mask, [1, 1, 1], sitk.sitkBall)
    progress.check()
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(mask))
    found = sitk.LabelShapeStatisticsImageFilter()
    found.Execute(parts)
    low, high = np.zeros(3), np.array(small.GetSize(), dtype=float)
    if found.HasLabel(1):
        box = np.array(found.GetBoundingBox(1), dtype=float)
        low, high = box[:3], box[:3] + box[3:]
    # The body may reach half a coarse voxel further than the voxel that shows it.
    around = options.margin / np.array(small.GetSpacing()) + 0.5
    edges = zip(low - around - 0.5, high + around - 0.5, strict=True)
    corners = itertools.product(*edges)
    return np.array([small.TransformContinuousIndexToPhysicalPoint(c) for c in corners])


def _compute(
    image: sitk.Image, _options: CropOptions, progress: Progress, corners: Values
) -> sitk.Image:
    places = np.array([image.TransformPhysicalPointToContinuousIndex(c) for c in corners.tolist()])
    size = np.array(image.GetSize())
    first = np.clip(np.rint(places.min(axis=0) + 0.5).astype(int), 0, size - 2)
    stop = np.clip(np.rint(places.max(axis=0) + 0.5).astype(int), first + 2, size)
    region = sitk.RegionOfInterestImageFilter()
    region.SetIndex(first.tolist())
    region.SetSize((stop - first).tolist())
    cropped: sitk.Image = run(region, progress, image)
    return cropped


FILTER = FilterKind(
    name="geometry.crop",
    help="Cuts away the air around the body: use it first, because all after it gets faster.",
    options=CropOptions,
    prepare=_prepare,
    compute=_compute,
    keeps_grid=False,
)
