"""Leaks into a neighbour: a structure that bites a piece out of the one beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.check.words import plain
from MedAssistLib.volumes import Mask

_NAME = "geometry.bites"
# What a ball of this radius cannot reach from outside the bitten structure is part of a bite.
_REACH_MM = 6.0
# Of finer voxels only every second one is looked at, or every third.
_FINEST_MM = 1.0
# What others surround a larger share of runs through them, whatever its name: a canal, a vein.
_MOST_INSIDE = 0.2
_INSIDE_OTHERS = ("vein", "vena", "artery", "aorta", "cord", "canal", "ventricle", "gallbladder")
_ALTERED = "49755003"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Bite:
    """The largest piece that ``biter`` has of what ``bitten`` surrounds; volume in mm³."""

    bitten: Structure
    biter: Structure
    mask: Mask
    volume: float


def _measure(context: Context) -> Iterator[Sign]:
    bites: list[_Bite] = []
    for structure in context.structures:
        beside = {
            other.segment.label: other
            for other in context.structures
            if other.grid is structure.grid and other is not structure and not _lies_inside(other)
        }
        bites += _bite(structure, beside)
    inside: defaultdict[str, float] = defaultdict(float)
    for bite in bites:
        inside[bite.biter.name] += bite.volume
    for bite in bites:
        if inside[bite.biter.name] <= _MOST_INSIDE * bite.biter.volume:
            yield _sign(bite)


def _lies_inside(structure: Structure) -> bool:
    """Tell whether a structure runs through others by nature, or is a tumour of them."""
    segment = structure.segment
    text = f"{segment.name} {segment.type.meaning}".casefold()
    return segment.category.value == _ALTERED or any(word in text for word in _INSIDE_OTHERS)


def _bite(structure: Structure, beside: Mapping[int, Structure]) -> Iterator[_Bite]:
    """Yield the largest piece that another structure has of what this one surrounds."""
    steps = [max(1, int(_FINEST_MM / size)) for size in structure.spacing]
    every = tuple(slice(None, None, step) for step in steps)
    mask, values = structure.mask[every], _values(structure)[every]
    taken = np.isin(values, list(beside)) & ~mask
    if not taken.any():
        return
    spacing = [size * step for size, step in zip(structure.spacing, steps, strict=True)]
    parts, number = ndimage.label(_closed(mask, spacing) & taken)
    if number == 0:
        return
    sizes = np.bincount(parts.ravel())[1:]
    largest = parts == int(sizes.argmax()) + 1
    biter = beside[int(np.bincount(values[largest]).argmax())]
    bite = np.zeros_like(structure.mask)
    bite[every] = largest
    volume = float(sizes.max() * np.prod(spacing))
    yield _Bite(bitten=structure, biter=biter, mask=bite, volume=volume)


def _values(structure: Structure) -> npt.NDArray[np.int64]:
    """Return the label values on the structure's mask; 0 outside the image."""
    values = np.zeros(structure.mask.shape, dtype=np.int64)
    inner, outer = structure.window
    values[inner] = sitk.GetArrayViewFromImage(structure.grid)[outer]
    return values


def _closed(mask: Mask, spacing: Sequence[float]) -> Mask:
    """Return a mask, closed by a ball; axes (k, j, i), spacing in mm."""
    k, j, i = (max(1, round(_REACH_MM / size)) for size in spacing)
    # A closing needs room for its ball, which the mask's own margin does not give.
    padded = np.pad(mask, [(k, k), (j, j), (i, i)]).astype(np.uint8)
    closed = sitk.BinaryMorphologicalClosing(sitk.GetImageFromArray(padded), (i, j, k))
    array: Mask = sitk.GetArrayFromImage(closed) > 0
    return array[k:-k, j:-j, i:-i]


def _sign(bite: _Bite) -> Sign:
    structure = bite.bitten
    return Sign(
        rule=_NAME,
        kind="bite",
        structure=structure.name,
        score=bite.volume / structure.speckle,
        severity=Severity.REVIEW,
        title=f"{bite.biter.name} bites {plain(bite.volume)} mm³ out of {structure.name}.",
        explanation="What the bitten structure surrounds often belongs to it.",
        place=structure.place(bite.mask),
        evidence=(
            Evidence(quantity="volume of the bite", measured=bite.volume, expected="", unit="mm3"),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Leaks into a neighbour: a structure that bites a piece out of the one beside it.",
    advice="Look at the border between the two, and draw it anew where the image shows it.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "bite": Threshold(
            value=4.0,
            unit="1",
            source="volume over that of a speckle; up to 3.7 in 208 clean hippocampi and two CT",
        )
    },
    measure=_measure,
)
