"""Structures without a voxel, and voxels without a structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from MedAssistLib.case import Evidence, Segment, Segmentation, Severity
from MedAssistLib.check.context import Context, structures
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold

_NAME = "geometry.labels"
_GREY = (128, 128, 128)


def _measure(context: Context) -> Iterator[Sign]:
    names = {structure.name for structure in context.structures}
    if not names:
        yield _nothing()
    segments = [segment for made in context.drawn for segment in made.segments]
    empty = [segment.name for segment in segments if segment.name not in names]
    seen: Mapping[str, Structure] = {}
    if context.opinion is not None and Need.OPINION in context.has:
        seen = context.second
        known = {segment.name for segment in context.opinion.segmentation.segments}
        # What the model does not see either is not missing.
        empty = [name for name in empty if name in seen or name not in known]
    for name in empty if names else ():
        yield _empty(name, len(empty), seen.get(name))
    for made in context.drawn:
        yield from _unknown(made)


def _nothing() -> Sign:
    return Sign(
        rule=_NAME,
        kind="nothing",
        structure="",
        score=1.0,
        severity=Severity.URGENT,
        title="The segmentation is empty.",
        explanation="Not a single voxel belongs to a structure.",
    )


def _empty(name: str, count: int, seen: Structure | None) -> Sign:
    there = "The model sees it here." if seen else "It may lie outside the scan."
    return Sign(
        rule=_NAME,
        kind="empty",
        structure=name,
        # One structure among few was forgotten; of a hundred, most are elsewhere in the body.
        score=1.0 / count,
        severity=Severity.REVIEW,
        title=f"{name} is listed, but nothing is drawn.",
        explanation=f"It may have been forgotten. {there}",
        place=seen.whole if seen else None,
        evidence=(
            Evidence(
                quantity="structures that are listed and not drawn",
                measured=float(count),
                expected="",
                unit="1",
            ),
        ),
    )


def _unknown(made: Segmentation) -> Iterator[Sign]:
    """Yield a sign for each value of the label image that no segment has."""
    known = {0, *(segment.label for segment in made.segments)}
    values = np.unique(sitk.GetArrayViewFromImage(made.labels))
    below = int(np.count_nonzero(values < 0))
    if below:
        yield _stray(f"{below} values below zero", float(below))
    strays = [int(value) for value in values if value > 0 and int(value) not in known]
    if not strays:
        return
    named = tuple(Segment(label=v, name=f"value {v}", colour=_GREY) for v in strays)
    for structure in structures(replace(made, segments=named)):
        sign = _stray(f"the value {structure.segment.label}", structure.volume / structure.speckle)
        yield replace(sign, place=structure.whole)


def _stray(what: str, score: float) -> Sign:
    return Sign(
        rule=_NAME,
        kind="unknown",
        structure="",
        score=score,
        severity=Severity.REVIEW,
        title=f"The label image has {what}, which belongs to no structure.",
        explanation="Something was drawn that has no name.",
    )


RULE = Rule(
    name=_NAME,
    looks_for="Structures without a voxel, and voxels without a structure.",
    advice="Draw what is missing, name what is unknown, or remove it.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "nothing": Threshold(value=0.0, unit="1", source="one is enough"),
        "empty": Threshold(
            value=0.2,
            unit="1",
            source="one over the number of empty structures: up to four are told",
            inverse=True,
        ),
        "unknown": Threshold(value=0.0, unit="1", source="one is enough"),
    },
    measure=_measure,
)
