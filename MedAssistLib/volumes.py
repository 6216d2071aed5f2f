"""Operations on label arrays, axes (k, j, i), that several verbs need."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]

_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def largest_component(mask: Mask) -> Mask:
    """Return the largest part of a mask; voxels that touch at a corner belong together."""
    parts, count = ndimage.label(mask, _TOUCHING)
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept: Mask = parts == sizes.argmax()
    return kept


def without_small_parts(mask: Mask, voxels: float) -> Mask:
    """Return a mask without the parts of fewer voxels; those that touch at a corner are one."""
    parts, _ = ndimage.label(mask, _TOUCHING)
    large = np.bincount(parts.ravel()) >= voxels
    large[0] = False
    kept: Mask = large[parts]
    return kept


def fill_holes(mask: Mask) -> Mask:
    """Return a mask with every part of the background filled that faces no side of the array."""
    box = ndimage.find_objects(mask.astype(np.uint8))
    if not box or box[0] is None:
        return mask
    # A rim of background joins all that is open to the outside of the mask's box.
    inner = np.pad(mask[box[0]], 1)
    parts, _ = ndimage.label(~inner)
    filled = mask.copy()
    filled[box[0]] = (parts != parts[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return filled
