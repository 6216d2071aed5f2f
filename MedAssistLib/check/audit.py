"""Which labels of a training set are probably wrong: all cases, the most suspicious first.

Each case is judged by what the rules measure, among them the comparison with the answer of a
network that had not seen it. Cases are compared with one another, so that what all of them have is
not suspicious; and by scores that errors in some of them can hardly move. A case is as suspicious
as what is odd about it is rare: the rarest sign of each rule counts, and their squares add up, so
that small oddities, which every case has, count for little beside a large one. What a comparison
with a network says counts no more than "the oddest of these cases": how it blunders is known from
them alone, and one that learned quickly does so without measure. What is drawn is measured as it
is, and an island that no other case has is as rare as it is large.

Sources: Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
2021 (arXiv:1911.00068): labels are judged by models that have not seen them; Lad and Mueller,
"Estimating label quality and errors in semantic segmentation data via any model", 2023
(arXiv:2307.05080): the worst part of a case says more than its mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.case import Finding, Severity
from MedAssistLib.check.calibration import Key, key_of, largest_scores
from MedAssistLib.check.labelled import Judges
from MedAssistLib.check.merge import findings_of, ranked
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.surprise import Tail, tails
from MedAssistLib.check.thresholds import Calibration
from MedAssistLib.progress import Progress
from MedAssistLib.train.audit import Audit

_OF_NETWORKS = "opinion."
# A rule, how rare its sign is, and the sign in a sentence.
_Reason = tuple[str, float, str]
_NOTHING = "Nothing about it is unusual."


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """One case of a training set.

    Attributes:
        case: Its name.
        label: Its label image.
        decades: How suspicious: 3 for one sign that one correct case of 1000 has; of several rules,
            the root of the sum of squares; infinite if nothing can be learned from it.
        reason: The rarest sign, in one sentence.
        findings: What deserves a second look, the most important first.
    """

    case: str
    label: Path
    decades: float
    reason: str
    findings: tuple[Finding, ...]


def audit_labels(judges: Judges, looked: Audit, progress: Progress | None = None) -> list[Suspect]:
    """Rank the cases of a training set by how suspicious their labels are.

    Args:
        judges: The training set, with the networks that judge it if there are any.
        looked: What the audit of the data found in it.
        progress: Told how far it is.

    Returns:
        All cases, the most suspicious first.

    Raises:
        InputError: If a case has changed since the networks answered to it.
        CancelledError: If the user asked to stop.
    """
    # What is odd about a scan says nothing about its labels.
    rules = {n: rule for n, rule in judges.rules.items() if Need.SEGMENTATION in rule.needs}
    signs = _signs(judges, rules, set(looked.refused), progress or Progress())
    known = tails([largest_scores(own) for own in signs.values()], rules)
    # One score of all scores of all cases is expected to be so rare.
    rare = math.log10(max(len(known) * len(signs), 1))
    limits = _limits(known, rare)
    suspects = []
    for case in judges.dataset.cases:
        own = signs.get(case.name, [])
        reasons = [(sign.rule, known[key_of(sign)].decades(sign.score), sign.title) for sign in own]
        reasons += _flags(looked, case.name, rare)
        decades = _suspicion(reasons, len(signs))
        reason = max(reasons, key=lambda entry: entry[1], default=("", 0.0, ""))[2]
        found = (*findings_of(own, rules, limits), *looked.of_case(case.name))
        suspects.append(
            Suspect(
                case=case.name,
                label=case.label,
                decades=decades,
                reason=reason if decades else _NOTHING,
                findings=ranked(found),
            )
        )
    return sorted(suspects, key=lambda suspect: -suspect.decades)


def _signs(
    judges: Judges, rules: Mapping[str, Rule], refused: set[str], progress: Progress
) -> dict[str, list[Sign]]:
    """Measure each case that can be used."""
    cases = [case for case in judges.dataset.cases if case.name not in refused]
    found = {}
    for number, case in enumerate(cases):
        part = progress.part("Judging", number / len(cases), (number + 1) / len(cases))
        found[case.name] = judges.signs(case, rules, part)
    return found


def _limits(known: Mapping[Key, Tail], rare: float) -> Calibration:
    """Return thresholds that only scores of some rarity are above."""
    limits: dict[str, dict[str, dict[str, float]]] = {}
    for key, tail in known.items():
        limits.setdefault(key.rule, {}).setdefault(key.kind, {})[key.structure] = tail.score(rare)
    return Calibration(rate=math.nan, cases=0, limits=limits)


def _suspicion(reasons: Iterable[_Reason], cases: int) -> float:
    """Return how suspicious one of some cases is, by its rules' rarest signs."""
    rarest: dict[str, float] = {}
    for rule, decades, _ in reasons:
        most = math.log10(cases) if rule.startswith(_OF_NETWORKS) else math.inf
        rarest[rule] = max(rarest.get(rule, 0.0), min(decades, most))
    return math.hypot(*rarest.values())


def _flags(looked: Audit, case: str, rare: float) -> list[_Reason]:
    """Return what the audit of the data found in a case; each rule of it has limits of its own."""
    return [
        (flag.finding.rule, math.inf if flag.refuses else rare, flag.finding.title)
        for flag in looked.flags
        if case in flag.cases and flag.finding.severity is not Severity.INFO
    ]
