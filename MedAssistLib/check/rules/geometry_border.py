"""Leaks: a long thin part of a structure that runs to the border of the image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.slices import Slices, across_all_axes
from MedAssistLib.check.structure import MARGIN
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain

_NAME = "geometry.border"
# Thinner than this share of the structure's largest section is a tail.
_THIN = 0.2


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        for slices in across_all_axes(structure):
            first, last = structure.borders[slices.axis]
            if first:
                yield from _tail(slices, from_last=False)
            if last:
                yield from _tail(slices, from_last=True)


def _tail(slices: Slices, *, from_last: bool) -> Iterator[Sign]:
    """Yield a sign if the structure is thin at the border and for a while behind it."""
    areas = slices.areas[::-1] if from_last else slices.areas
    areas = areas[MARGIN:]
    thin = (areas > 0) & (areas <= _THIN * areas.max())
    length = int(np.argmin(thin))
    if length == 0:
        return
    width = float(np.sqrt(areas[:length].mean())) * slices.width
    first = len(slices.areas) - MARGIN - length if from_last else MARGIN
    yield _sign(slices, first, length, width)


def _sign(slices: Slices, first: int, count: int, width: float) -> Sign:
    name = slices.structure.name
    length = count * slices.thickness
    return Sign(
        rule=_NAME,
        kind="tail",
        structure=name,
        score=length / width,
        severity=Severity.REVIEW,
        title=f"{name} runs to the border of the image in a thin tail {plain(length, 2)} mm long.",
        explanation=f"The tail is only about {plain(width, 2)} mm wide, and the rest far wider.",
        place=slices.place(slices.masks[first : first + count], first),
        evidence=(
            Evidence(
                quantity="length of the tail over its width",
                measured=length / width,
                expected="",
                unit="1",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Leaks: a long thin part of a structure that runs to the border of the image.",
    advice="Cut the tail off where the structure ends.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "tail": Threshold(
            value=2.0,
            unit="1",
            source="up to 0.58 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
