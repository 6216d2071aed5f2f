"""Finding the brain of an atlas in a scan of a head: a registration in physical space.

The scan's header decides what is left and right. A brain is so nearly its own mirror image that
nothing in a scan can show whether the header is right about that. What can be seen is a head that
does not look up and forward where its header says: it is not found, because heads are only looked
for as they lie in a scanner, tilted and turned by some tens of degrees, never mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.progress import Progress
from MedAssistLib.segment.located import search

LEAST_LIKENESS = 0.6
"""Correlation of scan and atlas below which there is no head.

Heads in T1 reached 0.65 (contrast agent, skull removed) and 0.79 to 1 (others); heads in other
contrasts up to 0.48, misplaced ones up to 0.59; trunks, noise and other bodies up to 0.36.
"""

_FINE_MM = 3.0
_COARSE = 2
_STARTS = 8
# The dark rim of fluid and bone about the brain shows where it ends.
_RIM_MM = 6.0
# Brighter voxels, such as those of vessels and fat, count like these.
_BRIGHT = 0.995
_STEPS = 80
_FIRST_STEP, _LAST_STEP, _SHORTER = 2.0, 0.05, 0.6
# Of the likeness: standard deviation in voxels, and least share of a voxel's surroundings.
_SMOOTHING, _LEAST_WEIGHT = 1.0, 1e-3

Array = npt.NDArray[np.float32]
Kind = TypeVar("Kind", sitk.Similarity3DTransform, sitk.AffineTransform)


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """An atlas found in a scan.

    Attributes:
        transform: From places in the atlas to places in the scan, LPS mm.
        likeness: Correlation of the two within the brain, in [-1, 1]; 0 if too little of the brain
            is in the scan.
    """

    transform: sitk.Transform
    likeness: float


def find_head(image: sitk.Image, atlas: sitk.Image, progress: Progress) -> Head:
    """Find the brain of an atlas in a scan.

    Args:
        image: T1-weighted scan, in any orientation; it may show more or less than a head.
        atlas: T1-weighted brain along the LPS axes, 0 outside the brain, of 3 mm voxels.
        progress: Told how far it is; stops the search when asked to.

    Returns:
        The best that there is, however bad.

    Raises:
        CancelledError: If the user asked to stop.
    """
    progress.update(0.0)
    scan, rim = _coarse(image), _widened(atlas)
    progress.update(0.2)
    small, brain = (sitk.BinShrink(each, [_COARSE] * 3) for each in (scan, atlas))
    counted = sitk.Resample(rim, brain, sitk.Transform(), sitk.sitkNearestNeighbor)
    starts = search.candidates(small, brain, counted, progress.check)[:_STARTS]
    if not starts:
        return Head(transform=sitk.Transform(), likeness=0.0)
    progress.update(0.5)
    refined = [_refined(small, brain, counted, start, progress) for start in starts]
    best, _ = min(refined, key=lambda found: found[1])
    progress.update(0.8)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(best.GetCenter())
    affine.SetMatrix(best.GetMatrix())
    affine.SetTranslation(best.GetTranslation())
    found, _ = _refined(scan, atlas, rim, affine, progress)
    progress.update(1.0)
    return Head(transform=found, likeness=_likeness(scan, atlas, found))


def _coarse(image: sitk.Image) -> sitk.Image:
    """Return a scan along the LPS axes at the atlas's spacing, 0 where it is darkest."""
    # The same scan, however it is stored, becomes the same image.
    image = sitk.DICOMOrient(image, "LPS")
    factors = [max(1, int(_FINE_MM / step)) for step in image.GetSpacing()]
    image = sitk.Cast(sitk.BinShrink(image, factors), sitk.sitkFloat32)
    low, high = geometry.box_lps(image, (0, 0, 0), image.GetSize())
    # The coarser image needs two voxels a side, too.
    size = [max(2 * _COARSE, round((b - a) / _FINE_MM)) for a, b in zip(low, high, strict=True)]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing([_FINE_MM] * 3)
    grid.SetOrigin([a + _FINE_MM / 2.0 for a in low])
    values = np.nan_to_num(sitk.GetArrayFromImage(image), posinf=0.0, neginf=0.0)
    lowest, bright = float(values.min()), float(np.quantile(values, _BRIGHT))
    image = geometry.from_array(np.minimum(values, bright) - lowest, image)
    coarse: sitk.Image = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0)
    return coarse


def _widened(atlas: sitk.Image) -> sitk.Image:
    """Return the atlas's brain with a rim about it as a mask, on a grid with room for it."""
    rim = round(_RIM_MM / _FINE_MM)
    brain = sitk.ConstantPad(atlas, [rim] * 3, [rim] * 3, 0.0) > 0.0
    widened: sitk.Image = sitk.BinaryDilate(brain, [rim] * 3, sitk.sitkBall)
    return widened


def _refined(
    scan: sitk.Image, atlas: sitk.Image, rim: sitk.Image, start: Kind, progress: Progress
) -> tuple[Kind, float]:
    """Return the transform near another under which scan and atlas correlate best, and how badly.

    Args:
        scan: Along the LPS axes.
        atlas: With the scan's spacing.
        rim: Where they are compared.
        start: A transform of the kind that is returned.
        progress: Asked whether to stop.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(rim)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(_FIRST_STEP, _LAST_STEP, _STEPS, _SHORTER)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=True)

    def stop_if_asked() -> None:
        if progress.cancelled:
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, stop_if_asked)
    method.Execute(sitk.Resample(atlas, rim), scan)
    progress.check()
    return start, float(method.GetMetricValue())


def _likeness(scan: sitk.Image, atlas: sitk.Image, transform: sitk.Transform) -> float:
    """Return the correlation within the brain that the scan shows; 0 if that is too little."""
    there, shown = (
        sitk.GetArrayFromImage(sitk.Resample(each, atlas, transform, sitk.sitkLinear, 0.0))
        for each in (scan, geometry.empty_like(scan, sitk.sitkFloat32) + 1.0)
    )
    own = sitk.GetArrayFromImage(atlas)
    brain = (own > 0.0) & (shown > 0.0)
    if np.count_nonzero(brain) < search.LEAST_SHOWN * np.count_nonzero(own):
        return 0.0
    return _correlation(_smooth(own, brain)[brain], _smooth(there, brain)[brain])


def _smooth(values: Array, mask: npt.NDArray[np.bool_]) -> Array:
    """Smooth within a mask by what lies within it; the folds of no two brains are the same."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), _SMOOTHING)
    smooth = ndimage.gaussian_filter(values * mask, _SMOOTHING)
    normalised: Array = smooth / np.maximum(weight, _LEAST_WEIGHT)
    return normalised


def _correlation(first: Array, second: Array) -> float:
    a, b = first - first.mean(), second - second.mean()
    lengths = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / lengths if lengths > 0.0 else 0.0
