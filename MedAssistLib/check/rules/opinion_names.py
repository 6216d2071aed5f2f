"""Structures that the model calls by another name: left for right, or a neighbour's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold

_NAME = "opinion.names"


def _measure(context: Context) -> Iterator[Sign]:
    if context.opinion is None:
        return
    made = context.opinion.segmentation
    labels = sitk.GetArrayViewFromImage(made.labels)
    names = {segment.label: segment.name for segment in made.segments}
    for structure in context.structures:
        if structure.name not in names.values():
            continue
        values = structure.crop(labels)[structure.inside].astype(np.int64)
        counts = np.bincount(values)
        counts[[value for value in range(len(counts)) if value not in names]] = 0
        most = int(counts.argmax())
        if counts[most] and names[most] != structure.name:
            yield _sign(structure, names[most], float(counts[most]) / structure.voxels)


def _sign(structure: Structure, other: str, share: float) -> Sign:
    return Sign(
        rule=_NAME,
        kind="name",
        structure=structure.name,
        score=share,
        severity=Severity.URGENT,
        title=f"What is drawn as {structure.name} is {other} for the model, by {share:.0%}.",
        explanation="The names may have been mixed up.",
        place=structure.whole,
        evidence=(
            Evidence(
                quantity=f"share of it that is {other} for the model",
                measured=share,
                expected="",
                unit="1",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Structures that the model calls by another name.",
    advice="See which of the two it is, and rename it.",
    needs=frozenset({Need.SEGMENTATION, Need.OPINION}),
    thresholds={"name": Threshold(value=0.5, unit="1", source="more than half of it")},
    measure=_measure,
)
