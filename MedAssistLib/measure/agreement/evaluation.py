"""Comparing a segmentation with a reference, structure by structure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Segmentation
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.measure.agreement.elements import Spacing
from MedAssistLib.measure.agreement.masks import Agreement, agreement
from MedAssistLib.measure.agreement.matching import Match, match
from MedAssistLib.progress import Progress
from MedAssistLib.volumes import Mask

_RESAMPLED = (
    "the prediction was resampled onto the reference's grid (nearest neighbour); what lies outside "
    "that grid was left out"
)
_Box = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """How to compare two segmentations.

    Attributes:
        tolerance: Distance of surfaces that is close enough, mm, above zero.
        resample: Bring a prediction on another grid onto the reference's (nearest neighbour), and
            say so in the notes; otherwise it is refused.

    Raises:
        UsageError: If the tolerance is not a number above zero.
    """

    tolerance: float = 2.0
    resample: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.tolerance < math.inf:
            hint = "Give millimetres above zero, such as 2"
            raise UsageError(f"a tolerance of {self.tolerance:g} mm makes no sense", hint=hint)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a prediction agrees with the reference of one case.

    Attributes:
        case: What the case is called.
        structures: Each structure that one of the two has, by name.
        notes: What a person has to know about the comparison, as sentences.
    """

    case: str
    structures: Mapping[str, Agreement]
    notes: tuple[str, ...] = ()


def evaluate(
    predicted: Segmentation,
    reference: Segmentation,
    options: EvaluateOptions | None = None,
    *,
    case: str = "",
    progress: Progress | None = None,
) -> Evaluation:
    """Compare a segmentation with a reference.

    A structure that one of the two lacks counts as empty there: it is told, never dropped.

    Args:
        predicted: The segmentation in question.
        reference: What it is compared with, on the same grid; axes may be stored in another order.
        options: How to compare them.
        case: What to call the case.
        progress: Told how far it is.

    Raises:
        InputError: If the grids differ and ``options.resample`` is not set, or nothing of the
            prediction lies on the reference's grid.
        CancelledError: If the user asked to stop.
    """
    options = options or EvaluateOptions()
    progress = (progress or Progress()).part(f"Comparing {case}".rstrip(), 0.0, 1.0)
    progress.update(0.0)
    labels = geometry.stored_as(predicted.labels, reference.labels)
    notes = []
    if labels is None:
        labels = _resampled(predicted.labels, reference.labels, case, allowed=options.resample)
        notes.append(_RESAMPLED)
    pair = _Pair(labels, reference.labels)
    structures = {}
    matches = match(predicted.segments, reference.segments)
    for number, (name, found) in enumerate(matches.items(), 1):
        structures[name] = agreement(*pair.masks(found), pair.spacing, options.tolerance)
        progress.update(number / len(matches))
    notes += [found.note for found in matches.values() if found.note]
    return Evaluation(case=case, structures=structures, notes=tuple(notes))


def spacing_of(image: sitk.Image) -> Spacing:
    """Return millimetres along (k, j, i), as the image's maker meant them.

    NIfTI keeps them in 32 bits: read as 0.4000000060, 0.4 mm would miss a tolerance.
    """
    i, j, k = (float(str(np.float32(value))) for value in image.GetSpacing())
    return k, j, i


def _resampled(image: sitk.Image, grid: sitk.Image, case: str, *, allowed: bool) -> sitk.Image:
    if not allowed:
        what = "the prediction and the reference are on different grids"
        hint = "Add --resample to bring the prediction onto the reference's grid"
        raise InputError(what, where=case, hint=hint)
    still = sitk.Transform(3, sitk.sitkIdentity)
    moved = sitk.Resample(image, grid, still, sitk.sitkNearestNeighbor)
    if sitk.GetArrayViewFromImage(image).any() and not sitk.GetArrayViewFromImage(moved).any():
        hint = "Check that both are of one scan"
        raise InputError("the prediction lies beside the reference's grid", where=case, hint=hint)
    return moved


class _Pair:
    """Two label images on one grid, cut to what is needed for one structure at a time."""

    def __init__(self, predicted: sitk.Image, reference: sitk.Image) -> None:
        self._images = predicted, reference
        self._arrays = tuple(sitk.GetArrayViewFromImage(image) for image in self._images)
        self._boxes = tuple(_boxes(image) for image in self._images)
        self.spacing = spacing_of(reference)

    def masks(self, found: Match) -> tuple[Mask, Mask]:
        """Return where the prediction and the reference have a structure, within their boxes."""
        labels = [part.label if part else 0 for part in (found.predicted, found.reference)]
        boxes = [box.get(label) for box, label in zip(self._boxes, labels, strict=True)]
        there = [box for box in boxes if box]
        if not there:
            nowhere = np.zeros((1, 1, 1), dtype=np.bool_)
            return nowhere, nowhere
        both = tuple(
            slice(min(part.start for part in parts), max(part.stop for part in parts))
            for parts in zip(*there, strict=True)
        )
        first, second = (
            array[both] == label if box else np.zeros_like(array[both], dtype=np.bool_)
            for array, label, box in zip(self._arrays, labels, boxes, strict=True)
        )
        return first, second


def _boxes(labels: sitk.Image) -> dict[int, _Box]:
    """Return the block of each label's voxels, axes (k, j, i)."""
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.ComputePerimeterOff()
    shapes.Execute(labels)
    boxes = {}
    for label in shapes.GetLabels():
        i, j, k, *size = shapes.GetBoundingBox(label)
        starts_and_sizes = zip((k, j, i), reversed(size), strict=True)
        z, y, x = (slice(start, start + n) for start, n in starts_and_sizes)
        boxes[label] = (z, y, x)
    return boxes
