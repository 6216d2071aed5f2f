"""Voxels that belong to two structures of different layers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "geometry.overlap"


def _measure(context: Context) -> Iterator[Sign]:
    if not context.layers:
        return
    for first, second in combinations(context.structures, 2):
        # The same structure twice is two opinions of it, and they may well overlap.
        if first.grid is not second.grid and first.name != second.name:
            shared = _shared(first, second)
            if shared.any():
                yield _sign(first, second, shared)


def _shared(first: Structure, second: Structure) -> Mask:
    """Return where, on the first structure's mask, both are."""
    shared = np.zeros_like(first.mask)
    low = np.maximum(first.offset, second.offset)
    high = np.minimum(first.offset + first.mask.shape, second.offset + second.mask.shape)
    if (low < high).all():
        here = tuple(map(slice, low - first.offset, high - first.offset))
        there = tuple(map(slice, low - second.offset, high - second.offset))
        shared[here] = first.mask[here] & second.mask[there]
    return shared


def _sign(first: Structure, second: Structure, shared: Mask) -> Sign:
    volume = float(np.count_nonzero(shared)) * first.voxel_volume
    return Sign(
        rule=_NAME,
        kind="shared",
        structure=first.name,
        score=volume / first.speckle,
        severity=Severity.REVIEW,
        title=f"{first.name} and {second.name} overlap by {plain(volume)} mm³.",
        explanation="What belongs to one structure cannot belong to another.",
        place=first.place(shared),
        evidence=(
            Evidence(quantity="volume of the overlap", measured=volume, expected="", unit="mm3"),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Voxels that belong to two structures of different layers.",
    advice="Decide which structure the voxels belong to.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={"shared": Threshold(value=1.0, unit="1", source="volume over that of a speckle")},
    measure=_measure,
)
