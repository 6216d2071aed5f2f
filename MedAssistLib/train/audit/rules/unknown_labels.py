"""Label values that nothing describes."""

from __future__ import annotations

from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule

_NAME = "dataset.unknown-labels"


def _check(known: Known) -> Iterator[Flag]:
    structures = known.dataset.structures
    described = {*structures.values, structures.ignore}
    for facts in known.readable:
        unknown = {value: n for value, n in facts.counts.items() if value not in described}
        if unknown:
            shown = ", ".join(f"{value} ({count} voxels)" for value, count in unknown.items())
            finding = Finding(
                rule=_NAME,
                severity=Severity.URGENT,
                title=f"It has label values that nothing describes: {shown}.",
                explanation=f"Described are {', '.join(map(str, structures.values))}. Describe the "
                "value, or correct the label image.",
                evidence=(
                    Evidence(
                        quantity="voxels",
                        measured=sum(unknown.values()),
                        expected="0",
                        unit="1",
                    ),
                ),
            )
            yield Flag(finding=finding, cases=(facts.case.name,), refuses=True)


RULE = Rule(
    name=_NAME,
    check=_check,
    shared="{count} of {all} cases have label values that nothing describes.",
)
