"""All numbers about how well two masks of one structure agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from MedAssistLib.measure.agreement.distances import (
    average_distance,
    hausdorff_distance,
    surface_dice,
)
from MedAssistLib.measure.agreement.elements import Spacing
from MedAssistLib.measure.agreement.surfaces import compare_surfaces
from MedAssistLib.volumes import Mask

_CUBIC_MM_PER_ML = 1000.0


class Found(StrEnum):
    """Where a structure has any voxels."""

    BOTH = "both"
    MISSED = "missed"
    EXTRA = "extra"
    NEITHER = "neither"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well a predicted structure agrees with the reference.

    Attributes:
        dice: Overlap: twice the common voxels by those of both, 0 to 1.
        nsd_1mm: Normalised surface Dice at 1 mm, 0 to 1.
        nsd: Normalised surface Dice at ``tolerance``, 0 to 1.
        tolerance: Distance of surfaces that is close enough, mm.
        hd95: 95th percentile of the distances between the surfaces, mm.
        hd: The largest of these distances (Hausdorff), mm.
        assd: Average symmetric surface distance, mm.
        predicted_ml: Volume of the prediction, mL.
        reference_ml: Volume of the reference, mL.
    """

    dice: float
    nsd_1mm: float
    nsd: float
    tolerance: float
    hd95: float
    hd: float
    assd: float
    predicted_ml: float
    reference_ml: float

    @property
    def found(self) -> Found:
        """Which of the two has the structure."""
        if self.reference_ml > 0.0:
            return Found.BOTH if self.predicted_ml > 0.0 else Found.MISSED
        return Found.EXTRA if self.predicted_ml > 0.0 else Found.NEITHER

    @property
    def difference_ml(self) -> float:
        """How much larger the prediction is, mL."""
        return self.predicted_ml - self.reference_ml

    @property
    def difference_percent(self) -> float:
        """How much larger the prediction is, in percent of the reference; NaN without one."""
        return 100.0 * self.difference_ml / self.reference_ml if self.reference_ml else math.nan


def dice(first: Mask, second: Mask) -> float:
    """Return the Dice overlap of two masks of one shape, 0 to 1; NaN if both are empty."""
    voxels = np.count_nonzero(first) + np.count_nonzero(second)
    return 2.0 * np.count_nonzero(first & second) / voxels if voxels else math.nan


def agreement(
    predicted: Mask, reference: Mask, spacing: Spacing, tolerance: float = 2.0
) -> Agreement:
    """Compare two masks of one structure.

    Args:
        predicted: Axes (k, j, i).
        reference: Of the same shape.
        spacing: Millimetres along (k, j, i).
        tolerance: Distance of surfaces that is close enough, mm.
    """
    surfaces = compare_surfaces(predicted, reference, spacing)
    millilitres = math.prod(spacing) / _CUBIC_MM_PER_ML
    return Agreement(
        dice=dice(predicted, reference),
        nsd_1mm=surface_dice(surfaces, 1.0),
        nsd=surface_dice(surfaces, tolerance),
        tolerance=tolerance,
        hd95=hausdorff_distance(surfaces, 95.0),
        hd=hausdorff_distance(surfaces),
        assd=average_distance(surfaces),
        predicted_ml=np.count_nonzero(predicted) * millilitres,
        reference_ml=np.count_nonzero(reference) * millilitres,
    )
