"""What is done with a model's labels after the network, structure by structure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib.case import Segment
from MedAssistLib.models.card import PostProcessing
from MedAssistLib.volumes import Mask, fill_holes, largest_component, without_small_parts

_MM3_PER_ML = 1000.0


def voxel_ml(image: sitk.Image) -> float:
    """Return the volume of a voxel in mL."""
    return float(math.prod(image.GetSpacing())) / _MM3_PER_ML


def finished(
    labels: npt.NDArray[np.integer],
    segments: Sequence[Segment],
    after: PostProcessing,
    ml: float,
) -> npt.NDArray[np.integer]:
    """Return the labels of the wanted segments, each after its post-processing.

    Args:
        labels: Axes (k, j, i); those of no segment become background.
        segments: What is wanted.
        after: What is done.
        ml: Volume of a voxel in mL.
    """
    kept = np.zeros(max(int(labels.max()), *(entry.label for entry in segments)) + 1, labels.dtype)
    wanted = [entry.label for entry in segments]
    kept[wanted] = wanted
    labels = kept[labels]
    steps = {entry.label: after.of(entry.name) for entry in segments}
    if not any(map(_does_something, steps.values())):
        return labels
    result = np.zeros_like(labels)
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            result[box][_shaped(labels[box] == value, steps[value], ml)] = value
    return result


def _does_something(step: PostProcessing) -> bool:
    return step.largest_component or step.fill_holes or step.minimum_ml > 0.0


def _shaped(mask: Mask, step: PostProcessing, ml: float) -> Mask:
    if step.largest_component:
        mask = largest_component(mask)
    if step.minimum_ml > 0.0:
        mask = without_small_parts(mask, step.minimum_ml / ml)
    return fill_holes(mask) if step.fill_holes else mask
