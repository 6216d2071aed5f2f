"""What is known of a body: what is paired, what follows what from head to foot, what lies right.

Structures are known by their codes, and where they have none, by the words of their names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from enum import StrEnum
from typing import NamedTuple

from MedAssistLib.case import TISSUE, Segment
from MedAssistLib.check.structure import Structure

_SIDE_CODES = {"7771000": "left", "24028007": "right"}
_SIDE_WORDS = {"left": "left", "right": "right", "l": "left", "r": "right"}
_SHORT = frozenset({"l", "r"})
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
)  # fmt: skip
_VERTEBRA = re.compile(r"\b([ctls])(\d{1,2})\b")
# How many vertebrae lie above the first of each part of the spine, and how many the part has.
_SPINE = {"c": (0, 7), "t": (7, 12), "l": (19, 5), "s": (24, 1)}
_LOBES = ("upper", "middle", "lower")

# What lies farther to the right in a body → what lies farther to its left (SCT). Grant's Atlas of
# Anatomy; all of it is the other way round in situs inversus (about 1 in 10,000 people).
RIGHT_OF = (
    ("10200004", "78961009"),  # liver, spleen
    ("10200004", "69695003"),  # liver, stomach
    ("28231008", "69695003"),  # gallbladder, stomach
    ("28231008", "78961009"),  # gallbladder, spleen
    ("64131007", "15825003"),  # inferior vena cava, aorta
)


class Pair(NamedTuple):
    """Two structures of which one lies to the left of the other."""

    left: Structure
    right: Structure


class Kind(StrEnum):
    """What follows each other from head to foot."""

    VERTEBRA = "vertebra"
    RIB = "rib"
    LOBE = "lobe"


class Level(NamedTuple):
    """A structure's place in a row from head to foot."""

    rank: int
    structure: Structure


def side(segment: Segment) -> str:
    """Return ``"left"``, ``"right"`` or nothing, by the modifier's code, else by the name."""
    if segment.modifier is not None and segment.modifier.value in _SIDE_CODES:
        return _SIDE_CODES[segment.modifier.value]
    sides = {_SIDE_WORDS[word] for word in _words(segment) if word in _SIDE_WORDS}
    return sides.pop() if len(sides) == 1 else ""


def pairs(structures: Sequence[Structure]) -> list[Pair]:
    """Return the structures that are there on both sides of the body."""
    found = by_sides(structures)
    return [
        Pair(both["left"], both["right"]) for both in found.values() if set(both) == _BOTH_SIDES
    ]


def by_sides(structures: Sequence[Structure]) -> dict[Hashable, dict[str, Structure]]:
    """Return the structures that have a side, by what they are and by their side.

    What two structures of one side have in common decides nothing and is left out.
    """
    found: dict[Hashable, dict[str, list[Structure]]] = defaultdict(lambda: defaultdict(list))
    for structure in structures:
        if at := side(structure.segment):
            found[what(structure.segment)][at].append(structure)
    return {
        key: {at: one[0] for at, one in both.items()}
        for key, both in found.items()
        if all(len(one) == 1 for one in both.values())
    }


def what(segment: Segment) -> Hashable:
    """Return what a structure is but for its side: by its codes, else by its name."""
    if segment.type.value != TISSUE.value:
        return segment.type.value, segment.region.value if segment.region else ""
    return frozenset(word for word in _words(segment) if word not in _SIDE_WORDS)


def rows(structures: Sequence[Structure]) -> dict[tuple[Kind, str], list[Level]]:
    """Return what follows each other from head to foot, the uppermost first, by kind and side."""
    found: dict[tuple[Kind, str], list[Level]] = defaultdict(list)
    for structure in structures:
        segment = structure.segment
        for kind, rank in ((Kind.VERTEBRA, _vertebra), (Kind.RIB, _rib), (Kind.LOBE, _lobe)):
            number = rank(segment)
            if number:
                at = "" if kind is Kind.VERTEBRA else side(segment)
                found[kind, at].append(Level(number, structure))
    return {
        key: sorted(row, key=lambda level: level.rank)
        for key, row in found.items()
        if len({level.rank for level in row}) == len(row) > 1
    }


def _vertebra(segment: Segment) -> int:
    """Return 1 for C1, 8 for T1, 20 for L1, 25 for S1; 0 for what is no vertebra."""
    text = _text(segment)
    found = _VERTEBRA.search(text)
    if "vertebra" not in text or found is None:
        return 0
    above, count = _SPINE[found[1]]
    number = int(found[2])
    return above + number if 1 <= number <= count else 0


def _rib(segment: Segment) -> int:
    """Return the number of a rib; 0 for what is none."""
    words = re.findall(r"[a-z]+|\d+", _text(segment))
    if "rib" not in words or not side(segment):
        return 0
    numbers = [int(word) for word in words if word.isdigit()]
    numbers += [_ORDINALS.index(word) + 1 for word in words if word in _ORDINALS]
    return numbers[0] if len(set(numbers)) == 1 else 0


def _lobe(segment: Segment) -> int:
    """Return 1 for an upper, 2 for a middle, 3 for a lower lobe of a lung; 0 for what is none."""
    words = re.findall(r"[a-z]+", _text(segment))
    found = [number for number, word in enumerate(_LOBES, 1) if word in words]
    lobe = "lobe" in words and "lung" in words and len(found) == 1 and side(segment)
    return found[0] if lobe else 0


def _text(segment: Segment) -> str:
    """Return the name and the meaning of the code, in small letters, without underscores."""
    meaning = segment.type.meaning if segment.type.value != TISSUE.value else ""
    return f"{segment.name} {meaning}".casefold().replace("_", " ")


def _words(segment: Segment) -> list[str]:
    """Return the words of the name; a lone letter is a side only at its end or its beginning."""
    words = re.findall(r"[^\W_]+", segment.name.casefold())
    inner = words[1:-1]
    return [*words[:1], *(word for word in inner if word not in _SHORT), *words[1:][-1:]]


_BOTH_SIDES = frozenset({"left", "right"})
