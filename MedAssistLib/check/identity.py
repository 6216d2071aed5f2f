"""Which finding is which: the id that one keeps from run to run, and answers that go with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from MedAssistLib.case import Finding, State
from MedAssistLib.check.merge import overlap

_NEAR_MM = 5.0


def finding_id(finding: Finding) -> str:
    """Return an id that a finding keeps from run to run: twelve hexadecimal digits.

    It is made of the rule, the structure and the point to a millimetre.
    """
    # Adding 0.0 turns -0 into 0.
    at = "" if finding.point is None else ",".join(f"{round(x) + 0.0:.0f}" for x in finding.point)
    text = f"{finding.rule}|{finding.structure}|{at}"
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()


def with_answers(findings: Iterable[Finding], earlier: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give findings the states and comments that the same ones had in an earlier run.

    The same finding has the same id; or it is of the same rule and structure and near: its box
    overlaps with the earlier one, or its point lies within 5 mm. Each earlier answer is given
    once, first by id, then to the nearest.

    Args:
        findings: What was found now.
        earlier: What was found before, with the reviewer's answers.

    Returns:
        The findings of now, in their order.
    """
    answers = [old for old in earlier if old.state is not State.OPEN or old.comment]
    now = list(findings)
    given: dict[int, Finding] = {}
    ids = {finding_id(finding): number for number, finding in enumerate(now)}
    left = []
    for old in answers:
        number = ids.get(finding_id(old))
        if number is None:
            left.append(old)
        else:
            given[number] = old
    near = sorted(
        (distance, number, at)
        for at, old in enumerate(left)
        for number, new in enumerate(now)
        if (distance := _apart(old, new)) is not None
    )
    taken: set[int] = set()
    for _, number, at in near:
        if number not in given and at not in taken:
            given[number] = left[at]
            taken.add(at)
    return tuple(
        replace(new, state=given[n].state, comment=given[n].comment) if n in given else new
        for n, new in enumerate(now)
    )


def _apart(old: Finding, new: Finding) -> float | None:
    """Return how far two findings of one rule and structure are apart, mm; ``None`` if others."""
    if (old.rule, old.structure) != (new.rule, new.structure):
        return None
    if old.point is None or new.point is None:
        return 0.0 if old.point is new.point else None
    distance = float(np.linalg.norm(np.subtract(old.point, new.point)))
    together = old.box is not None and new.box is not None and overlap(old.box, new.box) > 0.0
    return distance if together or distance <= _NEAR_MM else None
