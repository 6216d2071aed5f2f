"""What a stranger's model calls its structures, as segments with a readable name, code and colour.

The codes are SNOMED CT's as DICOM and 3D Slicer use them; the colours are those of 3D Slicer's
"General Anatomy" where it has one.
"""

from __future__ import annotations

import colorsys
import json
import re
from collections.abc import Container, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from MedAssistLib.case import ANATOMICAL_STRUCTURE, TISSUE, Code, Segment

_TABLE = Path(__file__).with_name("anatomy.json")
_ALTERED = Code("49755003", "SCT", "Morphologically Altered Structure")
_CATEGORIES = {
    "structures": ANATOMICAL_STRUCTURE,
    "tissues": TISSUE,
    "alterations": _ALTERED,
}
_MODIFIERS = {
    "left": Code("7771000", "SCT", "Left"),
    "right": Code("24028007", "SCT", "Right"),
    "anterior": Code("255549009", "SCT", "Anterior"),
    "posterior": Code("255551008", "SCT", "Posterior"),
}
SIDES = (_MODIFIERS["left"], _MODIFIERS["right"])
"""The codes of left and right structures."""
_SHORT = {"l": "left", "r": "right", "lt": "left", "rt": "right"}
# A capital after the first letter, or a digit, as in "GTVp" and "T12".
_ABBREVIATION = re.compile(r".+[A-Z]|[0-9]")
_GOLDEN = 0.618034
_HUE_STEP = 0.031

Colour = tuple[int, int, int]


class _Entry(NamedTuple):
    category: Code
    type: Code
    colour: Colour


def segments(names: Mapping[int, str]) -> tuple[Segment, ...]:
    """Describe the structures of a model.

    Args:
        names: What the model calls each label, such as ``{1: "kidney_left"}``.

    Returns:
        A segment a label in the order of the labels, with the codes of a well-known structure, or
        "Tissue" where the name is not known. No two have the same colour.
    """
    described = []
    used: set[Colour] = set()
    for label in sorted(names):
        segment = _describe(label, names[label])
        colour = _unused(segment.colour, used)
        used.add(colour)
        described.append(replace(segment, colour=colour))
    return tuple(described)


def _describe(label: int, name: str) -> Segment:
    words = _words(name)
    modifier = next((word for word in words if word in _MODIFIERS), None)
    rest = [word for word in words if word != modifier]
    shown = _readable(name, words)
    if found := _entry(words):
        return Segment(label=label, name=shown, **found._asdict())
    if found := _entry(rest):
        code = _MODIFIERS[modifier] if modifier else None
        return Segment(label=label, name=shown, modifier=code, **found._asdict())
    for word in rest:
        # Such as "liver_tumor": what it is, and where.
        found, place = _entry([word]), _entry([other for other in rest if other != word])
        if found and place and found.category == _ALTERED:
            code = _MODIFIERS[modifier] if modifier else None
            return Segment(
                label=label, name=shown, modifier=code, region=place.type, **found._asdict()
            )
    return Segment(label=label, name=shown, colour=_colour(label))


def _words(name: str) -> list[str]:
    words = re.findall(r"[^\W_]+", name.lower())
    # A lone "l" or "r" is a side when it stands last, as in "kidney_l".
    return [*words[:-1], _SHORT.get(words[-1], words[-1])] if len(words) > 1 else words


def _readable(name: str, words: list[str]) -> str:
    """Return the model's own words as a person would write them, the side first."""
    own = re.findall(r"[^\W_]+", name)
    kept = [
        word if _ABBREVIATION.search(word) else word.lower()
        for word, plain in zip(own, words, strict=True)
        if plain not in ("left", "right")
    ]
    sides = [word for word in words if word in ("left", "right")]
    text = " ".join([*sides, *kept]) or name.strip() or "unnamed"
    return text[0].upper() + text[1:]


def _colour(label: int) -> Colour:
    """Return a colour far from those of the labels near it."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1.0, 0.55, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def _unused(colour: Colour, used: Container[Colour]) -> Colour:
    """Return a colour, or one like it if it is used, farther off the more of them are used."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in colour))
    new, turn = colour, 0
    while new in used:
        turn += 1
        side = (turn + 1) // 2 * (-1) ** turn
        red, green, blue = colorsys.hsv_to_rgb(
            (hue + _HUE_STEP * side) % 1.0, max(saturation, 0.3), value * (1.0 - 0.12 * (turn % 3))
        )
        new = (round(255 * red), round(255 * green), round(255 * blue))
    return new


def _entry(words: list[str]) -> _Entry | None:
    return _entries().get(frozenset(words))


@cache
def _entries() -> Mapping[frozenset[str], _Entry]:
    """Return the table by the set of words of each name, so that their order does not matter."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    entries = {}
    for kind, rows in table.items():
        for meaning, value, (red, green, blue), others in rows:
            code = Code(value, "SCT", meaning)
            entry = _Entry(_CATEGORIES[kind], code, (red, green, blue))
            for name in (meaning, *others):
                entries[frozenset(name.lower().split())] = entry
    return entries
