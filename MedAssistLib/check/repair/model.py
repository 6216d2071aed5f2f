"""Repairs by the second reader: its drawing takes the place of the structure's."""

from __future__ import annotations

import numpy as np

from MedAssistLib.check.repair.change import Change, Kind
from MedAssistLib.check.repair.labels import Indices, Labels
from MedAssistLib.check.repair.target import Target
from MedAssistLib.volumes import Mask

_SAME = 1e-3


def take_model(target: Target) -> Change | None:
    """Draw the structure within the box as the model did; outside it stays as it is."""
    if target.model is None or not _as_fine(target.drawn, target.model):
        return None
    start, stop = target.box
    before = target.drawn.mask(start, stop)
    inside = target.in_box(start, before.shape)
    seen = _drawn(_voxels(target, target.model), start, before.shape)
    return target.change(Kind.MODEL, start, before, np.where(inside, seen, before))


def take_all_of_model(target: Target) -> Change | None:
    """Draw the whole structure as the model did."""
    if target.model is None or not _as_fine(target.drawn, target.model):
        return None
    theirs = _voxels(target, target.model)
    both = np.concatenate([theirs, np.argwhere(target.drawn.values == target.drawn.label)])
    if not len(theirs):
        return None
    start, stop = both.min(axis=0), both.max(axis=0) + 1
    before = target.drawn.mask(start, stop)
    return target.change(Kind.WHOLE, start, before, _drawn(theirs, start, before.shape))


def _as_fine(drawn: Labels, model: Labels) -> bool:
    """Tell whether both have voxels of one size, so that each is one of the other's."""
    return bool(np.allclose(sorted(drawn.spacing), sorted(model.spacing), rtol=_SAME))


def _voxels(target: Target, model: Labels) -> Indices:
    """Return the indices (k, j, i) of the model's voxels in the drawing."""
    return target.drawn.indices(model.points(np.argwhere(model.values == model.label)))


def _drawn(indices: Indices, start: Indices, shape: tuple[int, ...]) -> Mask:
    """Return which voxels of a block are among some."""
    within = indices - start
    within = within[((within >= 0) & (within < shape)).all(axis=1)]
    found = np.zeros(shape, dtype=bool)
    found[tuple(within.T)] = True
    return found
