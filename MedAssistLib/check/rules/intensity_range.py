"""A structure that is too bright or too dark for what it is, or that holds a piece that is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.ranges import INTENSITY, SHIPPED, read_ranges
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.survey import survey
from MedAssistLib.check.thresholds import NEVER, Threshold
from MedAssistLib.check.tissue import mixed
from MedAssistLib.volumes import Mask, largest_component

_NAME = "intensity.range"
_HOUNSFIELD = "[hnsf'U]"
# Scores must not fall below 0; no scanner measures less, nor more but for metal.
_LEAST_HU, _MOST_HU = -1100.0, 3100.0
_LEAST_VOXELS = 30
_STRANGE = 4.0
_LEARNED = "as in the clean cases"
# Median absolute deviation of a normal distribution over its standard deviation.
_MEDIAN_DEVIATION = 0.6745
_CROSS = ndimage.generate_binary_structure(3, 1)


def _measure(context: Context) -> Iterator[Sign]:
    for structure in context.structures:
        values = structure.crop(context.voxels)[structure.inside].astype(np.float64)
        if len(values) < _LEAST_VOXELS:
            continue
        median = float(np.median(values))
        if context.scan.modality == "CT":
            yield from _hounsfield(structure, median)
            yield from _published(structure, median, context)
        elif context.scan.modality == "MR":
            yield from _rank(structure, median, context)
        yield from _strange(structure, values, median, context)


def _hounsfield(structure: Structure, median: float) -> Iterator[Sign]:
    shown = f"{median:.0f} HU in the middle"
    number = Evidence(
        quantity="median intensity", measured=median, expected=_LEARNED, unit=_HOUNSFIELD
    )
    yield _sign(structure, "bright-ct", median - _LEAST_HU, shown, number)
    yield _sign(structure, "dark-ct", _MOST_HU - median, shown, number)


def _rank(structure: Structure, median: float, context: Context) -> Iterator[Sign]:
    """Compare an MR scan's brightness, which has no scale, with that of the rest of the body."""
    seen = survey(context)
    inside = seen.coarse[seen.body]
    if not inside.size:
        return
    rank = 100.0 * float(np.mean(inside < median))
    shown = f"brighter than {rank:.0f} % of the body"
    number = Evidence(quantity="rank in the body", measured=rank, expected=_LEARNED, unit="%")
    yield _sign(structure, "bright-mr", rank, shown, number)
    yield _sign(structure, "dark-mr", 100.0 - rank, shown, number)


def _sign(structure: Structure, kind: str, score: float, shown: str, number: Evidence) -> Sign:
    return Sign(
        rule=_NAME,
        kind=kind,
        structure=structure.name,
        score=max(score, 0.0),
        severity=Severity.REVIEW,
        title=f"{structure.name} is unusually {kind.partition('-')[0]}: {shown}.",
        explanation="It lies outside what the clean cases had.",
        place=structure.whole,
        evidence=(number,),
    )


def _published(structure: Structure, median: float, context: Context) -> Iterator[Sign]:
    own = context.options.reference_ranges
    entries = (*(read_ranges(own) if own else ()), *read_ranges(SHIPPED))
    about = [
        entry
        for entry in entries
        if entry.quantity == INTENSITY and entry.is_about(structure.segment)
    ]
    for entry in about[:1]:
        low, high = entry.usual()
        off = max(low - median, median - high, 0.0)
        if off <= 0.0:
            continue
        yield Sign(
            rule=_NAME,
            kind="published",
            structure=structure.name,
            score=off,
            severity=Severity.REVIEW,
            title=f"{structure.name} measures {median:.0f} HU in the middle, not {low:.0f} to "
            f"{high:.0f} HU.",
            explanation=f"That is the range of {entry.population} ({entry.source}).",
            place=structure.whole,
            evidence=(
                Evidence(
                    quantity="median intensity",
                    measured=median,
                    expected=f"{low:.0f} to {high:.0f}",
                    unit=_HOUNSFIELD,
                ),
            ),
        )


def _strange(
    structure: Structure, values: npt.NDArray[np.float64], median: float, context: Context
) -> Iterator[Sign]:
    """Look for a piece, thicker than a border's mixed voxels, that is unlike the rest."""
    spread = float(np.median(np.abs(values - median))) / _MEDIAN_DEVIATION
    if spread <= 0.0:
        return
    away = np.abs(structure.crop(context.voxels) - median) > _STRANGE * spread
    core = ndimage.binary_erosion(away & structure.inside, _CROSS)
    if not core.any():
        return
    piece: Mask = largest_component(core)
    piece = ndimage.binary_dilation(piece, _CROSS) & away & structure.inside
    share = 100.0 * np.count_nonzero(piece) / structure.voxels
    inner = float(np.median(structure.crop(context.voxels)[piece]))
    unit = _HOUNSFIELD if context.scan.modality == "CT" else "1"
    shown = " HU" if unit == _HOUNSFIELD else ""
    yield Sign(
        rule=_NAME,
        kind="piece-of-hollow" if mixed(structure.segment) else "piece",
        structure=structure.name,
        score=share,
        severity=Severity.REVIEW,
        title=f"A piece of {structure.name} is unlike the rest: {inner:.0f}{shown} instead of "
        f"{median:.0f}{shown}.",
        explanation=f"It is {share:.1f} % of the structure and may belong to its neighbour.",
        place=structure.place(np.pad(piece, 1)),
        evidence=(
            Evidence(
                quantity="median intensity of the piece",
                measured=inner,
                expected=f"{median:.0f} ± {_STRANGE * spread:.0f}",
                unit=unit,
            ),
            Evidence(quantity="share of the structure", measured=share, expected="0", unit="%"),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="A structure that is too bright or too dark for what it is, or that holds a piece "
    "that is.",
    advice="Look whether the structure lies where it should and keeps out of its neighbours.",
    needs=frozenset({Need.SCAN, Need.SEGMENTATION}),
    thresholds={
        **{
            f"{how}-ct": Threshold(value=NEVER, unit=_HOUNSFIELD, source="only where calibrated")
            for how in ("bright", "dark")
        },
        **{
            f"{how}-mr": Threshold(value=NEVER, unit="%", source="only where calibrated")
            for how in ("bright", "dark")
        },
        "published": Threshold(value=20.0, unit=_HOUNSFIELD, source="the noise of a median"),
        "piece": Threshold(
            value=8.0, unit="%", source="at most 2.5 on 29 solid structures of 2 real CT scans"
        ),
        "piece-of-hollow": Threshold(value=NEVER, unit="%", source="only where calibrated"),
    },
    measure=_measure,
)
