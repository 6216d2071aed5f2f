"""Small parts of a structure that hang in the air, away from the rest of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.slices import FEWEST_SHARED, WIDEST_GAP
from MedAssistLib.check.structure import MARGIN, Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain

_NAME = "geometry.islands"
# A part of more than that share of its structure is a piece of it rather than a slip.
_LARGEST_SHARE = 0.25
# A part whose contour shares so much of the rest's goes on beyond a gap, which is told instead.
_SAME_CONTOUR = 0.33
# The largest ones tell enough of a structure that is nothing but islands.
_MOST = 20
# Structures that are several pieces by nature, or trees whose thin branches a grid tears (SCT).
_MANY_PIECES = frozenset(
    {
        "50016007",  # costal cartilage
        "30315005",  # small intestine
        "71854001",  # colon
        "110765007",  # portal vein and splenic vein
    }
)
_ALTERED = "49755003"


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        segment = structure.segment
        if segment.type.value not in _MANY_PIECES and segment.category.value != _ALTERED:
            yield from _islands(structure)


def _islands(structure: Structure) -> Iterator[Sign]:
    labelled, sizes = structure.parts
    small = np.flatnonzero(sizes <= _LARGEST_SHARE * structure.voxels)
    boxes = ndimage.find_objects(labelled)
    for number in small[np.argsort(-sizes[small], kind="stable")][:_MOST]:
        box = boxes[number]
        if _at_border(structure, box) or _beyond_gap(labelled, number + 1, box):
            continue
        start = [part.start for part in box]
        volume = float(sizes[number]) * structure.voxel_volume
        yield _sign(structure, structure.place(labelled[box] == number + 1, start), volume)


def _at_border(structure: Structure, box: tuple[slice, ...]) -> bool:
    """Tell whether a part reaches the border of the image: it may hang together beyond it."""
    return any(
        (first and part.start == MARGIN) or (last and part.stop == length - MARGIN)
        for part, (first, last), length in zip(
            box, structure.borders, structure.mask.shape, strict=True
        )
    )


def _beyond_gap(labelled: npt.NDArray[np.int32], number: int, box: tuple[slice, ...]) -> bool:
    """Tell whether a part goes on as the same contour behind a few slices that miss it."""
    return any(
        _goes_on(np.moveaxis(labelled, axis, 0)[::step], number, face)
        for axis, side in enumerate(box)
        for step, face in ((1, side.stop - 1), (-1, labelled.shape[axis] - 1 - side.start))
    )


def _goes_on(slices: npt.NDArray[np.int32], number: int, face: int) -> bool:
    """Tell whether a part whose last slice is ``face`` goes on behind a gap."""
    drawn = slices > 0
    for behind in range(face + 2, min(face + 2 + WIDEST_GAP, len(slices))):
        mine, rest = slices[face] == number, drawn[behind] & (slices[behind] != number)
        both = drawn[face] & drawn[behind]
        lost = both & ~drawn[face + 1 : behind].any(axis=0)
        larger = max(np.count_nonzero(mine), np.count_nonzero(rest))
        # The rule about gaps speaks where most of what both sides have is missing between them.
        gap = np.count_nonzero(lost) > 0.5 * np.count_nonzero(both)
        if gap and np.count_nonzero(lost & mine) >= max(FEWEST_SHARED, _SAME_CONTOUR * larger):
            return True
    return False


def _sign(structure: Structure, place: Place, volume: float) -> Sign:
    return Sign(
        rule=_NAME,
        kind="island",
        structure=structure.name,
        score=volume / structure.speckle,
        severity=Severity.REVIEW,
        title=f"{structure.name} has an island of {plain(volume)} mm³ away from the rest.",
        explanation="A small part that touches the rest nowhere is often a slip.",
        place=place,
        evidence=(
            Evidence(
                quantity="volume of the island",
                measured=volume,
                expected="",
                unit="mm3",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Small parts of a structure that hang in the air, away from the rest of it.",
    advice="Remove the island, or draw what joins it to the rest.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "island": Threshold(
            value=1.0,
            unit="1",
            source="volume over that of a speckle; up to 0.8 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
