"""What parts frames of one place into volumes: echoes, b-values, kernels, time points and so on.

A key may part a series only if that explains why several frames lie in one place. Values that
merely change from slice to slice, as acquisition times do, would tear a volume apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from MedAssistLib.read.dicom.frames import Frame

Name = Callable[[Any, int, Sequence[Any]], str]

_SAME_ECHO_MS = 0.05
_COMPLEX = {"M": "magnitude", "P": "phase", "R": "real", "I": "imaginary"}


@dataclass(frozen=True)
class Key:
    """An attribute that may part frames.

    Attributes:
        name: Names a value, from it, its number from 1, and all values.
        value: Of a frame.
        tolerance: Numbers nearer to each other than this are one value.
    """

    name: Name
    value: Callable[[Frame], Any]
    tolerance: float = 0.0


@dataclass(frozen=True, eq=False)
class Parting:
    """Frames parted by a key.

    Attributes:
        names: Of the parts.
        parts: Frames in the order of the values.
        disputed: Whether another key parts them as cleanly, but otherwise.
    """

    names: tuple[str, ...]
    parts: tuple[tuple[Frame, ...], ...]
    disputed: bool = False


def parting_of(places: Sequence[Sequence[Frame]]) -> Parting | None:
    """Return the best parting of frames; ``None`` if no key explains what shares a place.

    Args:
        places: Frames by their place, the lowest first.
    """
    usable = [found for key in _KEYS if (found := _parted(places, key)) is not None]
    clean = [parting for parting, kind in usable if kind == _CLEAN]
    if clean:
        splits = {frozenset(frozenset(map(id, part)) for part in p.parts) for p in clean}
        return Parting(clean[0].names, clean[0].parts, disputed=len(splits) > 1)
    even = [parting for parting, kind in usable if kind == _EVEN]
    return next(iter([*even, *(parting for parting, _ in usable)]), None)


_CLEAN, _EVEN, _UNEVEN = range(3)


def _parted(places: Sequence[Sequence[Frame]], key: Key) -> tuple[Parting, int] | None:
    """Part frames by a key, and tell how well it does; ``None`` if it does not explain them."""
    values = _merged({key.value(frame) for place in places for frame in place}, key.tolerance)
    held = [[values[key.value(frame)] for frame in place] for place in places]
    if all(len(set(place)) == 1 for place in held):
        return None
    found: dict[Any, dict[int, list[Frame]]] = defaultdict(lambda: defaultdict(list))
    for number, place in enumerate(places):
        for frame, value in zip(place, held[number], strict=True):
            found[value][number].append(frame)
    holes = sum(max(part) - min(part) + 1 - len(part) for part in found.values())
    shared = sum(len(place) > 1 for place in places)
    most = max(len(place) for place in places)
    # Several runs of slices, of which each begins where the one before has not ended.
    runs = not holes and shared >= len(found) - 1 and min(len(part) for part in found.values()) > 1
    if holes > shared or not (len(found) <= most or runs):
        return None
    order = sorted(found, key=lambda value: (value is not None, value))
    parting = Parting(
        tuple(key.name(value, number, order) for number, value in enumerate(order, 1)),
        tuple(tuple(frame for place in found[v].values() for frame in place) for v in order),
    )
    if all(len(set(place)) == len(place) for place in held):
        return parting, _CLEAN
    return parting, _EVEN if len({frozenset(place) for place in held}) == 1 else _UNEVEN


def _merged(values: set[Any], tolerance: float) -> Mapping[Any, Any]:
    """Return for each value the one that stands for it."""
    stands = {value: value for value in values}
    if tolerance:
        for low, high in pairwise(sorted(value for value in values if value is not None)):
            if high - low < tolerance:
                stands[high] = stands[low]
    return stands


def _kind_name(value: tuple[str, ...], number: int, values: Sequence[tuple[str, ...]]) -> str:
    common = set.intersection(*(set(other) for other in values))
    words = [_COMPLEX.get(word, word.lower()) for word in value if word not in common]
    return " ".join(dict.fromkeys(words)) or f"type {number}"


def _numbered(word: str) -> Name:
    return lambda _value, number, _values: f"{word} {number}"


def _amount(shown: str, absent: str) -> Name:
    return lambda value, _number, _values: absent if value is None else shown.format(value)


def _kernel_name(value: tuple[str, ...], _number: int, _values: Sequence[Any]) -> str:
    return f"kernel {' '.join(value)}" if value else "no kernel"


_time_point = _numbered("time point")
_KEYS = (
    Key(_kind_name, lambda frame: frame.traits.kind),
    Key(_numbered("echo"), lambda frame: frame.traits.echo_ms, _SAME_ECHO_MS),
    Key(_amount("inversion {:g} ms", "no inversion"), lambda frame: frame.traits.inversion_ms),
    Key(_amount("flip angle {:g}°", "no flip angle"), lambda frame: frame.traits.flip),
    Key(_amount("b = {:g} s/mm²", "no b-value"), lambda frame: frame.traits.b_value),
    Key(_numbered("direction"), lambda frame: frame.traits.direction),
    Key(_kernel_name, lambda frame: frame.traits.kernel),
    Key(_amount("{:g} kV", "no voltage"), lambda frame: frame.traits.kilovolts),
    Key(_time_point, lambda frame: frame.traits.temporal),
    Key(_time_point, lambda frame: frame.traits.acquisition),
    Key(_time_point, lambda frame: frame.traits.trigger_ms),
    Key(_time_point, lambda frame: frame.traits.moment),
)
