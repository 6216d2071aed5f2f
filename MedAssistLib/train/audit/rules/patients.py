"""Patients with several cases: told, because it follows from names alone where no table says it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.dataset.folder import named

_NAME = "dataset.patients"


def _check(known: Known) -> Iterator[Flag]:
    patients: dict[str, list[str]] = defaultdict(list)
    for case in known.dataset.cases:
        patients[case.group].append(case.name)
    several = [names for names in patients.values() if len(names) > 1]
    if several:
        count = len(known.dataset.cases)
        finding = Finding(
            rule=_NAME,
            severity=Severity.INFO,
            title=f"The {count} cases are of {len(patients)} patients, of whom {len(several)} have "
            f"several, such as {named(several[0])}.",
            explanation="Cases of one patient are held out together. If that is wrong, list the "
            "cases in a CSV with a column patient.",
            evidence=(
                Evidence(
                    quantity="patients", measured=len(patients), expected=str(count), unit="1"
                ),
            ),
        )
        yield Flag(finding=finding)


RULE = Rule(name=_NAME, check=_check)
