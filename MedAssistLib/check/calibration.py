"""Thresholds from clean cases, with a promise about false findings.

A clean case is one whose labels are correct. Each rule gives each of its scores for each structure;
the calibration compares every score with those of the clean cases and chooses one level of
strictness for all of them: above all clean cases by some margin, above all of them, above all but
one, and so on.

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

from MedAssistLib.check.rule import Rule, Sign
from MedAssistLib.check.thresholds import NEVER, Calibration
from MedAssistLib.errors import InputError

MOST_COUNTED = 5
"""So many findings of one clean case count at most, so that one odd case decides nothing."""

RATE = 0.2
"""Mean number of false findings in a clean case that is promised unless another is asked for."""

# Above all clean cases the margin's unit is the largest score less the tenth; between two of them
# it is their distance.
_MARGINS = (8.0, 4.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.35, 0.2, 0.1, 0.0)
_BETWEEN = (0.75, 0.5, 0.25, 0.0)
_FAR_DOWN = 10

Scores = list[float]


class _Key(NamedTuple):
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
    fewest = math.ceil(MOST_COUNTED / rate)
    if len(cases) < fewest:
        hint = f"Give at least {fewest} cases with correct labels, or allow more false findings"
        raise InputError(f"{len(cases)} cases are too few to calibrate with", hint=hint)
    largest = [_largest(case) for case in cases]
    scores = _scores(largest)
    allowed = rate * (len(cases) + 1) - MOST_COUNTED
    levels = [_Level(0, margin) for margin in _MARGINS]
    levels += [_Level(number, part) for number in range(1, len(cases)) for part in _BETWEEN]

    def too_lenient(level: _Level) -> bool:
        pairs = zip(cases, largest, strict=True)
        told = (_told(case, own, scores, rules, level) for case, own in pairs)
        return sum(told) > allowed

    # The levels run from the strictest to the most lenient one, and findings only get more.
    kept = bisect.bisect_left(levels, True, key=too_lenient)
    level = levels[kept - 1] if kept else None
    limits: dict[str, dict[str, dict[str, float]]] = {}
    for key in _keys(rules, structures):
        limit = NEVER if level is None else _limit(scores.get(key, []), level, _floor(key, rules))
        limits.setdefault(key.rule, {}).setdefault(key.kind, {})[key.structure] = limit
    return Calibration(rate=rate, cases=len(cases), limits=limits)


def _keys(rules: Mapping[str, Rule], structures: Iterable[str]) -> Iterable[_Key]:
    names = ("", *structures)
    return (
        _Key(rule.name, kind, name)
        for rule in rules.values()
        for kind in rule.thresholds
        for name in names
    )


def _key(sign: Sign) -> _Key:
    return _Key(sign.rule, sign.kind, sign.structure)


def _largest(case: Iterable[Sign]) -> dict[_Key, float]:
    """Return the largest score of a case for each key that it has a sign for."""
    found: dict[_Key, float] = defaultdict(float)
    for sign in case:
        found[_key(sign)] = max(found[_key(sign)], sign.score)
    return found


def _scores(largest: Iterable[Mapping[_Key, float]]) -> dict[_Key, Scores]:
    """Return the cases' largest scores for each key, the largest first."""
    scores: dict[_Key, Scores] = defaultdict(list)
    for own in largest:
        for key, score in own.items():
            scores[key].append(score)
    return {key: sorted(found, reverse=True) for key, found in scores.items()}


def _told(
    case: Iterable[Sign],
    own: Mapping[_Key, float],
    scores: Mapping[_Key, Scores],
    rules: Mapping[str, Rule],
    level: _Level,
) -> int:
    """Return how many findings a known case has at most, judged by the other known ones.

    Signs of one structure and one place always become one finding.
    """
    limits = {}
    for key, score in own.items():
        others = list(scores[key])
        others.remove(score)
        limits[key] = _limit(others, level, _floor(key, rules), far_down=_FAR_DOWN - 1)
    places = {
        (sign.structure, sign.place.box if sign.place else sign.rule)
        for sign in case
        if sign.score > limits[_key(sign)]
    }
    return min(len(places), MOST_COUNTED)


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


def _floor(key: _Key, rules: Mapping[str, Rule]) -> float:
    """Return a rule's own threshold, or 0 where it has none."""
    value = rules[key.rule].thresholds[key.kind].value
    return 0.0 if value == NEVER else value
