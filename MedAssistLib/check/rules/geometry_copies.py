"""A contour that was copied over several slices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.slices import Slices, across_all_axes
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.volumes import Mask

_NAME = "geometry.copies"
_FEWEST_VOXELS = 8
# A thin end may well look alike from slice to slice.
_SMALLEST_AREA = 0.2
_FEWEST_PAIRS = 4
_WITHIN_SLICES = np.zeros((3, 3, 3), dtype=bool)
_WITHIN_SLICES[1] = True


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        for slices in across_all_axes(structure):
            yield from _copies(slices)


def _copies(slices: Slices) -> Iterator[Sign]:
    """Yield a sign for each run of equal slices that is longer than the drawing's grid explains."""
    masks, areas = slices.masks, slices.areas
    fewest = max(_FEWEST_VOXELS, _SMALLEST_AREA * areas.max())
    compared = np.minimum(areas[1:], areas[:-1]) >= fewest
    changed = masks[1:] ^ masks[:-1]
    equal = compared & ~changed.any(axis=(1, 2))
    if not equal.any() or np.count_nonzero(compared) < _FEWEST_PAIRS:
        return
    usual = float(np.median(_pieces(changed[compared])))
    explained = round(2.0 * slices.grain) - 1
    for first, length in _runs(equal):
        # A run of n equal pairs is n + 1 equal slices.
        surplus = length + 1 - explained
        if surplus > 0 and usual > 0.0:
            yield _sign(slices, first, length + 1, surplus * usual)


def _pieces(masks: Mask) -> npt.NDArray[np.int64]:
    """Return in how many pieces each slice of a stack is.

    Pieces are counted and not voxels, because a straight side moves all at once.
    """
    parts, _ = ndimage.label(masks, _WITHIN_SLICES)
    first = [box[0].start for box in ndimage.find_objects(parts)]
    return np.bincount(first, minlength=len(masks))


def _runs(flags: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the first index and the length of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    for first, behind in zip(edges[::2], edges[1::2], strict=True):
        yield int(first), int(behind - first)


def _doubtful(slices: Slices, first: int, length: int) -> Mask:
    """Return the voxels of a run of equal slices that the slices around it do not bear out."""
    masks, behind = slices.masks, first + length
    rim = (masks[first - 1] ^ masks[first]) | (masks[behind] ^ masks[first])
    return np.repeat(rim[np.newaxis], length, axis=0)


def _sign(slices: Slices, first: int, length: int, score: float) -> Sign:
    name = slices.structure.name
    return Sign(
        rule=_NAME,
        kind="copy",
        structure=name,
        score=score,
        severity=Severity.REVIEW,
        title=f"{name} has the very same contour on {length} slices in a row.",
        explanation="Between its other slices the contour changes.",
        place=slices.place(_doubtful(slices, first, length), first),
        evidence=(
            Evidence(
                quantity="places at which the contour should have changed over these slices",
                measured=score,
                expected="",
                unit="1",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="A contour that was copied over several slices.",
    advice="Keep the slice that was drawn and draw the others anew, or dismiss this where the "
    "structure runs straight.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "copy": Threshold(
            value=6.0,
            unit="1",
            source="places; up to 6 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
