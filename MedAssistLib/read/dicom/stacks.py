"""Telling apart the stacks that one series may hold: echoes, b-values, time points, directions.

Frames are split only where several lie in one place: slices that merely differ, as in echo time
or acquisition number, stay one stack.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.read.dicom.frames import Frame
from MedAssistLib.read.dicom.geometry import SAME_PLACE_MM, along_normal
from MedAssistLib.read.dicom.oddities import duplicates_finding

_BLOCK_GAP = 10
_BESIDE_MM = 1.0
_COMPLEX = {"M": "magnitude", "P": "phase", "R": "real", "I": "imaginary"}


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
    ordered = sorted(frames, key=_moment)
    places = _places(ordered)
    copies = _exact_copies(places)
    if copies:
        ordered = [frame for frame in ordered if id(frame) not in copies]
        places = _places(ordered)
    stacks = [block for stack in _apart(ordered, places) for block in _blocks(stack)]
    if not copies:
        return stacks
    found = duplicates_finding([frame for frame in frames if id(frame) in copies])
    return [replace(stack, findings=(*stack.findings, found)) for stack in stacks]


def _places(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Group frames by their place along the normal, the lowest first, keeping their order."""
    along = along_normal(frames)
    order = np.argsort(along, kind="stable")
    starts = np.flatnonzero(np.diff(along[order], prepend=-np.inf) > SAME_PLACE_MM)
    return [[frames[n] for n in sorted(part)] for part in np.split(order, starts[1:])]


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


def _apart(frames: Sequence[Frame], places: list[list[Frame]], label: str = "") -> list[Stack]:
    """Split by whatever differs between frames in one place, until none is shared."""
    if max(len(place) for place in places) == 1:
        return [Stack(tuple(place[0] for place in places), label)]
    if _side_by_side(places):
        return _by_value(frames, _position_name, _offset, label)
    for name, key in _KEYS:
        if _differs_within(places, key):
            return _by_value(frames, name, key, label)
    shared = Counter(len(place) for place in places)
    if shared[1] * 2 > len(places):
        return [_without_duplicates(places, label)]
    return _by_rank(places, label)


def _side_by_side(places: Iterable[Sequence[Frame]]) -> bool:
    """Tell whether frames of one plane lie beside each other rather than on each other."""
    for place in places:
        offsets = np.array([[f.position @ f.row, f.position @ f.column] for f in place])
        if np.ptp(offsets, axis=0).max() > _BESIDE_MM:
            return True
    return False


def _differs_within(places: Iterable[Sequence[Frame]], key: Callable[[Frame], Hashable]) -> bool:
    return any(len({key(frame) for frame in place}) > 1 for place in places)


def _by_value(
    frames: Sequence[Frame], name: Callable[[Any, int, Any], str], key: Any, label: str
) -> list[Stack]:
    parts: dict[Any, list[Frame]] = defaultdict(list)
    for frame in frames:
        parts[key(frame)].append(frame)
    values = sorted(parts, key=lambda value: (value is not None, value))
    found = []
    for number, value in enumerate(values, 1):
        part = parts[value]
        joined = ", ".join(word for word in (label, name(value, number, values)) if word)
        found += _apart(part, _places(part), joined)
    return found


def _by_rank(places: list[list[Frame]], label: str) -> list[Stack]:
    """Take the first of each place, then the second and so on, in the order of time."""
    most = max(len(place) for place in places)
    return [
        Stack(
            tuple(place[rank] for place in places if rank < len(place)),
            ", ".join(word for word in (label, f"time point {rank + 1}") if word),
        )
        for rank in range(most)
    ]


def _without_duplicates(places: list[list[Frame]], label: str) -> Stack:
    kept = tuple(place[0] for place in places)
    dropped = [frame for place in places for frame in place[1:]]
    return Stack(kept, label, (duplicates_finding(dropped),))


def _blocks(stack: Stack) -> list[Stack]:
    """Cut a stack at gaps so wide that nothing can be interpolated across them."""
    if len(stack.frames) < 3:
        return [stack]
    steps = np.diff(along_normal(stack.frames))
    cuts = np.flatnonzero(steps > _BLOCK_GAP * np.median(steps)) + 1
    if not len(cuts):
        return [stack]
    edges = [0, *(int(cut) for cut in cuts), len(stack.frames)]
    findings = (*stack.findings, _gap_finding(float(steps.max())))
    return [
        Stack(
            stack.frames[start:stop],
            ", ".join(word for word in (stack.split, f"block {number}") if word),
            findings,
        )
        for number, (start, stop) in enumerate(pairwise(edges), 1)
    ]


def _gap_finding(widest: float) -> Finding:
    return Finding(
        rule="scan.gap",
        severity=Severity.REVIEW,
        title=f"The series has a gap of {widest:.1f} mm; the parts are volumes of their own.",
        explanation="Nothing can be interpolated across so wide a gap. Slices may be missing.",
        evidence=(Evidence(quantity="gap", measured=widest, expected="0", unit="mm"),),
    )


def _moment(frame: Frame) -> tuple[Any, ...]:
    """Return what orders frames in time; what the file does not say sorts first."""
    traits = frame.traits
    numbers = (traits.temporal, traits.acquisition, traits.trigger_ms)
    known = tuple(-1.0 if number is None else number for number in numbers)
    return (*known, traits.moment, traits.instance, str(frame.header.path))


def _offset(frame: Frame) -> tuple[int, int]:
    """Return where a frame lies within its plane, in whole millimetres."""
    return round(float(frame.position @ frame.row)), round(float(frame.position @ frame.column))


def _position_name(_value: tuple[int, int], number: int, _values: Sequence[Any]) -> str:
    return f"position {number}"


def _kind_name(value: tuple[str, ...], number: int, values: Sequence[tuple[str, ...]]) -> str:
    common = set.intersection(*(set(other) for other in values))
    words = [_COMPLEX.get(word, word.lower()) for word in value if word not in common]
    return " ".join(dict.fromkeys(words)) or f"type {number}"


def _b_value_name(value: float | None) -> str:
    return "no b-value" if value is None else f"b = {value:g} s/mm²"


_KEYS: tuple[tuple[Callable[[Any, int, Any], str], Callable[[Frame], Any]], ...] = (
    (_kind_name, lambda frame: frame.traits.kind),
    (lambda _value, number, _values: f"echo {number}", lambda frame: frame.traits.echo_ms),
    (lambda v, _number, _values: f"inversion {v or 0:g} ms", lambda f: f.traits.inversion_ms),
    (lambda value, _number, _values: _b_value_name(value), lambda frame: frame.traits.b_value),
    (lambda _value, number, _values: f"direction {number}", lambda f: f.traits.direction),
    (lambda _value, number, _values: f"time point {number}", lambda f: f.traits.temporal),
)
