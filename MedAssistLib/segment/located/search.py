"""Where a brain lies in a scan, roughly: all places are tried, with several tilts and sizes.

The correlation at every shift, over what both show, is that of Padfield 2012, "Masked object
registration in the Fourier domain", doi:10.1109/TIP.2011.2181402.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import fft

# Tilts of the head, chin to chest and back, and sizes of a brain as shares of the atlas's, which
# is larger than most. What lies between is left to the fine registration.
_TILTS = tuple(np.radians((-30.0, -15.0, 0.0, 15.0, 30.0)))
_SIZES = (0.82, 0.92, 1.03)
# The turned atlas needs more room than the upright one.
_ROOM = 1.3
LEAST_SHOWN = 0.6
"""So much of the brain must be in the scan."""
# Where a scan hardly varies, as in air, nothing is found: share of its greatest variance.
_LEAST_VARIANCE = 0.05
# Below every correlation.
_NO_ROOM = -2.0

Values = npt.NDArray[np.float64]
Spectrum = npt.NDArray[np.complex128]


def candidates(
    scan: sitk.Image, atlas: sitk.Image, weight: sitk.Image, look: Callable[[], None]
) -> list[sitk.Similarity3DTransform]:
    """Return the best place for each tilt and size, the likeliest first; none if there is no room.

    Args:
        scan: Along the LPS axes.
        atlas: With the scan's spacing, along the LPS axes too.
        weight: Where the atlas counts, 0 or 1, on its grid.
        look: Called between the trials; it may raise to stop.

    Returns:
        From places in the atlas to places in the scan, LPS mm.
    """
    places = _Places(scan, atlas)
    trials = []
    for tilt, size in itertools.product(_TILTS, _SIZES):
        look()
        turn = _turn(atlas, tilt, size)
        likeness, shift = places.best(atlas, weight, turn)
        turn.SetTranslation(shift)
        if likeness > _NO_ROOM:
            trials.append((likeness, turn))
    trials.sort(key=lambda trial: trial[0], reverse=True)
    return [turn for _, turn in trials]


def _turn(atlas: sitk.Image, tilt: float, size: float) -> sitk.Similarity3DTransform:
    """Return the transform that turns an atlas about its middle and changes its size."""
    turn = sitk.Similarity3DTransform()
    middle = [(n - 1) / 2.0 for n in atlas.GetSize()]
    turn.SetCenter(atlas.TransformContinuousIndexToPhysicalPoint(middle))
    turn.SetRotation((1.0, 0.0, 0.0), tilt)
    turn.SetScale(size)
    return turn


class _Places:
    """All shifts of an atlas over a scan.

    Args:
        scan: The scan.
        atlas: The atlas, before it is turned.
    """

    def __init__(self, scan: sitk.Image, atlas: sitk.Image) -> None:
        self._scan, self._grid = scan, _roomy(atlas)
        values = sitk.GetArrayFromImage(scan).astype(np.float64)
        lengths = zip(values.shape, self._grid.GetSize()[::-1], strict=True)
        self._shape = [fft.next_fast_len(n + m, real=True) for n, m in lengths]
        self._shown, self._values, self._squares = map(
            self._spectrum, (np.ones_like(values), values, values * values)
        )

    def best(
        self, atlas: sitk.Image, weight: sitk.Image, turn: sitk.Similarity3DTransform
    ) -> tuple[float, list[float]]:
        """Return the best correlation of the turned atlas, and its shift in mm."""
        back = turn.GetInverse()
        template, counts = (
            sitk.GetArrayFromImage(sitk.Resample(each, self._grid, back, how, 0.0)).astype(float)
            for each, how in ((atlas, sitk.sitkLinear), (weight, sitk.sitkNearestNeighbor))
        )
        likeness = self._likeness(template, counts)
        found = np.unravel_index(int(likeness.argmax()), likeness.shape)
        # A shift to the right, front or foot comes out as one from the other end.
        steps = [
            float(at - length if at >= own else at)
            for at, length, own in zip(found, self._shape, self._scan.GetSize()[::-1], strict=True)
        ]
        place = self._scan.TransformContinuousIndexToPhysicalPoint(steps[::-1])
        shift = [to - start for to, start in zip(place, self._grid.GetOrigin(), strict=True)]
        return float(likeness[found]), shift

    def _likeness(self, template: Values, counts: Values) -> Values:
        """Return the correlation at every shift, a lower value where the scan shows too little."""
        own, weighted, squared = map(
            self._spectrum, (counts, template * counts, template * template * counts)
        )
        shown = self._product(self._shown, own)
        enough = shown > LEAST_SHOWN * counts.sum()
        number = np.maximum(shown, 1.0)
        of_scan = self._product(self._values, own)
        of_atlas = self._product(self._shown, weighted)
        variance = self._product(self._squares, own) - of_scan * of_scan / number
        variance = np.maximum(variance, _LEAST_VARIANCE * variance.max())
        contrast = self._product(self._shown, squared) - of_atlas * of_atlas / number
        common = self._product(self._values, weighted) - of_scan * of_atlas / number
        likeness = np.full_like(common, _NO_ROOM)
        scale = np.sqrt(variance[enough] * contrast[enough])
        likeness[enough] = common[enough] / np.maximum(scale, np.finfo(np.float64).tiny)
        return likeness

    def _spectrum(self, values: Values) -> Spectrum:
        found: Spectrum = fft.rfftn(values, self._shape)
        return found

    def _product(self, scan: Spectrum, template: Spectrum) -> Values:
        """Return the sum of the products at every shift of the template."""
        found: Values = fft.irfftn(scan * np.conj(template), self._shape)
        return found


def _roomy(atlas: sitk.Image) -> sitk.Image:
    """Return an empty grid about the middle of an atlas, with room to turn it."""
    size = [round(_ROOM * n) for n in atlas.GetSize()]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(atlas.GetSpacing())
    first = [(n - m) / 2.0 for n, m in zip(atlas.GetSize(), size, strict=True)]
    grid.SetOrigin(atlas.TransformContinuousIndexToPhysicalPoint(first))
    return grid
