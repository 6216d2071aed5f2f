"""Labels or channels that do not lie on the grid of the first channel."""

from __future__ import annotations

import math
from collections.abc import Iterator

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.train.audit.rule import Flag, Known, Rule
from MedAssistLib.train.facts import Grid

_NAME = "dataset.geometry"


def _check(known: Known) -> Iterator[Flag]:
    for facts in known.readable:
        first = facts.channels[0].grid
        off = [
            (f"The image of channel {number}", channel.grid)
            for number, channel in enumerate(facts.channels)
            if not channel.fits
        ]
        if facts.labels and not facts.fits:
            off.insert(0, ("The label image", facts.labels))
        for what, grid in off:
            yield Flag(finding=_finding(what, grid, first), cases=(facts.case.name,), refuses=True)


def _finding(what: str, grid: Grid, first: Grid) -> Finding:
    return Finding(
        rule=_NAME,
        severity=Severity.URGENT,
        title=f"{what} is not on the grid of the first image: {_difference(grid, first)}.",
        explanation="Labels would be learned in the wrong place. Resample it (a label image with "
        "nearest neighbour), or give the image that it was drawn on.",
        evidence=(
            Evidence(
                quantity="distance of the origins",
                measured=math.dist(grid.origin, first.origin),
                expected="0",
                unit="mm",
            ),
        ),
    )


def _difference(grid: Grid, first: Grid) -> str:
    if sorted(grid.size) != sorted(first.size):
        return f"{_times(grid.size)} voxels, not {_times(first.size)}"
    if any(
        not math.isclose(a, b, rel_tol=1e-3)
        for a, b in zip(sorted(grid.spacing), sorted(first.spacing), strict=True)
    ):
        return f"voxels of {_times(grid.spacing)} mm, not {_times(first.spacing)} mm"
    return "it lies elsewhere or is turned"


def _times(values: tuple[float, float, float]) -> str:
    return " × ".join(f"{value:.4g}" for value in values)


RULE = Rule(
    name=_NAME,
    check=_check,
    shared="In {count} of {all} cases images and labels are not on one grid.",
)
