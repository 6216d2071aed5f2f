"""Cases with more or fewer channels than the set has."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule

_NAME = "dataset.channel-count"


def _check(known: Known) -> Iterator[Flag]:
    expected = len(known.dataset.channels)
    for facts in known.readable:
        count = len(facts.channels)
        if count != expected:
            finding = Finding(
                rule=_NAME,
                severity=Severity.URGENT,
                title=f"It has {count} channels, the set has {expected}.",
                explanation=f"The channels of the set are {', '.join(known.dataset.channels)}.",
                evidence=(
                    Evidence(quantity="channels", measured=count, expected=str(expected), unit="1"),
                ),
            )
            yield Flag(finding=finding, cases=(facts.case.name,), refuses=True)


RULE = Rule(
    name=_NAME,
    check=_check,
    shared="{count} of {all} cases have another number of channels than the set.",
)
