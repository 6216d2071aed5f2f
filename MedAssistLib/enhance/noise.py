"""How strong the noise of a scan is."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

# The median of the absolute values of a normal distribution, in standard deviations.
_MEDIAN_DEVIATION = 0.6745
# As many voxels along an axis as the noise is estimated from, around the middle.
_ESTIMATED_SIDE = 160
_OTSU_BINS = 256


def estimated_noise(image: sitk.Image) -> float:
    """Return the standard deviation of an image's noise inside the body.

    It is the median absolute Haar detail along all three axes (Donoho 1995), where structure
    hardly shows, over the voxels that are brighter than Otsu's threshold.
    """
    detail = mean = _middle(sitk.GetArrayViewFromImage(image))
    for axis in range(3):
        if detail.shape[axis] > 1:
            detail = np.diff(detail, axis=axis) / np.float32(math.sqrt(2.0))
            rows = mean.shape[axis]
            mean = (mean.take(range(1, rows), axis) + mean.take(range(rows - 1), axis)) / 2.0
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(_OTSU_BINS)
    otsu.Execute(sitk.GetImageFromArray(mean))
    body = detail[mean > otsu.GetThreshold()]
    return float(np.median(np.abs(body))) / _MEDIAN_DEVIATION if body.size else 0.0


def _middle(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the block in the middle; the same one however the scan is stored."""
    cut = [max(n - _ESTIMATED_SIDE + 1, 0) // 2 for n in values.shape]
    return values[tuple(slice(c, n - c) for c, n in zip(cut, values.shape, strict=True))]
