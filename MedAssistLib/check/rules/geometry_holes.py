"""Holes: unlabelled voxels that a structure encloses on all sides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "geometry.holes"
_MOST = 20


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        # What another structure fills, as a tumour does in an organ, is no hole.
        yield from _holes(structure, context.unlabelled(structure))


def _holes(structure: Structure, unlabelled: Mask) -> Iterator[Sign]:
    # The margin joins all that is open to the outside of the box; it is the first part.
    parts, number = ndimage.label(~structure.mask, output=np.int32)
    if number < 2:
        return
    sizes = np.bincount(parts[unlabelled], minlength=number + 1)
    boxes = ndimage.find_objects(parts)
    inner = np.flatnonzero(sizes[2:] > 0) + 2
    for part in inner[np.argsort(-sizes[inner], kind="stable")][:_MOST]:
        box = boxes[part - 1]
        hole = (parts[box] == part) & unlabelled[box]
        place = structure.place(hole, [side.start for side in box])
        yield _sign(structure, place, float(sizes[part]) * structure.voxel_volume)


def _sign(structure: Structure, place: Place, volume: float) -> Sign:
    return Sign(
        rule=_NAME,
        kind="hole",
        structure=structure.name,
        score=volume / structure.speckle,
        severity=Severity.REVIEW,
        title=f"{structure.name} has a hole of {plain(volume)} mm³ inside.",
        explanation="It is enclosed on all sides and belongs to no structure.",
        place=place,
        evidence=(
            Evidence(
                quantity="volume of the hole",
                measured=volume,
                expected="",
                unit="mm3",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Holes: unlabelled voxels that a structure encloses on all sides.",
    advice="Fill the hole, unless something else is truly there.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "hole": Threshold(
            value=1.0,
            unit="1",
            source="volume over that of a speckle; up to 0.5 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
