"""Repairs of parts that hang apart: an island goes, a hole is filled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.check.repair.change import Change, Kind
from MedAssistLib.check.repair.target import Target
from MedAssistLib.volumes import Mask

_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def remove_island(target: Target) -> Change | None:
    """Take away the part of the structure at the point, if nothing joins it to the rest."""
    start, stop = target.box[0] - 1, target.box[1] + 1
    before = target.drawn.mask(start, stop)
    part = _part_at(before, target.point - start, _TOUCHING)
    if part is None:
        return None
    return target.change(Kind.ISLAND, start, before, before & ~part)


def fill_hole(target: Target) -> Change | None:
    """Give the structure what it encloses at the point and no other structure has."""
    start, stop = target.box[0] - 1, target.box[1] + 1
    before = target.drawn.mask(start, stop)
    part = _part_at(~before, target.point - start, ndimage.generate_binary_structure(3, 1))
    if part is None:
        return None
    return target.change(Kind.HOLE, start, before, before | part)


def _part_at(mask: Mask, point: npt.NDArray[np.int64], touching: Mask) -> Mask | None:
    """Return the connected part of a mask at an index; ``None`` if it reaches a side or is none."""
    if (point < 0).any() or (point >= mask.shape).any() or not mask[tuple(point)]:
        return None
    parts, _ = ndimage.label(mask, touching)
    part: Mask = parts == parts[tuple(point)]
    inner = part[1:-1, 1:-1, 1:-1]
    return part if np.count_nonzero(inner) == np.count_nonzero(part) else None
