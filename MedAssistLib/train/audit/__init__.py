"""Is this set fit to learn from? Each rule is one file; nothing is left out or mended here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.train.audit.result import Audit, ranked
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.audit.rules import rules
from MedAssistLib.train.dataset.cases import TrainingSet
from MedAssistLib.train.facts import CaseFacts

__all__ = ["Audit", "Flag", "audit"]

_MOST_SINGLE = 5
_SHARED = 0.25
_USUAL = 0.5


def audit(
    dataset: TrainingSet,
    facts: Sequence[CaseFacts],
    folds: Sequence[Sequence[str]] = (),
) -> Audit:
    """Look for what would be learned wrongly.

    Args:
        dataset: The training set.
        facts: The facts on each of its cases.
        folds: Names of the cases that each fold holds out, if there is a split.

    Returns:
        What was found. What a quarter of the cases or more share is told once.
    """
    known = Known(dataset=dataset, facts=tuple(facts), folds=tuple(tuple(fold) for fold in folds))
    flags = [flag for rule in rules() for flag in _merged(rule, rule.check(known), known)]
    return Audit(cases=tuple(case.name for case in dataset.cases), flags=ranked(flags))


def _merged(rule: Rule, flags: Iterable[Flag], known: Known) -> Iterator[Flag]:
    """Give one flag for what many cases share, if the rule has words for it."""
    groups: dict[str, list[Flag]] = defaultdict(list)
    for flag in flags:
        groups[flag.finding.rule].append(flag)
    most = max(_MOST_SINGLE, _SHARED * len(known.facts))
    for group in groups.values():
        if rule.shared and len(group) > most:
            yield _shared(rule.shared, group, len(known.facts))
        else:
            yield from group


def _shared(sentence: str, group: Sequence[Flag], everything: int) -> Flag:
    """Return one flag for many; what most cases have and none is refused for, is only told."""
    names = tuple(dict.fromkeys(name for flag in group for name in flag.cases))
    first = group[0].finding
    usual = len(names) > _USUAL * everything and not group[0].refuses
    title = sentence.format(count=len(names), all=everything, first=first.title)
    finding = replace(
        first,
        severity=Severity.INFO if usual else first.severity,
        title=title,
        structure="",
        point=None,
        evidence=(Evidence(quantity="cases", measured=len(names), expected="0", unit="1"),),
    )
    return replace(group[0], finding=finding, cases=names)
