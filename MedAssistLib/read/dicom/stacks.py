"""Telling apart the stacks that one series may hold: echoes, b-values, time points, directions.

Frames are split only where several lie in one place: slices that merely differ, as in echo time
or acquisition number, stay one stack.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Finding
from MedAssistLib.read.dicom.doubts import (
    copies_finding,
    disputed_finding,
    duplicates_finding,
    gap_finding,
    ranks_finding,
)
from MedAssistLib.read.dicom.frames import Frame, moment
from MedAssistLib.read.dicom.geometry import SAME_PLACE_MM, along_normal
from MedAssistLib.read.dicom.parting import Parting, parting_of

_BLOCK_GAP = 10
_BESIDE_MM = 1.0
_PAIR_SHARE = 0.1
_SAME_PLACE_SHARE = 0.01
_SAME_PLACE_MOST_MM = 0.02


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices that make one volume, ordered along their normal, one in each place.

    Attributes:
        frames: The slices.
        split: What tells it from the others of its series; empty if it is alone.
        findings: What was odd in making it.
    """

    frames: tuple[Frame, ...]
    split: str = ""
    findings: tuple[Finding, ...] = ()


def stacks_of(frames: Sequence[Frame]) -> list[Stack]:
    """Split frames of one series, all turned alike and of one size, into stacks.

    Args:
        frames: In any order.
    """
    ordered = sorted(frames, key=moment)
    places = _places(ordered)
    copies = _exact_copies(places)
    if copies:
        ordered = [frame for frame in ordered if id(frame) not in copies]
        places = _places(ordered)
    stacks = [block for stack in _apart(places, Stack(())) for block in _blocks(stack)]
    if not copies:
        return stacks
    found = copies_finding([frame for frame in frames if id(frame) in copies])
    return [replace(stack, findings=(*stack.findings, found)) for stack in stacks]


