"""Structures that are thinner or thicker than correct ones are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import NEVER, Threshold

_NAME = "shape.depth"
# Larger masks are looked at on a coarser grid: every second voxel, or every third.
_MOST_VOXELS = 2_000_000
_TEXTS = {
    "thin": ("is thinner than in correct segmentations.", "Its boundary may lie too far in."),
    "thick": ("is thicker than in correct segmentations.", "Its boundary may lie too far out."),
}


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        if not structure.cut:
            depth = _depth(structure)
            yield _sign(structure, "thin", 1.0 / depth, depth)
            yield _sign(structure, "thick", depth, depth)


def _depth(structure: Structure) -> float:
    """Return how deep, mm, a structure's voxels lie below its surface, on average.

    About a quarter of the thickness of a plate, a sixth of the diameter of a tube.
    """
    mask, step = structure.mask, math.ceil((structure.mask.size / _MOST_VOXELS) ** (1.0 / 3.0))
    coarse = mask[::step, ::step, ::step]
    if not coarse.any():
        coarse, step = mask, 1
    spacing = [size * step for size in structure.spacing]
    depth = ndimage.distance_transform_edt(np.pad(coarse, 1), sampling=spacing)
    return float(depth[depth > 0.0].mean())


def _sign(structure: Structure, kind: str, score: float, depth: float) -> Sign:
    title, explanation = _TEXTS[kind]
    return Sign(
        rule=_NAME,
        kind=kind,
        structure=structure.name,
        score=score,
        severity=Severity.REVIEW,
        title=f"{structure.name} {title}",
        explanation=explanation,
        place=structure.whole,
        evidence=(
            Evidence(
                quantity="mean depth below the surface", measured=depth, expected="", unit="mm"
            ),
        ),
    )


_SOURCE = "only a calibration can say"
RULE = Rule(
    name=_NAME,
    looks_for="Structures that are thinner or thicker than correct ones are.",
    advice="Compare the boundary with the edge in the image, all round.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "thin": Threshold(value=NEVER, unit="mm-1", source=_SOURCE, inverse=True),
        "thick": Threshold(value=NEVER, unit="mm", source=_SOURCE),
    },
    measure=_measure,
)
