"""Thresholds from clean cases, with a promise about false findings.

A clean case is one whose labels are correct. Each rule gives each of its scores for each structure;
the calibration compares every score with those of the clean cases and chooses one level of
strictness for all of them: above all clean cases by some margin, above all of them, above all but
one, and so on. Families of rules whose scores vary between people as much as between drawings are
some rungs stricter than the others (:data:`BEHIND`), so that they do not use up what the promise
allows.

**The promise.** If a new clean case is exchangeable with the ``n`` clean cases, such as drawn from
the same hospital and drawn by the same people, the mean number of its findings, counting at most
:data:`MOST_COUNTED` of a case, is at most ``rate``. It is a mean over new cases *and* calibrations;
it says nothing about one structure or one kind of case by itself, and nothing about other scanners.

**Why.** Put the new case among the others: ``n + 1`` cases in no order. Judge each of them by the
thresholds that the other ``n`` give at a level. What all of them tell then depends on the bag only,
so that the new case tells on average as much as any. A known case, judged by the other known ones
alone, tells at least as much as if the new case were among them, because one more score can only
raise a threshold: the largest, the second largest, what lies between two of them. For the margin
above all, in units of the largest score less the tenth, the ninth stands in, which the tenth cannot
exceed when one joins. So the mean over the bag is at most
``(sum of findings of the known cases + MOST_COUNTED) / (n + 1)``. The most lenient level for which
this is at most ``rate`` is no more lenient than the one that the whole bag would give. No cases
have to be set aside for the comparison, because it treats all cases alike. This is conformal risk
control.

Sources: Vovk, Gammerman, Shafer, *Algorithmic Learning in a Random World*, 2005; Angelopoulos and
Bates, "A Gentle Introduction to Conformal Prediction", 2021 (arXiv:2107.07511); Angelopoulos,
Bates, Fisch, Lei, Schuster, "Conformal Risk Control", 2022 (arXiv:2208.02814), Theorem 1.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from MedAssistLib.check.merge import cliques
from MedAssistLib.check.rule import Rule, Sign
from MedAssistLib.check.thresholds import NEVER, Calibration
from MedAssistLib.errors import InputError

MOST_COUNTED = 5
"""So many findings of one clean case count at most, so that one odd case decides nothing."""

RATE = 0.2
"""Mean number of false findings in a clean case that is promised unless another is asked for."""

BEHIND: Mapping[str, int] = {"intensity": 16, "scan": 16, "volume": 16, "shape": 8}
"""By how many rungs of strictness the rules of a family stay behind the others.

