"""Whether structures are left or right: then mirrored scans would teach the opposite."""

from __future__ import annotations

import re
from collections.abc import Sequence

from MedAssistLib.models.anatomy import SIDES, segments

# Beginnings of words for a side, in the languages that labels are often written in.
_BEGINNINGS = (
    *("left", "right", "sinist", "dext", "link", "recht", "gauch", "droit", "izquierd", "derech"),
    *("destr", "esquerd", "direit", "lew", "praw", "лев", "прав", "左", "右"),
)
# Whole words: sides and hemispheres, and the chambers of the heart.
_WORDS = frozenset({"l", "r", "lt", "rt", "lh", "rh", "sin", "sx", "dx", "lv", "rv", "la", "ra"})
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NUMBERED = re.compile(r"Label \d+")


def are_sided(names: Sequence[str]) -> bool:
    """Tell whether a network must know left from right, or may have to.

    Args:
        names: Of the structures. Those that are called by their numbers may be sides.
    """
    known = segments(dict(enumerate(names, 1)))
    return any(segment.modifier in SIDES for segment in known) or any(map(_is_sided, names))


def is_numbered(name: str) -> bool:
    """Tell whether a structure is called as reading calls those of label images without names."""
    return _NUMBERED.fullmatch(name) is not None


def _is_sided(name: str) -> bool:
    words = re.findall(r"[^\W_]+", _CAPITAL.sub(" ", name).casefold())
    sides = (word in _WORDS or word.startswith(_BEGINNINGS) for word in words)
    return is_numbered(name) or any(sides)
