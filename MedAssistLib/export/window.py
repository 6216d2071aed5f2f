"""Which intensities of a scan are shown between black and white."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.export.planes import structure_mask

_ENOUGH_VOXELS = 1_000_000
_BONE_FROM_HU = 200.0
_LUNG_BELOW_HU = -500.0
_DARKEST, _BRIGHTEST = 0.5, 99.5


class Window(NamedTuple):
    """A window of intensities, as radiology names it.

    Attributes:
        width: From black to white.
        level: The intensity in the middle.
    """

    width: float
    level: float

    def greys(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the grey of each value in [0, 1]."""
        low = self.level - self.width / 2.0
        greys: npt.NDArray[np.float32] = np.clip((values - low) / self.width, 0.0, 1.0)
        return greys


_SOFT_TISSUE = Window(400.0, 40.0)
_BONE = Window(1800.0, 400.0)
_LUNG = Window(1500.0, -600.0)


def choose_window(scan: Scan, segmentation: Segmentation | None) -> Window:
    """Return a window that shows what matters.

    CT has fixed ones: bone or lung when most of what is segmented is that, soft tissue otherwise.
    Other scans are shown between robust percentiles, the upper one of what is brighter than air.
    """
    values = sitk.GetArrayViewFromImage(scan.image)
    sample = _sample(values)
    if scan.modality == "CT":
        return _ct_window(values, segmentation)
    if not sample.size:
        return Window(1.0, 0.5)
    low = float(np.percentile(sample, _DARKEST))
    high = float(np.percentile(sample[sample >= sample.mean()], _BRIGHTEST))
    return Window(high - low or 1.0, (low + high) / 2.0)


def _ct_window(values: npt.NDArray[np.generic], segmentation: Segmentation | None) -> Window:
    if segmentation is None:
        return _SOFT_TISSUE
    inside = _sample(values[structure_mask(segmentation.labels, segmentation.segments)])
    if not inside.size:
        return _SOFT_TISSUE
    typical = float(np.median(inside))
    if typical >= _BONE_FROM_HU:
        return _BONE
    return _LUNG if typical < _LUNG_BELOW_HU else _SOFT_TISSUE


def _sample(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Return some of the finite values, evenly spread, as a flat array."""
    every = max(1, values.size // _ENOUGH_VOXELS)
    some = values.reshape(-1)[::every].astype(np.float64)
    finite: npt.NDArray[np.float64] = some[np.isfinite(some)]
    return finite
