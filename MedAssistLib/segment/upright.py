"""Turning a scan as a network expects it, and turning its answer back onto the scan's own grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry

Volume = npt.NDArray[np.float32]

# Beyond this angle a scan is resampled along the body's axes, as the networks were trained.
_OBLIQUE_DEGREES = 1.0
_BODY_SHARE = 0.15
_BODY_QUANTILE = 0.995
_BODY_MARGIN_MM = 10.0


class UprightScan:
    """A scan with its axes turned as a network expects them.

    Axes are swapped and flipped without touching a value where that is enough. An oblique scan is
    resampled along the body's axes, and cropped to the body: the empty corners that the turn adds
    would make the head look small to a network that sees the whole volume at a fixed size.

    Args:
        image: The scan.
        orientation: Directions that the axes i, j, k shall point to, such as ``"RAS"``.
    """

    def __init__(self, image: sitk.Image, orientation: str) -> None:
        self._original = image
        self._oblique = geometry.obliqueness(image) > _OBLIQUE_DEGREES
        source = _along_the_body(image) if self._oblique else image
        self._upright = sitk.DICOMOrient(source, orientation)
        self.volume: Volume = sitk.GetArrayFromImage(self._upright).astype(np.float32)
        """Intensities, axes (k, j, i)."""

    def back(self, layer: Volume) -> Volume:
        """Return values on the upright grid as values on the scan's own, axes (k, j, i).

        Values of an oblique scan are interpolated linearly: they must be probabilities, not labels.
        """
        there = geometry.from_array(layer, self._upright)
        if self._oblique:
            moved = sitk.Resample(there, self._original, sitk.Transform(), sitk.sitkLinear, 0.0)
        else:
            moved = sitk.DICOMOrient(there, geometry.orientation(self._original))
        values: Volume = sitk.GetArrayFromImage(moved)
        return values


def _along_the_body(image: sitk.Image) -> sitk.Image:
    lowest = float(sitk.GetArrayViewFromImage(image).min())
    grid = geometry.upright_grid(image)
    turned = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, lowest, sitk.sitkFloat32)
    return _cropped_to_body(turned, lowest)


def _cropped_to_body(image: sitk.Image, lowest: float) -> sitk.Image:
    values = sitk.GetArrayViewFromImage(image)
    bright = float(np.quantile(values[::2, ::2, ::2], _BODY_QUANTILE))
    body = values > lowest + _BODY_SHARE * (bright - lowest)
    box = ndimage.find_objects(ndimage.binary_erosion(body, np.ones((3, 3, 3))).astype(np.uint8))
    if not box:
        return image
    margin = np.ceil(_BODY_MARGIN_MM / np.array(image.GetSpacing())).astype(int)
    i, j, k = (
        slice(max(0, part.start - int(extra)), min(int(size), part.stop + int(extra)))
        for part, extra, size in zip(box[0][::-1], margin, image.GetSize(), strict=True)
    )
    cropped: sitk.Image = image[i, j, k]
    return cropped
