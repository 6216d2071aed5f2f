"""Repairs of slices: missing and copied ones are drawn between their neighbours, spikes trimmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from MedAssistLib.check.repair.between import between
from MedAssistLib.check.repair.change import Change, Kind
from MedAssistLib.check.repair.labels import Indices
from MedAssistLib.check.repair.target import Target
from MedAssistLib.volumes import Mask

_WIDEST_GAP = 3
_MOST_COPIES = 20
_TOUCHING = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stack:
    """The structure's slices around the finding's point, across one axis.

    Attributes:
        masks: Where the structure is, shape (slices, rows, columns).
        at: Number of the slice with the point.
        spot: Row and column of the point.
        spacing: Distance of rows and of columns, mm.
    """

    masks: Mask
    at: int
    spot: tuple[int, int]
    spacing: tuple[float, float]


_Redraw = Callable[[_Stack], Mask | None]


def draw_missing(target: Target) -> Change | None:
    """Draw the slices at the point that both sides have and that are empty there."""
    return _largest(target, _WIDEST_GAP, _with_missing, Kind.GAP)


def redraw_copies(target: Target) -> Change | None:
    """Draw the equal slices at the point anew, but for the original among them."""
    return _largest(target, _MOST_COPIES, _without_copies, Kind.COPY)


def trim_spike(target: Target) -> Change | None:
    """Take from the slice at the point what neither neighbour shows."""
    return _largest(target, 1, _without_spike, Kind.SPIKE)


def _with_missing(stack: _Stack) -> Mask | None:
    masks, at = stack.masks, stack.at
    through = masks[:, *stack.spot]
    below, above = np.flatnonzero(through[:at]), np.flatnonzero(through[at:])
    if through[at] or not below.size or not above.size:
        return None
    first, last = int(below[-1]), at + int(above[0])
    count = last - first - 1
    if count > _WIDEST_GAP:
        return None
    lost = masks[first] & masks[last] & ~masks[first + 1 : last].any(axis=0)
    parts, _ = ndimage.label(masks[first] | masks[last], _TOUCHING)
    kept = np.isin(parts, np.unique(parts[lost]))
    drawn = masks.copy()
    drawn[first + 1 : last] |= between(
        masks[first] & kept, masks[last] & kept, count, stack.spacing
    )
    return drawn


def _without_copies(stack: _Stack) -> Mask | None:
    masks, at = stack.masks, stack.at
    equal = (masks == masks[at]).all(axis=(1, 2))
    different = np.flatnonzero(~equal)
    below, above = different[different < at], different[different > at]
    if not below.size or not above.size or not masks[at].any():
        return None
    first, last = int(below[-1]), int(above[0])
    if last - first < 3 or not (masks[first].any() and masks[last].any()):
        return None
    # The original fits its neighbour; the last copy is as many slices off as there are copies.
    if _apart(masks[first], masks[at]) <= _apart(masks[last], masks[at]):
        first += 1
    else:
        last -= 1
    drawn = masks.copy()
    drawn[first + 1 : last] = between(masks[first], masks[last], last - first - 1, stack.spacing)
    return drawn


def _without_spike(stack: _Stack) -> Mask | None:
    masks, at = stack.masks, stack.at
    beside = masks[at - 1] | masks[at + 1]
    kept = masks[at] & beside
    if not masks[at][stack.spot] or beside[stack.spot] or not kept.any():
        return None
    drawn = masks.copy()
    drawn[at] = kept
    return drawn


def _apart(first: Mask, second: Mask) -> int:
    return int(np.count_nonzero(first ^ second))


def _largest(target: Target, reach: int, redraw: _Redraw, kind: Kind) -> Change | None:
    """Return the repair across that axis along which most changes; ``None`` if there is none."""
    changes = _across_all_axes(target, reach, redraw, kind)
    return max(changes, key=lambda change: change.added + change.removed, default=None)


def _across_all_axes(target: Target, reach: int, redraw: _Redraw, kind: Kind) -> Iterator[Change]:
    for axis in range(3):
        start, before = _around(target, axis, reach)
        spot = target.point - start
        if (spot < 0).any() or (spot >= before.shape).any():
            continue
        row, column = (int(n) for n in np.delete(spot, axis))
        down, across = (step for n, step in enumerate(target.drawn.spacing) if n != axis)
        stack = _Stack(
            masks=np.moveaxis(before, axis, 0),
            at=int(spot[axis]),
            spot=(row, column),
            spacing=(down, across),
        )
        drawn = redraw(stack)
        if drawn is not None:
            yield target.change(kind, start, before, np.moveaxis(drawn, 0, axis))


def _around(target: Target, axis: int, reach: int) -> tuple[Indices, Mask]:
    """Return the slices within ``reach`` of the point, as far as the structure goes in them."""
    start, stop = np.zeros(3, dtype=np.int64), np.array(target.drawn.values.shape)
    start[axis], stop[axis] = target.point[axis] - reach, target.point[axis] + reach + 1
    mask = target.drawn.mask(start, stop)
    for other in (n for n in range(3) if n != axis):
        used = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != other)))
        if used.size:
            low, high = int(used[0]), int(used[-1]) + 1
            mask = mask.take(range(low, high), axis=other)
            start[other] += low
    return start, mask
