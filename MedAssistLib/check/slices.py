"""A structure seen slice by slice across one of its axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from MedAssistLib.check.rule import Place
from MedAssistLib.check.structure import Structure
from MedAssistLib.volumes import Mask

Numbers = npt.NDArray[np.float64]

FEWEST_SHARED = 8
"""A smaller common area of the slices on both sides of a gap, in voxels, says little."""
WIDEST_GAP = 3
"""So many slices may be missing in the middle of a structure for both sides to be one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slices:
    """A structure's mask as a stack of slices.

    Attributes:
        structure: The structure.
        axis: Which of the axes (k, j, i) runs across the slices.
    """

    structure: Structure
    axis: int

    @cached_property
    def masks(self) -> Mask:
        """The slices: shape (slices, rows, columns); the first and the last one are empty."""
        return np.moveaxis(self.structure.mask, self.axis, 0)

    @cached_property
    def areas(self) -> Numbers:
        """Number of voxels in each slice."""
        return count(self.masks)

    @property
    def grain(self) -> float:
        """How many slices in a row repeat one drawing, on average."""
        return self.structure.grain[self.axis]

    @property
    def grain_within(self) -> float:
        """How many voxels within a slice one voxel of the drawing is wide."""
        within = [grain for n, grain in enumerate(self.structure.grain) if n != self.axis]
        return float(np.sqrt(np.prod(within)))

    @property
    def thickness(self) -> float:
        """Distance of the slices, mm."""
        return self.structure.spacing[self.axis]

    @property
    def width(self) -> float:
        """Distance of voxels within a slice, mm; the geometric mean of both ways."""
        within = [step for n, step in enumerate(self.structure.spacing) if n != self.axis]
        return float(np.sqrt(np.prod(within)))

    def place(self, part: Mask, first: int) -> Place:
        """Return where a part is: shape (m, rows, columns), from slice ``first`` on."""
        start = [first if n == self.axis else 0 for n in range(3)]
        return self.structure.place(np.moveaxis(part, 0, self.axis), start)


def across_all_axes(structure: Structure) -> Iterator[Slices]:
    """Yield a structure's slices across k, j and i."""
    for axis in range(3):
        yield Slices(structure=structure, axis=axis)


def count(masks: Mask) -> Numbers:
    """Return the number of voxels in each slice of a stack."""
    areas: Numbers = np.count_nonzero(masks, axis=(1, 2)).astype(np.float64)
    return areas


def rim(areas: Numbers) -> Numbers:
    """Return how many voxels go round discs of some areas, at least one."""
    rims: Numbers = np.maximum(2.0 * np.sqrt(np.pi * areas), 1.0)
    return rims
