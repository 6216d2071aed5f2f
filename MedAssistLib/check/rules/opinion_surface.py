"""Patches where a structure goes beyond the model's, or the model's beyond it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.compared import Compared, Trust
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "opinion.surface"
# A patch is as large as a bell of this standard deviation, in voxels: a single voxel is none.
_PATCH = 1.5
# So many voxels about it are looked at to say how far it reaches.
_LOOKED_AT = 10.0

Index = tuple[int, int, int]


def _measure(context: Context) -> Iterator[Sign]:
    for pair in context.compared():
        for kind, weight in (("outside", pair.outside), ("inside", pair.inside)):
            around = pair.around(weight, _PATCH)
            k, j, i = np.unravel_index(int(around.argmax()), around.shape)
            top, score = (int(k), int(j), int(i)), float(around[k, j, i])
            if score > 0.0:
                yield _sign(pair, kind, weight, top, score)


def _sign(pair: Compared, kind: str, weight: Trust, top: Index, score: float) -> Sign:
    other = pair.trust > 0.0 if kind == "outside" else pair.drawn.mask
    far = plain(_reach(pair, weight, other, top), 2)
    titles = {
        "outside": f"{pair.name} is drawn up to {far} mm beyond where the model sees it.",
        "inside": f"The model sees {pair.name} up to {far} mm beyond where it is drawn.",
    }
    return Sign(
        rule=_NAME,
        kind=kind,
        structure=pair.name,
        score=score,
        severity=Severity.REVIEW,
        title=titles[kind],
        explanation="The model is sure there, and rarely differs so much from correct labels.",
        place=pair.place(weight, top),
        evidence=(
            Evidence(
                quantity="volume about there that differs, weighed by how sure the model is",
                measured=score * pair.width**3,
                expected="",
                unit="mm3",
            ),
        ),
    )


def _reach(pair: Compared, weight: Trust, other: Mask, top: Index) -> float:
    """Return how far the disagreement around a voxel lies from the other outline, mm."""
    spacing = pair.drawn.spacing
    room = [math.ceil(_LOOKED_AT * pair.width / step) for step in spacing]
    k, j, i = (slice(max(at - n, 0), at + n + 1) for at, n in zip(top, room, strict=True))
    away = ndimage.distance_transform_edt(~other[k, j, i], sampling=spacing)
    wrong = weight[k, j, i] > 0.0
    # Far from any of the other, no more can be said than that it is farther than that.
    most = float(away[wrong].max()) if other[k, j, i].any() else _LOOKED_AT * pair.width
    return min(most, _LOOKED_AT * pair.width)


RULE = Rule(
    name=_NAME,
    looks_for="Patches where a structure goes beyond the model's, or the model's beyond it.",
    advice="Look whose boundary follows the edge in the image; take the model's if it does.",
    needs=frozenset({Need.SEGMENTATION, Need.OPINION}),
    thresholds={
        kind: Threshold(
            value=40.0, unit="1", source="voxels, weighed; up to 38 in 208 clean hippocampi"
        )
        for kind in ("outside", "inside")
    },
    measure=_measure,
)
