"""Structures that end before the model's do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.compared import Compared
from MedAssistLib.check.context import Context
from MedAssistLib.check.directions import across, ends
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain

_NAME = "opinion.ends"
_SOURCE = "voxels, weighed; in 208 clean hippocampi"


def _measure(context: Context) -> Iterator[Sign]:
    for pair in context.compared():
        (box,) = ndimage.find_objects(pair.drawn.mask.astype(np.uint8))
        for axis, side in enumerate(box):
            slices = np.moveaxis(pair.inside, axis, 0)
            before, behind = slices[: side.start].sum(), slices[side.stop :].sum()
            last = bool(behind > before)
            if max(before, behind) > 0.0:
                edge = slice(side.stop, None) if last else slice(None, side.start)
                yield _sign(pair, axis, edge, last=last)


def _sign(pair: Compared, axis: int, edge: slice, *, last: bool) -> Sign:
    """Return a sign for what the model sees in the slices beyond an end of what is drawn."""
    kept = np.zeros_like(pair.inside)
    beyond = tuple(edge if n == axis else slice(None) for n in range(3))
    kept[beyond] = pair.inside[beyond]
    others = tuple(n for n in range(3) if n != axis)
    far = np.count_nonzero((kept > 0.0).any(axis=others)) * pair.drawn.spacing[axis]
    volume = float(kept.sum()) * pair.drawn.voxel_volume
    where = ends(pair.drawn.grid, axis)[last]
    return Sign(
        rule=_NAME,
        kind=across(pair.drawn.grid, axis),
        structure=pair.name,
        score=volume / pair.width**3,
        severity=Severity.REVIEW,
        title=f"{pair.name} ends {plain(far, 2)} mm before the model's does, at its {where} end.",
        explanation="What the model sees beyond may have been cut off.",
        place=pair.drawn.place(kept > 0.0),
        evidence=(
            Evidence(
                quantity="volume beyond the end, weighed by how sure the model is",
                measured=volume,
                expected="",
                unit="mm3",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Structures that end before the model's do.",
    advice="Go on beyond the last slice, and draw what belongs to it.",
    needs=frozenset({Need.SEGMENTATION, Need.OPINION}),
    thresholds={
        "left-right": Threshold(value=70.0, unit="1", source=f"{_SOURCE}, up to 67"),
        "front-back": Threshold(
            value=150.0, unit="1", source=f"{_SOURCE}, up to 143 in 204 of them"
        ),
        "up-down": Threshold(value=70.0, unit="1", source=f"{_SOURCE}, up to 18"),
    },
    measure=_measure,
)