def _places(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Group frames by their place along the normal, the lowest first, keeping their order."""
    along = along_normal(frames)
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order], prepend=-np.inf)
    for tolerance in (_usual_step(steps[1:]) * _SAME_PLACE_SHARE, 0.0):
        starts = np.flatnonzero(steps > min(max(tolerance, SAME_PLACE_MM), _SAME_PLACE_MOST_MM))
        parts = np.split(order, starts[1:])
        # Many small steps in a row are thin slices, not one place.
        if all(np.ptp(along[part]) <= _SAME_PLACE_MOST_MM for part in parts):
            break
    return [[frames[n] for n in sorted(part)] for part in parts]


def _usual_step(steps: npt.NDArray[np.float64]) -> float:
    """Return the step that covers the middle of the way, however many tiny ones there are."""
    if not len(steps):
        return 0.0
    ordered = np.sort(steps)
    way = np.cumsum(ordered)
    return float(ordered[np.searchsorted(way, way[-1] / 2.0)])


def _exact_copies(places: Iterable[Sequence[Frame]]) -> set[int]:
    """Return the identities of frames that are second copies: same instance, same place."""
    copies = set()
    for place in places:
        seen = set()
        for frame in place:
            key = (frame.header.text("SOPInstanceUID"), frame.index)
            if key[0] and key in seen:
                copies.add(id(frame))
            seen.add(key)
    return copies


def _apart(places: list[list[Frame]], so_far: Stack) -> list[Stack]:
    """Split by whatever differs between frames in one place, until none is shared.

    Args:
        places: Frames by their place.
        so_far: How these were told from others, and what was odd in that.
    """
    if max(len(place) for place in places) == 1:
        return [replace(so_far, frames=tuple(place[0] for place in places))]
    parting = _side_by_side(places) or parting_of(places)
    if parting is not None:
        doubt = (disputed_finding(),) if parting.disputed else ()
        return [
            stack
            for name, part in zip(parting.names, parting.parts, strict=True)
            for stack in _apart(_places(sorted(part, key=moment)), _named(so_far, name, *doubt))
        ]
    shared = Counter(len(place) for place in places)
    if shared[1] * 2 > len(places):
        return [_without_duplicates(places, so_far)]
    return _by_rank(places, so_far)


def _named(stack: Stack, name: str, *findings: Finding) -> Stack:
    split = ", ".join(word for word in (stack.split, name) if word)
    return replace(stack, split=split, findings=(*stack.findings, *findings))


def _side_by_side(places: Sequence[Sequence[Frame]]) -> Parting | None:
    """Part frames of one plane that lie beside each other rather than on each other."""
    frames = [frame for place in places for frame in place]
    ends = np.cumsum([len(place) for place in places])[:-1]
    axes = []
    for axis in ("row", "column"):
        direction = getattr(frames[0], axis)
        offsets = np.array([frame.position @ direction for frame in frames])
        apart = np.concatenate([np.diff(np.sort(part)) for part in np.split(offsets, ends)])
        apart = apart[apart > _BESIDE_MM]
        # Tilted stacks move sideways from place to place, but less than they lie apart.
        limit = float(apart.min()) / 2.0 if len(apart) else np.inf
        order = np.argsort(offsets, kind="stable")
        cluster = np.empty(len(frames), dtype=np.int64)
        cluster[order] = np.cumsum(np.diff(offsets[order], prepend=offsets[order[0]]) > limit)
        axes.append(cluster)
    found: dict[tuple[int, int], list[Frame]] = defaultdict(list)
    for frame, row, column in zip(frames, *axes, strict=True):
        found[int(row), int(column)].append(frame)
    if len(found) == 1:
        return None
    names = tuple(f"position {number}" for number in range(1, len(found) + 1))
    return Parting(names, tuple(tuple(found[key]) for key in sorted(found)))


def _by_rank(places: list[list[Frame]], so_far: Stack) -> list[Stack]:
    """Take the first of each place, then the second and so on, in the order of time."""
    counts = {len(place) for place in places}
    doubt = () if len(counts) == 1 and _ranks_are_runs(places) else (ranks_finding(counts),)
    return [
        replace(
            _named(so_far, f"time point {rank + 1}", *doubt),
            frames=tuple(place[rank] for place in places if rank < len(place)),
        )
        for rank in range(max(counts))
    ]


def _ranks_are_runs(places: Sequence[Sequence[Frame]]) -> bool:
    """Tell whether time orders each place, or else each rank was numbered before the next."""
    if all(len({moment(f)[:-2] for f in place}) == len(place) for place in places):
        return True
    ranks = [[frame.traits.instance for frame in rank] for rank in zip(*places, strict=True)]
    return all(max(low) < min(high) for low, high in pairwise(ranks))


def _without_duplicates(places: list[list[Frame]], so_far: Stack) -> Stack:
    """Keep one frame of each place, of the kind that most have, and of these the first."""
    kinds = Counter(frame.traits.kind for place in places for frame in place)
    ranked = [sorted(place, key=lambda f: -kinds[f.traits.kind]) for place in places]
    found = duplicates_finding([place for place in ranked if len(place) > 1])
    return replace(
        so_far,
        frames=tuple(place[0] for place in ranked),
        findings=(*so_far.findings, found),
    )


def _blocks(stack: Stack) -> list[Stack]:
    """Cut a stack at gaps so wide that nothing can be interpolated across them."""
    if len(stack.frames) < 3:
        return [stack]
    steps = np.diff(along_normal(stack.frames))
    # Slices nearer than a fraction of a pixel are pairs, and their distance no usual step.
    real = np.sort(steps[steps > _PAIR_SHARE * min(stack.frames[0].spacing)])
    # Of two steps the smaller is the usual one.
    usual = real[(len(real) - 1) // 2] if len(real) else np.inf
    cuts = np.flatnonzero(steps > _BLOCK_GAP * usual) + 1
    if not len(cuts):
        return [stack]
    edges = [0, *(int(cut) for cut in cuts), len(stack.frames)]
    found = gap_finding(float(steps.max()))
    return [
        replace(_named(stack, f"block {number}", found), frames=stack.frames[start:stop])
        for number, (start, stop) in enumerate(pairwise(edges), 1)
    ]
