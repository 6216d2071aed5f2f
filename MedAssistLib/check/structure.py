"""One structure of a segmentation as the rules see it: a cropped mask that knows where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Point, Segment
from MedAssistLib.check.rule import Place
from MedAssistLib.volumes import Mask

Voxels = tuple[slice, slice, slice]

MARGIN = 1
"""Voxels of background around a structure's mask, on every side."""

_TOUCHING = np.ones((3, 3, 3), dtype=bool)
_TIE = 1e-6
_SPECKLE_VOXELS = 2
_SPECKLE_MM3 = 5.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A structure that is there. Arrays have the axes (k, j, i).

    Attributes:
        segment: What it is.
        box: Where it lies in the label array, as slices (k, j, i) that just hold it.
        mask: Its voxels within that box with a margin of one voxel of background on every side,
            also where the box ends at the border of the image.
        grid: The label image that it was cut out of.
        grain: Voxels along (k, j, i) that one voxel of the drawing is long; more than 1 where
            the labels were drawn on a coarser grid.
    """

    segment: Segment
    box: Voxels
    mask: Mask
    grid: sitk.Image
    grain: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.segment.name

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of voxels along (k, j, i), mm."""
        i, j, k = self.grid.GetSpacing()
        return k, j, i

    @cached_property
    def voxels(self) -> int:
        """Number of its voxels."""
        return int(np.count_nonzero(self.mask))

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel, mm³."""
        return geometry.voxel_volume(self.grid)

    @property
    def volume(self) -> float:
        """Its volume, mm³."""
        return self.voxels * self.voxel_volume

    @property
    def offset(self) -> npt.NDArray[np.int64]:
        """Index (k, j, i) in the image of the mask's first voxel; may be -1."""
        return np.array([part.start - MARGIN for part in self.box], dtype=np.int64)

    @property
    def speckle(self) -> float:
        """Volume, mm³, up to which a part says more about the drawing than about the person.

        Two voxels of the drawing, or 5 mm³ where they are smaller: what correct labels show by
        themselves.
        """
        return max(_SPECKLE_VOXELS * self.voxel_volume * float(np.prod(self.grain)), _SPECKLE_MM3)

    @cached_property
    def borders(self) -> tuple[tuple[bool, bool], ...]:
        """Whether it reaches the first and the last voxel of the image along (k, j, i)."""
        size = self.grid.GetSize()[::-1]
        return tuple(
            (part.start == 0, part.stop == count)
            for part, count in zip(self.box, size, strict=True)
        )

    @property
    def cut(self) -> bool:
        """Whether it reaches the border of the image, so that some of it may lie beyond."""
        return any(any(ends) for ends in self.borders)

    @cached_property
    def parts(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Its connected parts: their number (from 1) at each voxel of the mask, and their sizes.

        Voxels that touch at a corner belong together. ``sizes[n - 1]`` is the number of voxels of
        part ``n``.
        """
        labelled, _ = ndimage.label(self.mask, _TOUCHING, output=np.int32)
        return labelled, np.bincount(labelled.ravel())[1:].astype(np.int64)

    @cached_property
    def centroid(self) -> Point:
        """Mean position of its voxels, LPS mm."""
        return self.point(np.argwhere(self.mask).mean(axis=0))

    def point(self, index: npt.ArrayLike) -> Point:
        """Return the LPS point, mm, of an index (k, j, i) into the mask; it may lie between."""
        i, j, k = (np.asarray(index, dtype=np.float64) + self.offset)[::-1]
        x, y, z = self.grid.TransformContinuousIndexToPhysicalPoint((i, j, k))
        return float(x), float(y), float(z)

    def place(self, part: Mask, start: npt.ArrayLike = (0, 0, 0)) -> Place:
        """Return where a part of the mask is.

        The point is the part's voxel nearest to its centre, so that it lies on the part; it does
        not depend on how the axes are stored.

        Args:
            part: Array (k, j, i) with at least one voxel: the whole mask's shape or a block of it.
            start: Index (k, j, i) into the mask of the block's first voxel.
        """
        indices = np.argwhere(part) + np.asarray(start)
        away = np.square((indices - indices.mean(axis=0)) * self.spacing).sum(axis=1)
        nearest = indices[away <= away.min() + _TIE]
        # Of several voxels as near, the one that LPS coordinates put first.
        point = min(self.point(index) for index in nearest)
        return Place(point, self.box_of(indices.min(axis=0), indices.max(axis=0) + 1))

    def places(self, labelled: npt.NDArray[np.int32]) -> list[Place]:
        """Return where each part of a labelled array of the mask's shape is, from part 1 on."""
        boxes = ndimage.find_objects(labelled)
        return [
            self.place(labelled[box] == number, [part.start for part in box])
            for number, box in enumerate(boxes, 1)
        ]

    def box_of(self, start: npt.ArrayLike, stop: npt.ArrayLike) -> tuple[Point, Point]:
        """Return the LPS box, mm, of the mask's voxels from ``start`` up to ``stop`` (k, j, i)."""
        first = np.asarray(start) + self.offset
        size = np.asarray(stop) - np.asarray(start)
        return geometry.box_lps(self.grid, first[::-1], size[::-1])

    @cached_property
    def whole(self) -> Place:
        """Where it is: its centroid and its box."""
        shape = np.array(self.mask.shape)
        return Place(self.centroid, self.box_of((MARGIN,) * 3, shape - MARGIN))

    def crop(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what of an image's array (k, j, i) lies in :attr:`box`; a view."""
        return array[self.box]

    @cached_property
    def window(self) -> tuple[Voxels, Voxels]:
        """What of the mask with its margin lies in the image: slices of the mask, of the image."""
        size = self.grid.GetSize()[::-1]
        starts = [max(part.start - MARGIN, 0) for part in self.box]
        stops = [min(part.stop + MARGIN, n) for part, n in zip(self.box, size, strict=True)]
        k, j, i = (slice(start, stop) for start, stop in zip(starts, stops, strict=True))
        first = self.offset
        c, b, a = (slice(o.start - n, o.stop - n) for o, n in zip((k, j, i), first, strict=True))
        return (c, b, a), (k, j, i)

    @property
    def inside(self) -> Mask:
        """The mask without its margin: the shape of :attr:`box`."""
        return self.mask[MARGIN:-MARGIN, MARGIN:-MARGIN, MARGIN:-MARGIN]
