"""Voxel spacings that are far from those of the other cases."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.robust import FEWEST, robust_scores
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.facts import Grid, upright_axes

_NAME = "dataset.spacing"
_LIMIT = 3.5
_LEAST_FACTOR = 2.0
_DIRECTIONS = ("left to right", "front to back", "bottom to top")


def _check(known: Known) -> Iterator[Flag]:
    if len(known.readable) < FEWEST:
        return
    spacings = np.array([_spacing(facts.channels[0].grid) for facts in known.readable])
    for along, direction in zip(spacings.T, _DIRECTIONS, strict=True):
        median = float(np.median(along))
        scores = robust_scores(np.log(along))
        for facts, spacing, score in zip(known.readable, along, scores, strict=True):
            factor = max(spacing / median, median / spacing)
            if abs(score) > _LIMIT and factor > _LEAST_FACTOR:
                finding = _finding(float(spacing), median, direction)
                yield Flag(finding=finding, cases=(facts.case.name,))


def _spacing(grid: Grid) -> list[float]:
    return [grid.spacing[axis] for axis in upright_axes(grid)]


def _finding(spacing: float, median: float, direction: str) -> Finding:
    return Finding(
        rule=_NAME,
        severity=Severity.REVIEW,
        title=f"Its voxels are {spacing:.3g} mm from {direction}; {median:.3g} mm are usual.",
        explanation="It will be resampled to the spacing of the others. Check that its header is "
        "right.",
        evidence=(
            Evidence(
                quantity="voxel spacing", measured=spacing, expected=f"{median:.3g}", unit="mm"
            ),
        ),
    )


RULE = Rule(name=_NAME, check=_check)
