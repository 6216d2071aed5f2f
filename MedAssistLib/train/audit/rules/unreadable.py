"""Cases that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.case import Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule

_NAME = "dataset.unreadable"


def _check(known: Known) -> Iterator[Flag]:
    for facts in known.facts:
        if facts.problem:
            finding = Finding(
                rule=_NAME,
                severity=Severity.URGENT,
                title=f"It cannot be read: {facts.problem}.",
                explanation="Nothing can be learned from it.",
            )
            yield Flag(finding=finding, cases=(facts.case.name,), refuses=True)


RULE = Rule(
    name=_NAME,
    check=_check,
    shared="{count} of {all} cases cannot be read; of the first was said: {first}",
)