With these, injected errors in hippocampi were found more often at the same rate; that does not
touch the promise, because they are the same for all cases.
"""

# Above all clean cases the margin's unit is the largest score less the tenth; between two of them
# it is their distance.
_MARGINS = (8.0, 4.0, 2.8, 2.0, 1.4, *(step / 20.0 for step in range(20, -1, -1)))
_BETWEEN = (0.75, 0.5, 0.25, 0.0)
_FAR_DOWN = 10

Scores = list[float]


class Key(NamedTuple):
    """One score of one structure: what is compared between cases."""

    rule: str
    kind: str
    structure: str


class _Level(NamedTuple):
    """How strict: above all but ``allowed`` clean cases, by a margin."""

    allowed: int
    margin: float


def calibrate(
    cases: Sequence[Sequence[Sign]],
    rules: Mapping[str, Rule],
    structures: Iterable[str],
    rate: float = RATE,
) -> Calibration:
    """Find the thresholds that keep the promise.

    Args:
        cases: The signs of each clean case, those with small scores too, as
            :func:`MedAssistLib.check.run.measured` gives them. None of the cases may have been
            used to train the model whose segmentations will be checked.
        rules: The rules that were run on all cases, by name.
        structures: Names of the structures that the cases may have.
        rate: Mean number of findings in a clean case that is allowed.

    Returns:
        A threshold for every score of every structure.

    Raises:
        InputError: If there are too few cases for the rate.
    """
    if len(cases) < fewest(rate):
        hint = f"Give at least {fewest(rate)} cases with correct labels, or allow more false ones"
        raise InputError(f"{len(cases)} cases are too few to calibrate with", hint=hint)
    largest = [largest_scores(case) for case in cases]
    groups = [cliques(case) for case in cases]
    scores = _scores(largest)
    allowed = rate * (len(cases) + 1) - MOST_COUNTED
    levels = [_Level(0, margin) for margin in _MARGINS]
    levels += [_Level(number, part) for number in range(1, len(cases)) for part in _BETWEEN]

    def too_lenient(rung: int) -> bool:
        kept = levels[: rung + 1]
        told = (
            _told(zip(case, numbers, strict=True), own, scores, rules, kept)
            for case, numbers, own in zip(cases, groups, largest, strict=True)
        )
        return sum(told) > allowed

    # The levels run from the strictest to the most lenient one, and findings only get more.
    kept = levels[: bisect.bisect_left(range(len(levels)), True, key=too_lenient)]
    limits: dict[str, dict[str, dict[str, float]]] = {}
    for key in _keys(rules, structures):
        floor, own = floor_of(key, rules), scores.get(key, [])
        limit = _limit(own, _level(key, kept), floor) if kept else NEVER
        limits.setdefault(key.rule, {}).setdefault(key.kind, {})[key.structure] = limit
    return Calibration(rate=rate, cases=len(cases), limits=limits)


def fewest(rate: float) -> int:
    """Return how many clean cases a promise needs at least."""
    return math.ceil(MOST_COUNTED / rate)


def _keys(rules: Mapping[str, Rule], structures: Iterable[str]) -> Iterable[Key]:
    names = ("", *structures)
    return (
        Key(rule.name, kind, name)
        for rule in rules.values()
        for kind in rule.thresholds
        for name in names
    )


def key_of(sign: Sign) -> Key:
    """Return with what a sign is compared in other cases."""
    return Key(sign.rule, sign.kind, sign.structure)


def largest_scores(case: Iterable[Sign]) -> dict[Key, float]:
    """Return the largest score of a case for each key that it has a sign for."""
    found: dict[Key, float] = defaultdict(float)
    for sign in case:
        found[key_of(sign)] = max(found[key_of(sign)], sign.score)
    return found


def _scores(largest: Iterable[Mapping[Key, float]]) -> dict[Key, Scores]:
    """Return the cases' largest scores for each key, the largest first."""
    scores: dict[Key, Scores] = defaultdict(list)
    for own in largest:
        for key, score in own.items():
            scores[key].append(score)
    return {key: sorted(found, reverse=True) for key, found in scores.items()}


def _told(
    case: Iterable[tuple[Sign, int]],
    own: Mapping[Key, float],
    scores: Mapping[Key, Scores],
    rules: Mapping[str, Rule],
    levels: Sequence[_Level],
) -> int:
    """Return how many findings a known case has at most, judged by the other known ones.

    Args:
        case: Its signs, each with the number of its group; see
            :func:`MedAssistLib.check.merge.cliques`.
        own: Its largest scores.
        scores: Those of all known cases, its own among them.
        rules: The rules by name.
        levels: The levels up to the one that is tried.
    """
    limits = {}
    for key, score in own.items():
        others = list(scores[key])
        others.remove(score)
        level = _level(key, levels)
        limits[key] = _limit(others, level, floor_of(key, rules), far_down=_FAR_DOWN - 1)
    groups = {number for sign, number in case if sign.score > limits[key_of(sign)]}
    return min(len(groups), MOST_COUNTED)


def _level(key: Key, levels: Sequence[_Level]) -> _Level:
    """Return how strict a key is at the last of some levels: as that one, or some rungs behind."""
    family = key.rule.partition(".")[0]
    return levels[max(len(levels) - 1 - BEHIND.get(family, 0), 0)]


def _limit(scores: Scores, level: _Level, floor: float, far_down: int = _FAR_DOWN) -> float:
    """Return the threshold that some cases' scores, the largest first, give at a level.

    Args:
        scores: The scores above 0; the other cases have none.
        level: How strict.
        floor: Least unit of the margin: the rule's own threshold.
        far_down: Which score in the order, from 1, gives the unit of the margin.
    """

    def at(number: int) -> float:
        return scores[number] if number < len(scores) else 0.0

    base = at(level.allowed)
    if level.allowed:
        return base + level.margin * (at(level.allowed - 1) - base)
    return base + level.margin * max(base - at(far_down - 1), floor)


def floor_of(key: Key, rules: Mapping[str, Rule]) -> float:
    """Return a rule's own threshold, or 0 where it has none."""
    value = rules[key.rule].thresholds[key.kind].value
    return 0.0 if value == NEVER else value
