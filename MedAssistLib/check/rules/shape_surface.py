"""Structures that are ragged, smoothed over or stretched, unlike correct ones."""

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

_NAME = "shape.surface"
_SMOOTHEST = 1e-3
_ROUGHNESS = "share of the surface's voxels that a vote of their neighbours would change"
_COMPACTNESS = "surface over that of a ball of the same volume"
_TEXTS = {
    "ragged": ("has a more ragged surface than correct segmentations have.", _ROUGHNESS),
    "smooth": ("has a smoother surface than correct segmentations have.", _ROUGHNESS),
    "stretched": ("is less compact than correct segmentations are.", _COMPACTNESS),
    "round": ("is more compact than correct segmentations are.", _COMPACTNESS),
}


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        rough = max(_roughness(structure), _SMOOTHEST)
        yield _sign(structure, "ragged", rough, rough)
        yield _sign(structure, "smooth", 1.0 / rough, rough)
        if not structure.cut:
            compact = _compactness(structure)
            yield _sign(structure, "stretched", compact, compact)
            yield _sign(structure, "round", 1.0 / compact, compact)


def _roughness(structure: Structure) -> float:
    """Return how many voxels the vote of a voxel's 26 neighbours and itself would change.

    As a share of the voxels of the surface. The vote looks at voxels, not at millimetres.
    """
    votes = structure.mask.astype(np.uint8)
    for axis in range(3):
        votes = ndimage.convolve1d(votes, np.ones(3), axis=axis, output=np.uint8, mode="constant")
    surface = np.count_nonzero(structure.mask & (votes < 27))
    return float(np.count_nonzero(structure.mask ^ (votes >= 14)) / surface)


def _compactness(structure: Structure) -> float:
    """Return the surface over that of a ball of the same volume.

    The surface follows from Crofton's formula along the three axes: twice the mean of the
    projected areas, front and back.
    """
    spacing = np.array(structure.spacing)
    faces = [np.count_nonzero(np.diff(structure.mask, axis=axis)) for axis in range(3)]
    surface = 2.0 / 3.0 * float(np.sum(np.array(faces) * spacing.prod() / spacing))
    ball = (36.0 * math.pi * structure.volume**2) ** (1.0 / 3.0)
    return float(surface / ball)


def _sign(structure: Structure, kind: str, score: float, measured: float) -> Sign:
    title, quantity = _TEXTS[kind]
    return Sign(
        rule=_NAME,
        kind=kind,
        structure=structure.name,
        score=score,
        severity=Severity.REVIEW,
        title=f"{structure.name} {title}",
        explanation="It may be drawn carelessly, or smoothed until details were lost.",
        place=structure.whole,
        evidence=(Evidence(quantity=quantity, measured=measured, expected="", unit="1"),),
    )


_SOURCE = "only a calibration can say"
RULE = Rule(
    name=_NAME,
    looks_for="Structures that are ragged, smoothed over or stretched, unlike correct ones.",
    advice="Compare the boundary with the edge in the image, all round.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "ragged": Threshold(value=NEVER, unit="1", source=_SOURCE),
        "smooth": Threshold(value=NEVER, unit="1", source=_SOURCE, inverse=True),
        "stretched": Threshold(value=NEVER, unit="1", source=_SOURCE),
        "round": Threshold(value=NEVER, unit="1", source=_SOURCE, inverse=True),
    },
    measure=_measure,
)
