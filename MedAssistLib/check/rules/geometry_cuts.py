"""Structures that end in a plane inside the image, as if the rest had not been drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.slices import Slices, across_all_axes
from MedAssistLib.check.structure import MARGIN
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.volumes import Mask

_NAME = "geometry.cuts"
_FEWEST_VOXELS = 25
_FEWEST_SLICES = 4


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        free = context.unlabelled(structure)
        for slices in across_all_axes(structure):
            if len(slices.masks) < _FEWEST_SLICES + 2 * MARGIN:
                continue
            beyond = np.moveaxis(free, slices.axis, 0)
            first, last = structure.borders[slices.axis]
            if not first:
                yield from _end(slices, MARGIN, 1, beyond[0])
            if not last:
                yield from _end(slices, len(slices.masks) - 1 - MARGIN, -1, beyond[-1])


def _end(slices: Slices, number: int, inwards: int, beyond: Mask) -> Iterator[Sign]:
    """Yield a sign for the last slice at an end, as far as nothing else is drawn beyond it.

    Only what the slice before it has too counts, or each face of a thin plate would be an end.
    """
    end = slices.masks[number] & beyond & slices.masks[number + inwards]
    area = np.count_nonzero(end)
    if area >= _FEWEST_VOXELS:
        yield _sign(slices, number, end, float(area / slices.areas.max()))


def _sign(slices: Slices, number: int, end: Mask, share: float) -> Sign:
    name = slices.structure.name
    return Sign(
        rule=_NAME,
        kind="flat end",
        structure=name,
        score=share,
        severity=Severity.REVIEW,
        title=f"{name} ends in a plane, as if it were cut off.",
        explanation="Its last slice is nearly as large as its largest one.",
        place=slices.place(end[np.newaxis], number),
        evidence=(
            Evidence(
                quantity="area of the last slice over that of the largest",
                measured=share,
                expected="",
                unit="1",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Structures that end in a plane inside the image, as if the rest were not drawn.",
    advice="See whether the structure goes on beyond this slice.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "flat end": Threshold(
            value=0.8,
            unit="1",
            source="up to 0.73 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
