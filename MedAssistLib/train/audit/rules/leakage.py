"""One patient in several folds: what is learned would be tested on what it was learned from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.audit.rules.duplicates import RULE as DUPLICATES
from MedAssistLib.train.dataset.folder import named

_NAME = "dataset.leakage"


def _check(known: Known) -> Iterator[Flag]:
    if not known.folds:
        return
    patients: dict[str, list[str]] = defaultdict(list)
    for case in known.dataset.cases:
        patients[case.group].append(case.name)
    for names in patients.values():
        yield from _spread(tuple(names), "are of one patient", known)
    for flag in DUPLICATES.check(known):
        yield from _spread(flag.cases, "show the same", known)


def _spread(names: tuple[str, ...], why: str, known: Known) -> Iterator[Flag]:
    """Flag cases that belong together and lie in several folds."""
    held = [number for number, fold in enumerate(known.folds) if set(fold) & set(names)]
    if len(held) > 1:
        shown = ", ".join(map(str, held))
        finding = Finding(
            rule=_NAME,
            severity=Severity.URGENT,
            title=f"{named(names)} {why}, but lie in the folds {shown}.",
            explanation="The cross-validation would look better than the model is. Let MedAssist "
            "make the folds, or correct the split.",
            evidence=(Evidence(quantity="folds", measured=len(held), expected="1", unit="1"),),
        )
        yield Flag(finding=finding, cases=names)


RULE = Rule(name=_NAME, check=_check)
