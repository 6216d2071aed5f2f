"""What the rules about a scan have in common: it stood upright, and where the body is in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Point
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Place
from MedAssistLib.volumes import Mask, largest_component

Values = npt.NDArray[Any]

LOWEST_AIR = -1100.0
"""HU below which nothing is measured; what lies there was filled in (padding)."""

_COARSE_MM = 2.5
_MOST_COARSE = 160
_OTSU_BINS = 256
# Voxels of the coarse copy, against noise.
_SMOOTHING = 0.7
# HU from air to tissue at least, also where the slope is wrong by a factor of two.
_LEAST_STEP = 400.0
# Tissue is darker than Otsu's threshold in many MR images; noise and ghosts are far below this.
_MR_SHARE = 0.4
# Opens the thin couch off the body.
_COUCH_MM = 6.0


@dataclass(frozen=True, eq=False)
class Survey:
    """A scan with its axes turned to (S, P, L), each rising in that direction, and a coarse copy.

    An oblique scan keeps its voxels; each axis is named for the direction nearest to it.

    Attributes:
        image: The scan's image.
        modality: Its modality.
    """

    image: sitk.Image
    modality: str

    @cached_property
    def values(self) -> Values:
        """All values, axes (S, P, L); a view that must not be written to."""
        stored = sitk.GetArrayViewFromImage(self.image)
        turned = stored.transpose(*self._order)
        view: Values = turned[tuple(slice(None, None, sign) for sign in self._signs)]
        return view

    @cached_property
    def spacing(self) -> npt.NDArray[np.float64]:
        """Distance of voxels along (S, P, L), mm."""
        return np.array(self.image.GetSpacing())[::-1][list(self._order)]

    @cached_property
    def through(self) -> int:
        """The axis across the slices: the coarsest, or head to foot if all are about alike."""
        coarsest = int(self.spacing.argmax())
        alike = self.spacing[coarsest] < 1.3 * np.median(self.spacing)
        return 0 if alike else coarsest

    @property
    def in_plane(self) -> tuple[int, int]:
        """The two axes of a slice."""
        first, second = (axis for axis in range(3) if axis != self.through)
        return first, second

    @cached_property
    def steps(self) -> tuple[int, int, int]:
        """Voxels from one of the coarse copy to the next."""
        wanted = np.maximum(_COARSE_MM / self.spacing, np.array(self.values.shape) / _MOST_COARSE)
        up, back, left = (max(1, round(step)) for step in wanted.tolist())
        return up, back, left

    @cached_property
    def coarse(self) -> npt.NDArray[np.float32]:
        """Every n-th value, not averaged."""
        every = tuple(slice(None, None, step) for step in self.steps)
        return np.ascontiguousarray(self.values[every], dtype=np.float32)

    @cached_property
    def coarse_spacing(self) -> npt.NDArray[np.float64]:
        """Distance of the coarse copy's voxels, mm."""
        return self.spacing * self.steps

    @cached_property
    def padding(self) -> Mask:
        """Voxels of the coarse copy that were filled in where the scanner saw nothing."""
        if self.modality != "CT":
            return np.zeros(self.coarse.shape, dtype=bool)
        lowest = float(self.coarse.min())
        filled = self.coarse == lowest
        # Air is noisy: where it is clipped, the values next to its lowest are there too.
        near = np.count_nonzero(self.coarse < lowest + 20.0)
        constant = np.count_nonzero(filled) > 0.9 * near and near > 0.005 * filled.size
        below: Mask = self.coarse < LOWEST_AIR
        return below | filled if constant else below

    @cached_property
    def threshold(self) -> float:
        """The value that parts the body from the air around it.

        Without air, in a scan that was cropped within the body, it is minus infinity.
        """
        seen = self.coarse[~self.padding]
        low, high = np.percentile(seen, (0.5, 99.5)) if seen.size else (0.0, 0.0)
        if not low < high:
            return -np.inf
        seen = np.clip(seen, low, high)
        otsu = _otsu(seen)
        if self.modality != "CT":
            return float(low) + _MR_SHARE * (otsu - float(low))
        step = float(np.median(seen[seen > otsu]) - np.median(seen[seen <= otsu]))
        return otsu if step > _LEAST_STEP else -np.inf

    @cached_property
    def body(self) -> Mask:
        """The body in the coarse copy, its cavities filled slice by slice; may be empty."""
        # Padding is far below anything real and must not bleed into its neighbours.
        values = np.where(self.padding, self.coarse[~self.padding].min(initial=0.0), self.coarse)
        smooth = ndimage.gaussian_filter(values, _SMOOTHING)
        whole = (smooth > self.threshold) & ~self.padding
        # First across the body, where skin encloses lungs and skulls; then what is left of them.
        for axis in (0, 1):
            for piece in np.moveaxis(whole, axis, 0):
                piece[:] = ndimage.binary_fill_holes(piece)
        reach = np.round(_COUCH_MM / (2.0 * self.coarse_spacing)).astype(int)
        return largest_component(_grown(_shrunk(whole, reach), reach))

    @cached_property
    def areas(self) -> npt.NDArray[np.float64]:
        """Cross-section of the body in each of the coarse copy's slices along S, cm²."""
        pixel = float(self.coarse_spacing[1:].prod()) / 100.0
        areas: npt.NDArray[np.float64] = self.body.sum(axis=(1, 2)) * pixel
        return areas

    @cached_property
    def around(self) -> Mask:
        """The coarse copy's voxels well outside the body, without padding."""
        reach = np.ceil(2.0 * _COUCH_MM / self.coarse_spacing).astype(int)
        return ~(_grown(self.body, reach) | self.padding)

    def point(self, index: npt.ArrayLike, *, coarse: bool = True) -> Point:
        """Return the LPS point, mm, of an index (S, P, L)."""
        upright = np.asarray(index, dtype=np.float64) * (self.steps if coarse else 1)
        stored = np.empty(3)
        for axis, (source, sign) in enumerate(zip(self._order, self._signs, strict=True)):
            last = self.values.shape[axis] - 1
            stored[source] = upright[axis] if sign > 0 else last - upright[axis]
        x, y, z = self.image.TransformContinuousIndexToPhysicalPoint(stored[::-1].tolist())
        return float(x), float(y), float(z)

    def place(self, part: Mask) -> Place:
        """Return where a part of the coarse copy is: a mask (S, P, L) with at least one voxel."""
        return self.place_of(np.argwhere(part), coarse=True)

    def place_of(self, indices: npt.NDArray[np.int64], *, coarse: bool = False) -> Place:
        """Return where some voxels are.

        Args:
            indices: Their indices (S, P, L), at least one.
            coarse: Whether they count in the coarse copy.
        """
        step = self.coarse_spacing if coarse else self.spacing
        away = np.square((indices - indices.mean(axis=0)) * step).sum(axis=1)
        ends = (indices.min(axis=0) - 0.5, indices.max(axis=0) + 0.5)
        corners = np.array(
            [
                self.point([ends[bit][axis] for axis, bit in enumerate(bits)], coarse=coarse)
                for bits in np.ndindex(2, 2, 2)
            ]
        )
        (a, b, c), (d, e, f) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        return Place(self.point(indices[away.argmin()], coarse=coarse), ((a, b, c), (d, e, f)))

    @cached_property
    def _order(self) -> tuple[int, int, int]:
        """Which stored array axis (k, j, i) runs along S, P and L."""
        letters = geometry.orientation(self.image)[::-1]
        up, back, left = (
            next(axis for axis, letter in enumerate(letters) if letter in pair) for pair in _PAIRS
        )
        return up, back, left

    @cached_property
    def _signs(self) -> tuple[int, int, int]:
        letters = geometry.orientation(self.image)
        up, back, left = (1 if pair[0] in letters else -1 for pair in _PAIRS)
        return up, back, left


_PAIRS = ("SI", "PA", "LR")
_SURVEYS: WeakKeyDictionary[Context, Survey] = WeakKeyDictionary()


def survey(context: Context) -> Survey:
    """Return the survey of a context's scan; the same one for all rules."""
    if context not in _SURVEYS:
        _SURVEYS[context] = Survey(context.scan.image, context.scan.modality)
    return _SURVEYS[context]


def _otsu(values: npt.NDArray[np.float32]) -> float:
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(_OTSU_BINS)
    otsu.Execute(sitk.GetImageFromArray(values.reshape(1, 1, -1)))
    return float(otsu.GetThreshold())


def _grown(mask: Mask, reach: npt.NDArray[np.integer]) -> Mask:
    """Return a mask with all voxels within a block of ``reach`` voxels to each side."""
    # Unlike binary_dilation this is done axis by axis.
    grown: Mask = ndimage.maximum_filter(mask, 2 * reach + 1, mode="nearest")
    return grown


def _shrunk(mask: Mask, reach: npt.NDArray[np.integer]) -> Mask:
    shrunk: Mask = ndimage.minimum_filter(mask, 2 * reach + 1, mode="nearest")
    return shrunk
