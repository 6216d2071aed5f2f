"""Stair-steps: from one slice to the next, the whole contour jumps sideways."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.slices import Numbers, Slices, across_all_axes, count, rim
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "geometry.steps"
_FEWEST_VOXELS = 12
# Towards its ends a structure changes fast; those slices are not compared.
_SMALLEST_AREA = 0.3
_FEWEST_PAIRS = 4
_WORTH_SAYING = 0.2


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        for slices in across_all_axes(structure):
            yield from _steps(slices)


def _steps(slices: Slices) -> Iterator[Sign]:
    """Yield a sign for each slice after which the contour jumps; repeated slices count once."""
    numbers = _drawn(slices.masks)
    masks, areas = slices.masks[numbers], slices.areas[numbers]
    smaller = np.minimum(areas[1:], areas[:-1])
    compared = smaller >= max(_FEWEST_VOXELS, _SMALLEST_AREA * areas.max())
    if np.count_nonzero(compared) < _FEWEST_PAIRS:
        return
    moved = np.diff(_centres(masks, areas), axis=0)
    for at in np.flatnonzero(compared):
        beside = [n for n in (at - 1, at + 1) if 0 <= n < len(moved) and compared[n]]
        if not beside:
            continue
        jump = np.rint(moved[at] - np.mean(moved[beside], axis=0)).astype(int)
        if jump.any():
            score = _undone(masks[at], masks[at + 1], jump) / slices.grain_within
            if score > _WORTH_SAYING:
                yield _sign(slices, int(numbers[at + 1]) - 1, score)


def _drawn(masks: Mask) -> npt.NDArray[np.int64]:
    """Return the numbers of the slices that are not the same as the one before."""
    changes = (masks[1:] != masks[:-1]).any(axis=(1, 2))
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _centres(masks: Mask, areas: Numbers) -> Numbers:
    """Return the centre (row, column) of each slice; 0 for an empty one."""
    rows = np.count_nonzero(masks, axis=2) @ np.arange(masks.shape[1])
    columns = np.count_nonzero(masks, axis=1) @ np.arange(masks.shape[2])
    return np.column_stack([rows, columns]) / np.maximum(areas, 1.0)[:, np.newaxis]


def _undone(here: Mask, there: Mask, jump: npt.NDArray[np.int64]) -> float:
    """Return how wide a rim of differences, in voxels, vanishes if a jump is undone.

    Less where the two slices differ in size, because a true jump changes the place and not that.
    """
    apart = np.count_nonzero(here ^ there)
    # Nothing can be rolled round an end: a structure has a margin, and jumps are small.
    left = np.count_nonzero(here ^ np.roll(there, tuple(-jump), axis=(0, 1)))
    areas = count(np.stack([here, there]))
    alike = float(areas.min() / areas.max())
    return max(float(apart - left) / float(rim(areas).max()) * alike**2, 0.0)


def _sign(slices: Slices, number: int, score: float) -> Sign:
    name = slices.structure.name
    pair = slices.masks[number : number + 2]
    measured = score * slices.grain_within * slices.width
    far = plain(measured, 2)
    return Sign(
        rule=_NAME,
        kind="step",
        structure=name,
        score=score,
        severity=Severity.REVIEW,
        title=f"{name} jumps sideways from one slice to the next, by about {far} mm.",
        explanation="The contours before and after the jump fit together if one is pushed back.",
        place=slices.place(pair & (pair[0] ^ pair[1]), number),
        evidence=(
            Evidence(
                quantity="width of the rim by which the two contours are displaced",
                measured=measured,
                expected="",
                unit="mm",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Slices from which on the whole contour has jumped sideways.",
    advice="Look at it from the side; push the slices back, or smooth the step.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "step": Threshold(
            value=0.85,
            unit="1",
            source="voxels; up to 0.77 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
