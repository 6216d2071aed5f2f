"""Whole parts that only one of the two has: missed by the person, or none for the model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.compared import Compared
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "opinion.parts"
_TOUCHING = np.ones((3, 3, 3), dtype=bool)
# The largest ones tell enough.
_MOST = 5


def _measure(context: Context) -> Iterator[Sign]:
    for pair in context.compared():
        yield from _parts(pair, "missed", pair.model, pair.drawn.mask)
        yield from _parts(pair, "extra", pair.drawn.mask, pair.model)
    if context.opinion is not None:
        known = {segment.name for segment in context.opinion.segmentation.segments}
        for structure in context.structures:
            if structure.name in known - context.second.keys():
                yield _sign(structure, "extra", structure.volume, structure.whole)


def _parts(pair: Compared, kind: str, mask: Mask, other: Mask) -> Iterator[Sign]:
    """Yield a sign for each connected part of one that has no voxel in common with the other."""
    labelled, _ = ndimage.label(mask, _TOUCHING, output=np.int32)
    sizes = np.bincount(labelled.ravel())
    sizes[np.unique(labelled[other])] = 0
    sizes[0] = 0
    boxes = ndimage.find_objects(labelled)
    for number in np.argsort(-sizes, kind="stable")[:_MOST]:
        if sizes[number] == 0:
            return
        box = boxes[number - 1]
        place = pair.drawn.place(labelled[box] == number, [side.start for side in box])
        yield _sign(pair.drawn, kind, float(sizes[number]) * pair.drawn.voxel_volume, place)


def _sign(structure: Structure, kind: str, volume: float, place: Place) -> Sign:
    name, size = structure.name, plain(volume)
    titles = {
        "missed": f"The model sees a further part of {name}, of {size} mm³, that is not drawn.",
        "extra": f"A part of {name}, of {size} mm³, is drawn where the model sees none of it.",
    }
    return Sign(
        rule=_NAME,
        kind=kind,
        structure=name,
        score=volume / structure.speckle,
        severity=Severity.REVIEW,
        title=titles[kind],
        explanation="It touches what both have nowhere, so that it is not only drawn otherwise.",
        place=place,
        evidence=(
            Evidence(quantity="volume of the part", measured=volume, expected="", unit="mm3"),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Whole parts that only the drawing or only the model has.",
    advice="Look at the part: draw it or remove it, or dismiss this where the model is wrong.",
    needs=frozenset({Need.SEGMENTATION, Need.OPINION}),
    thresholds={
        kind: Threshold(value=1.0, unit="1", source="volume over that of a speckle")
        for kind in ("missed", "extra")
    },
    measure=_measure,
)
