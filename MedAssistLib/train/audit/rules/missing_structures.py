"""Cases without a label, and structures that are missing in a case or in all of them."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule

_NAME = "dataset.missing-structures"
_MOST = 0.9


def _check(known: Known) -> Iterator[Flag]:
    labelled = [facts for facts in known.fitting if any(s.voxels for s in facts.structures)]
    for facts in known.fitting:
        if facts not in labelled:
            yield Flag(finding=_empty(), cases=(facts.case.name,))
    for number, name in enumerate(known.dataset.structures.names):
        without = [facts for facts in labelled if not facts.structures[number].voxels]
        there = len(labelled) - len(without)
        if not there:
            yield Flag(finding=_nowhere(name))
        elif there >= _MOST * len(labelled):
            for facts in without:
                yield Flag(finding=_missing(name, there, len(labelled)), cases=(facts.case.name,))


def _empty() -> Finding:
    return Finding(
        rule=_NAME,
        severity=Severity.REVIEW,
        title="Its label image is empty.",
        explanation="It is learned from as a case without any structure. If there is one, draw it "
        "or leave the case out.",
    )


def _nowhere(name: str) -> Finding:
    return Finding(
        rule=_NAME,
        severity=Severity.URGENT,
        structure=name,
        title=f"No case has {name}.",
        explanation="It cannot be learned. Leave it out of the description, or add cases with it.",
    )


def _missing(name: str, there: int, cases: int) -> Finding:
    return Finding(
        rule=_NAME,
        severity=Severity.REVIEW,
        structure=name,
        title=f"It has no {name}, which {there} of {cases} cases have.",
        explanation="Draw it, if it is there.",
        evidence=(Evidence(quantity="voxels", measured=0, expected="above 0", unit="1"),),
    )


RULE = Rule(name=_NAME, check=_check)
