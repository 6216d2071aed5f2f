"""Which structure of a prediction is which of the reference."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from MedAssistLib.case import TISSUE, Segment


@dataclass(frozen=True)
class Match:
    """One structure as the prediction and the reference have it; ``None`` where it is not."""

    predicted: Segment | None
    reference: Segment | None

    @property
    def segment(self) -> Segment:
        """What describes it: the reference, unless only the prediction has a name for it."""
        known = [segment for segment in (self.reference, self.predicted) if segment]
        return next((segment for segment in known if not _nameless(segment)), known[0])

    @property
    def note(self) -> str:
        """What a person has to know about a pair whose names differ."""
        mine, other = self.reference, self.predicted
        if mine is None or other is None or _words(mine) == _words(other):
            return ""
        same = "label value" if _nameless(mine) or _nameless(other) else "code"
        return f'"{other.name}" was compared with "{mine.name}": the same {same}'


def match(predicted: Sequence[Segment], reference: Sequence[Segment]) -> dict[str, Match]:
    """Pair the structures of two segmentations.

    What has the same code (type, modifier and region) and name is paired first, then what has the
    same code, then the same name (words in any order and case), then the same label value if one of
    the two has no name. A code or name that several structures of one side have decides nothing.

    Returns:
        Every structure once, by its name: in the reference's order, then those that only the
        prediction has.
    """
    partners: dict[int, Segment] = {}
    for key, fit in _WAYS:
        theirs, ours = _unique(predicted, key), _unique(reference, key)
        for value in ours.keys() & theirs.keys():
            mine, other = ours[value], theirs[value]
            free = mine.label not in partners and other not in partners.values()
            if free and fit(other, mine):
                partners[mine.label] = other
    matches = [Match(partners.get(mine.label), mine) for mine in reference]
    matches += [Match(other, None) for other in predicted if other not in partners.values()]
    return _named(matches)


def _named(matches: Sequence[Match]) -> dict[str, Match]:
    """Return matches by name; a repeated name gets its modifier or label, and a number if need be.

    The number comes last, because it may be another one in the next case.
    """
    count = Counter(found.segment.name for found in matches)
    named: dict[str, Match] = {}
    for found in matches:
        segment = found.segment
        more = segment.modifier.meaning if segment.modifier else f"label {segment.label}"
        name = segment.name if count[segment.name] == 1 else f"{segment.name} ({more})"
        numbered = (f"{name} {number}" for number in itertools.count(2))
        free = (wish for wish in itertools.chain([name], numbered) if wish not in named)
        named[next(free)] = found
    return named


def _unique(segments: Sequence[Segment], key: _Key) -> dict[Hashable, Segment]:
    """Return the segments that alone have their key, by it; a key that is empty is none."""
    keys = [key(segment) for segment in segments]
    keyed = zip(keys, segments, strict=True)
    return {value: segment for value, segment in keyed if value and keys.count(value) == 1}


def _code(segment: Segment) -> tuple[tuple[str, str] | None, ...]:
    if (segment.type.scheme, segment.type.value) == (TISSUE.scheme, TISSUE.value):
        return ()
    codes = (segment.type, segment.modifier, segment.region)
    return tuple((code.scheme, code.value) if code else None for code in codes)


def _words(segment: Segment) -> tuple[str, ...]:
    return tuple(sorted(re.findall(r"[^\W_]+", segment.name.casefold())))


def _code_and_words(segment: Segment) -> tuple[object, ...]:
    code, words = _code(segment), _words(segment)
    return (code, words) if code and words else ()


def _label(segment: Segment) -> int:
    return segment.label


def _nameless(segment: Segment) -> bool:
    """Tell whether it is called as structures of a plain label image are."""
    return segment.name == f"Label {segment.label}"


def _any(_one: Segment, _other: Segment) -> bool:
    return True


def _same_side(one: Segment, other: Segment) -> bool:
    """Tell whether nothing says that one is left and the other right, or the like."""
    if one.modifier is None or other.modifier is None:
        return True
    return one.modifier.value == other.modifier.value


def _one_nameless(one: Segment, other: Segment) -> bool:
    return _nameless(one) != _nameless(other)


_Key = Callable[[Segment], Hashable]
_WAYS: tuple[tuple[_Key, Callable[[Segment, Segment], bool]], ...] = (
    (_code_and_words, _any),
    (_code, _any),
    (_words, _same_side),
    (_label, _one_nameless),
)
