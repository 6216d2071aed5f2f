"""Single slices whose contour sticks out beyond those of both neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.slices import Slices, across_all_axes, count, rim
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "geometry.spikes"
_FEWEST_VOXELS = 8
_FEWEST_SLICES = 4


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        for slices in across_all_axes(structure):
            sign = _sharpest(slices)
            if sign is not None:
                yield sign


def _sharpest(slices: Slices) -> Sign | None:
    """Return the slice that sticks out most, measured against how much the others do."""
    masks, areas = slices.masks, slices.areas
    if len(masks) < _FEWEST_SLICES + 2:
        return None
    beside = masks[:-2] | masks[2:]
    inside = (areas[:-2] > 0) & (areas[2:] > 0) & (areas[1:-1] >= _FEWEST_VOXELS)
    out = masks[1:-1] & ~beside
    width = np.where(inside, count(out) / rim(count(beside)), 0.0)
    first = int(width.argmax())
    others = inside & (np.abs(np.arange(len(width)) - first) > 1)
    if not inside[first] or not others.any():
        return None
    most, usual = float(width[first]), float(width[others].max())
    return _sign(slices, first + 1, out[first], most, usual) if most > usual else None


def _sign(slices: Slices, number: int, out: Mask, width: float, usual: float) -> Sign:
    name = slices.structure.name
    reach = plain(width * slices.width, 2)
    return Sign(
        rule=_NAME,
        kind="spike",
        structure=name,
        score=(width - usual) / slices.grain_within,
        severity=Severity.REVIEW,
        title=f"{name} sticks out on a single slice, by {reach} mm all round.",
        explanation="Neither neighbouring slice shows it there, and no other slice does so.",
        place=slices.place(out[np.newaxis], number),
        evidence=(
            Evidence(
                quantity="by how much it sticks out more than on its other slices",
                measured=(width - usual) * slices.width,
                expected="",
                unit="mm",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Single slices whose contour sticks out beyond those of both neighbours.",
    advice="Compare the contour of this slice with the slices before and after it.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "spike": Threshold(
            value=0.7,
            unit="1",
            source="voxels; up to 0.65 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
