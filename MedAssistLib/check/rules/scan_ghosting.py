"""Ghosts of the body in the air beside it in an MR scan: movement, pulsation, EPI's half shift."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import Survey, survey
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.volumes import Mask

_NAME = "scan.ghosting"
_DIRECTIONS = ("head to foot", "front to back", "left to right")
_LEAST_VOXELS = 100
_LEAST_AIR = 0.05


def _measure(context: Context) -> Iterator[Sign]:
    if context.scan.modality != "MR":
        return
    seen = survey(context)
    if np.count_nonzero(seen.around) < _LEAST_AIR * seen.around.size or not seen.body.any():
        return
    inside = seen.coarse[seen.body]
    signal = float(np.median(inside[inside >= np.median(inside)]))
    excess = [_excess(seen, axis) for axis in range(3)]
    axis = int(np.argmax(excess))
    percent = 100.0 * excess[axis] / signal if signal > 0.0 else 0.0
    if percent <= 0.0:
        return
    yield Sign(
        rule=_NAME,
        kind="ghost",
        structure="",
        score=percent,
        severity=Severity.REVIEW,
        title=f"Ghosts of the body lie beside it, {_DIRECTIONS[axis]}: {percent:.1f} % of its "
        "brightness.",
        explanation="In the air, the body's brightness repeats along one direction only, as "
        "movement or pulsation makes it; the same ghosts lie over the body, where they are "
        "harder to see.",
        place=seen.place(_lane(seen, axis)),
        evidence=(
            Evidence(
                quantity="brightness of the air along that direction, above the other air",
                measured=percent,
                expected="",
                unit="%",
            ),
        ),
    )


def _lane(seen: Survey, axis: int) -> Mask:
    """Return the air that lies in line with the body along one axis, and along no other."""
    in_line = [seen.body.any(axis=other, keepdims=True) for other in range(3)]
    first, second = (in_line[other] for other in range(3) if other != axis)
    lane: Mask = seen.around & in_line[axis] & ~first & ~second
    return lane


def _excess(seen: Survey, axis: int) -> float:
    """Return how much brighter the air in line with the body along an axis is than the other."""
    lane = _lane(seen, axis)
    rest = seen.around & ~seen.body.any(axis=axis, keepdims=True)
    if min(np.count_nonzero(lane), np.count_nonzero(rest)) < _LEAST_VOXELS:
        return 0.0
    return float(seen.coarse[lane].mean() - seen.coarse[rest].mean())


RULE = Rule(
    name=_NAME,
    looks_for="Ghosts of the body in the air beside it in an MR scan: movement, pulsation, or "
    "the half shift of EPI.",
    advice="Look at the contours along that direction; repeat the scan if they matter.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "ghost": Threshold(
            value=1.5,
            unit="%",
            source="at most 0.5 on 6 real MR scans; 2.0 and more with ghosts of 3 %",
        )
    },
    measure=_measure,
)
