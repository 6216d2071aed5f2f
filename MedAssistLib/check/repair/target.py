"""What a repair is made of: the structure, the finding's place, and what is around it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from MedAssistLib.check.repair.change import Change, Kind
from MedAssistLib.check.repair.labels import Indices, Labels
from MedAssistLib.check.rule import Place
from MedAssistLib.volumes import Mask

# A box says where voxels end; rounded files may say it a little off.
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """A finding and the labels that it is about. Arrays and indices have the axes (k, j, i).

    Attributes:
        drawn: The finding's structure in its label map.
        place: Where the finding is, LPS mm.
        others: Further label maps of the same drawing.
        model: The structure as a second reader drew it; ``None`` without one.
    """

    drawn: Labels
    place: Place
    others: tuple[Labels, ...] = ()
    model: Labels | None = None

    @cached_property
    def point(self) -> Indices:
        """Index of the voxel at the finding's point."""
        found: Indices = self.drawn.indices([self.place.point])[0]
        return found

    @cached_property
    def box(self) -> tuple[Indices, Indices]:
        """First index of the block that holds the finding's box, and the one behind its last."""
        corners = np.array(list(itertools.product(*zip(*self.place.box, strict=True))))
        indices = self.drawn.indices(corners)
        return indices.min(axis=0), indices.max(axis=0) + 1

    def in_box(self, start: Indices, shape: tuple[int, ...]) -> Mask:
        """Tell which voxels of a block have their centre in the finding's box."""
        found = np.ones(shape, dtype=bool)
        places = self.drawn.coordinates(start, shape)
        for place, low, high in zip(places, *self.place.box, strict=True):
            found &= (place > low - _TOLERANCE) & (place < high + _TOLERANCE)
        return found

    def change(self, kind: Kind, start: Indices, before: Mask, after: Mask) -> Change:
        """Return a repair that takes no voxel from another structure.

        Args:
            kind: What is done.
            start: Index of the block's first voxel.
            before: Where in the block the structure is.
            after: Where it ought to be.
        """
        k, j, i = (int(n) for n in start)
        allowed = after & (before | self._free(start, after & ~before))
        return Change(kind=kind, start=(k, j, i), before=before, after=allowed)

    def _free(self, start: Indices, wanted: Mask) -> Mask:
        """Tell which voxels of a block that are wanted no structure has."""
        free: Mask = wanted & (self.drawn.block(start, start + wanted.shape) == 0)
        indices = np.argwhere(free)
        if len(indices):
            points = self.drawn.points(indices + start)
            for other in self.others:
                taken = indices[other.there(points)]
                free[tuple(taken.T)] = False
        return free


Maker = Callable[[Target], Change | None]
