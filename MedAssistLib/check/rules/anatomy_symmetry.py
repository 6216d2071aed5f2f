"""Paired organs of very different size, or of which one is not drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from MedAssistLib.case import Evidence, Point, Severity
from MedAssistLib.check.body import Pair, by_sides, pairs
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain

_NAME = "anatomy.symmetry"
# Pairs that differ by nature: vessels, of which one often dominates, and chambers of the heart.
_UNEQUAL = ("artery", "vein", "atrium", "ventricle", "sinus", "bronchus")
_OTHER = {"left": "right", "right": "left"}


def _measure(context: Context) -> Iterator[Sign]:
    known = pairs(context.structures)
    for pair in known:
        if _comparable(pair.left) and _comparable(pair.right):
            yield _unequal(pair)
    for both in by_sides(context.structures).values():
        if len(both) == 1 and known:
            ((side, only),) = both.items()
            yield from _alone(only, side, known)


def _comparable(structure: Structure) -> bool:
    """Tell whether a structure is wholly in the image, and as large as its partner by nature."""
    return not structure.cut and not any(word in structure.name.casefold() for word in _UNEQUAL)


def _unequal(pair: Pair) -> Sign:
    smaller, larger = sorted(pair, key=lambda structure: structure.volume)
    ratio = larger.volume / smaller.volume
    return Sign(
        rule=_NAME,
        kind="ratio",
        structure=smaller.name,
        score=ratio,
        severity=Severity.REVIEW,
        title=f"{smaller.name} is {plain(ratio, 2)} times smaller than {larger.name}.",
        explanation="Both sides of a pair are about as large in most people.",
        place=smaller.whole,
        evidence=(
            Evidence(
                quantity="volume of the larger one over that of the smaller",
                measured=ratio,
                expected="",
                unit="1",
            ),
        ),
    )


def _alone(only: Structure, side: str, known: Sequence[Pair]) -> Iterator[Sign]:
    """Yield a sign if the partner of a structure is not there although the image would show it."""
    middle = float(np.median([(p.left.centroid[0] + p.right.centroid[0]) / 2.0 for p in known]))
    place = _mirrored(only.whole, middle)
    if not _comparable(only) or not all(_inside(only, corner) for corner in place.box):
        return
    yield Sign(
        rule=_NAME,
        kind="alone",
        structure=only.name,
        score=1.0,
        severity=Severity.REVIEW,
        title=f"{only.name} is there, and its partner on the {_OTHER[side]} is not.",
        explanation="The image shows the place where the partner would lie.",
        place=place,
    )


def _mirrored(place: Place, middle: float) -> Place:
    """Return a place on the other side of the body's middle plane, which lies at an L position."""
    (x, y, z), ((low, a, b), (high, c, d)) = place
    return Place(
        (2.0 * middle - x, y, z), ((2.0 * middle - high, a, b), (2.0 * middle - low, c, d))
    )


def _inside(structure: Structure, point: Point) -> bool:
    index = structure.grid.TransformPhysicalPointToContinuousIndex(point)
    size = structure.grid.GetSize()
    return all(-0.5 <= at <= count - 0.5 for at, count in zip(index, size, strict=True))


RULE = Rule(
    name=_NAME,
    looks_for="Paired organs of very different size, or of which one is not drawn.",
    advice="See whether one is drawn too small or too large, or was left out.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "ratio": Threshold(
            value=2.0, unit="1", source="a factor of 2; the pairs of clean CT show up to 1.6"
        ),
        "alone": Threshold(value=0.5, unit="1", source="one is enough"),
    },
    measure=_measure,
)
