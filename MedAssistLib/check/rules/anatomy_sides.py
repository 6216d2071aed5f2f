"""Left and right exchanged, in one pair of structures or in the whole body."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.body import RIGHT_OF, Pair, pairs
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold

_NAME = "anatomy.sides"
# So many pairs, all exchanged, tell of the whole body.
_WHOLE_BODY = 3


def _measure(context: Context) -> Iterator[Sign]:
    known = [*pairs(context.structures), *_unpaired(context.structures)]
    wrong = [pair for pair in known if _beyond(pair) > 0.0]
    if len(wrong) == len(known) >= _WHOLE_BODY:
        yield _whole_body(wrong)
    else:
        yield from map(_exchanged, wrong)


def _unpaired(structures: tuple[Structure, ...]) -> Iterator[Pair]:
    """Yield single organs as pairs of the one that lies left and the one that lies right."""
    by_type = {structure.segment.type.value: structure for structure in structures}
    for right, left in RIGHT_OF:
        if right in by_type and left in by_type:
            yield Pair(by_type[left], by_type[right])


def _beyond(pair: Pair) -> float:
    """Return by how much, mm, the right one's centre lies to the left of the left one's."""
    return pair.right.centroid[0] - pair.left.centroid[0]


def _exchanged(pair: Pair) -> Sign:
    left, right = pair.left.name, pair.right.name
    return Sign(
        rule=_NAME,
        kind="exchanged",
        structure=left,
        score=_beyond(pair),
        severity=Severity.URGENT,
        title=f"{left} lies to the right of {right}: they seem to be exchanged.",
        explanation=f"In nearly every body {left} lies farther to the left than {right}.",
        place=_both(pair),
        evidence=(_evidence(pair),),
    )


def _whole_body(wrong: list[Pair]) -> Sign:
    return Sign(
        rule=_NAME,
        kind="exchanged",
        structure="",
        score=float(np.median([_beyond(pair) for pair in wrong])),
        severity=Severity.URGENT,
        title="Left and right are exchanged throughout, in the image or in the labels.",
        explanation=f"All of {len(wrong)} pairs of structures lie the other way round.",
        place=_both(wrong[0]),
        evidence=tuple(_evidence(pair) for pair in wrong),
    )


def _both(pair: Pair) -> Place:
    low = np.minimum(pair.left.whole.box[0], pair.right.whole.box[0])
    high = np.maximum(pair.left.whole.box[1], pair.right.whole.box[1])
    (x, y, z), (u, v, w) = low.tolist(), high.tolist()
    return Place(pair.left.centroid, ((x, y, z), (u, v, w)))


def _evidence(pair: Pair) -> Evidence:
    return Evidence(
        quantity=f"how far {pair.right.name} lies to the left of {pair.left.name}",
        measured=_beyond(pair),
        expected="",
        unit="mm",
    )


RULE = Rule(
    name=_NAME,
    looks_for="Left and right exchanged, in one pair of structures or in the whole body.",
    advice="Compare with a second source of the side before anything else is done with the image.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "exchanged": Threshold(
            value=5.0, unit="mm", source="none of 28 pairs of two clean CT is exchanged at all"
        )
    },
    measure=_measure,
)
