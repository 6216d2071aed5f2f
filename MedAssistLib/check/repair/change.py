"""What a repair would change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from MedAssistLib.volumes import Mask


class Kind(StrEnum):
    """What a repair does."""

    ISLAND = "island"
    HOLE = "hole"
    GAP = "gap"
    COPY = "copy"
    SPIKE = "spike"
    MODEL = "model"
    WHOLE = "whole"


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """A structure in a block of voxels, as it is and as it would be. Axes (k, j, i).

    Attributes:
        kind: What is done.
        start: Index of the block's first voxel in the structure's label map; it may lie outside,
            because a scene crops what is drawn.
        before: Where the structure is.
        after: Where it would be.
    """

    kind: Kind
    start: tuple[int, int, int]
    before: Mask
    after: Mask

    @property
    def added(self) -> int:
        """How many voxels the structure gains."""
        return int(np.count_nonzero(self.after & ~self.before))

    @property
    def removed(self) -> int:
        """How many voxels the structure loses."""
        return int(np.count_nonzero(self.before & ~self.after))

    def same_as(self, other: Change | None) -> bool:
        """Tell whether another repair changes the same voxels in the same way."""
        return (
            other is not None
            and self.start == other.start
            and np.array_equal(self.before, other.before)
            and np.array_equal(self.after, other.after)
        )
