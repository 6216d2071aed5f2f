"""Structures that are far larger or smaller than in the other cases."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.robust import FEWEST, robust_scores
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.facts import CaseFacts

_NAME = "dataset.volume"
_LIMIT = 3.5
_LEAST_FACTOR = 1.5


def _check(known: Known) -> Iterator[Flag]:
    for number, name in enumerate(known.dataset.structures.names):
        cases = [facts for facts in known.fitting if facts.structures[number].voxels]
        if len(cases) < FEWEST:
            continue
        volumes = np.array([_volume_ml(facts, number) for facts in cases])
        scores = robust_scores(np.log(volumes))
        median = float(np.median(volumes))
        for facts, volume, score in zip(cases, volumes, scores, strict=True):
            factor = max(volume / median, median / volume)
            if abs(score) > _LIMIT and factor > _LEAST_FACTOR:
                finding = _finding(name, float(volume), median)
                yield Flag(finding=finding, cases=(facts.case.name,))


def _volume_ml(facts: CaseFacts, number: int) -> float:
    grid = facts.labels or facts.channels[0].grid
    return facts.structures[number].voxels * float(np.prod(grid.spacing)) / 1000.0


def _finding(name: str, volume: float, median: float) -> Finding:
    word = "large" if volume > median else "small"
    factor = max(volume / median, median / volume)
    return Finding(
        rule=_NAME,
        severity=Severity.REVIEW,
        structure=name,
        title=f"{name} has {volume:.3g} mL: {factor:.1f} times as {word} as is usual.",
        explanation="Look whether it is drawn to its ends, under the right label, and whether the "
        "voxel spacing is right.",
        evidence=(
            Evidence(
                quantity="volume",
                measured=volume,
                expected=f"{median:.3g} in the middle of the cases",
                unit="mL",
            ),
        ),
    )


RULE = Rule(name=_NAME, check=_check)
