"""From signs to findings: what tells of the same thing becomes one, the most important first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from MedAssistLib.case import Evidence, Finding, Point, Severity
from MedAssistLib.check.rule import Rule, Sign
from MedAssistLib.check.thresholds import Calibration
from MedAssistLib.check.words import plain

Box = tuple[Point, Point]

# Boxes that share less of the larger one than this tell of two things, such as a whole organ that
# is too large and an island of it.
_SAME_THING = 0.1
_RANK = {Severity.URGENT: 0, Severity.REVIEW: 1, Severity.INFO: 2}
_NOWHERE = -1.0


def told(sign: Sign, rules: Mapping[str, Rule], calibration: Calibration) -> bool:
    """Tell whether a sign is above its threshold."""
    return sign.score > _limit(sign, rules[sign.rule], calibration)


def findings_of(
    signs: Iterable[Sign], rules: Mapping[str, Rule], calibration: Calibration
) -> tuple[Finding, ...]:
    """Turn the signs above their thresholds into findings.

    Signs of one structure whose boxes overlap become one finding: it speaks with the words of the
    most important one and has the evidence of all.

    Args:
        signs: What the rules measured.
        rules: The rules by name.
        calibration: The thresholds.

    Returns:
        The findings, the most important first: by severity, confidence, size of the box.
    """
    spoken = [sign for sign in signs if told(sign, rules, calibration)]
    groups = _grouped(spoken, rules, calibration)
    return ranked(_finding(group, rules, calibration) for group in groups)


def _grouped(
    signs: Sequence[Sign], rules: Mapping[str, Rule], calibration: Calibration
) -> list[list[Sign]]:
    """Put signs that tell of the same thing together, the most important of each first.

    A sign joins the first group whose leader it overlaps, so that groups do not grow by chains.
    """
    sure = {id(sign): _confidence(sign, rules[sign.rule], calibration) for sign in signs}

    def rank(sign: Sign) -> tuple[object, ...]:
        size = _size(sign.place.box if sign.place else None)
        return (
            _RANK[sign.severity], -round(sure[id(sign)], 6), -round(size, 3),
            sign.rule, sign.kind, sign.place or (),
        )  # fmt: skip

    order = sorted(signs, key=rank)
    groups: list[list[Sign]] = []
    for sign in order:
        same = next((group for group in groups if _same_thing(group[0], sign)), None)
        if same is None:
            groups.append([sign])
        else:
            same.append(sign)
    return groups


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by severity, confidence, then size of the box."""
    return tuple(
        sorted(findings, key=lambda f: (_RANK[f.severity], -round(f.confidence, 6), -_size(f.box)))
    )


def overlap(first: Box, second: Box) -> float:
    """Return how much of the larger of two boxes both share, in [0, 1]."""
    a, b = np.array(first), np.array(second)
    sides = np.minimum(a[1], b[1]) - np.maximum(a[0], b[0])
    if (sides <= 0.0).any():
        return 0.0
    return float(sides.prod() / max(_size(first), _size(second)))


def cliques(signs: Sequence[Sign]) -> list[int]:
    """Return which of several groups each sign is in; those of a group all tell of one thing.

    However the thresholds are, there are no more findings than groups with a sign above its own:
    the signs that lead two findings do not tell of one thing, and so are in two groups.
    """
    groups: dict[str, list[list[int]]] = {}
    numbers = [0] * len(signs)
    made = 0
    largest_first = sorted(
        range(len(signs)), key=lambda n: -_size(place.box if (place := signs[n].place) else None)
    )
    for n in largest_first:
        own = groups.setdefault(signs[n].structure, [])
        for group in own:
            if all(_same_thing(signs[n], signs[other]) for other in group):
                group.append(n)
                numbers[n] = numbers[group[0]]
                break
        else:
            own.append([n])
            numbers[n], made = made, made + 1
    return numbers


def _same_thing(first: Sign, second: Sign) -> bool:
    if first.structure != second.structure:
        return False
    if first.place is None or second.place is None:
        return first.place is second.place and first.rule == second.rule
    one, other = first.place.box, second.place.box
    return one == other or overlap(one, other) >= _SAME_THING


def _finding(group: Sequence[Sign], rules: Mapping[str, Rule], calibration: Calibration) -> Finding:
    first = group[0]
    also = dict.fromkeys(sign.title for sign in group[1:])
    rule = rules[first.rule]
    return Finding(
        rule=first.rule,
        severity=first.severity,
        title=first.title,
        explanation=" ".join([first.explanation, *also, rule.advice]).strip(),
        structure=first.structure,
        point=first.place.point if first.place else None,
        box=first.place.box if first.place else None,
        evidence=_evidence(group, rules, calibration),
        confidence=_confidence(first, rule, calibration),
    )


def _evidence(
    group: Sequence[Sign], rules: Mapping[str, Rule], calibration: Calibration
) -> tuple[Evidence, ...]:
    """Return the evidence of all signs, each once, and the thresholds as what is expected."""
    entries: dict[Evidence, None] = {}
    for sign in group:
        first, *others = sign.evidence or (None,)
        if first is not None:
            entries[_completed(first, sign, rules[sign.rule], calibration)] = None
        entries.update(dict.fromkeys(others))
    return tuple(entries)


def _completed(entry: Evidence, sign: Sign, rule: Rule, calibration: Calibration) -> Evidence:
    """Say what would have been expected, in the unit of what was measured."""
    if entry.expected or entry.measured == 0.0:
        return entry
    limit = _limit(sign, rule, calibration)
    if rule.thresholds[sign.kind].inverse:
        expected = f"at least {plain(entry.measured * sign.score / limit)}" if limit else "more"
    else:
        expected = f"at most {plain(entry.measured / sign.score * limit)}"
    return replace(entry, expected=expected)


def _limit(sign: Sign, rule: Rule, calibration: Calibration) -> float:
    return calibration.limit(sign.rule, sign.kind, sign.structure, rule.thresholds[sign.kind])


def _confidence(sign: Sign, rule: Rule, calibration: Calibration) -> float:
    """Return 0.5 for a score at the threshold, towards 1 for one far above it."""
    return float(sign.score / (sign.score + _limit(sign, rule, calibration)))


def _size(box: Box | None) -> float:
    if box is None:
        return _NOWHERE
    return float(np.prod(np.array(box[1]) - np.array(box[0])))
