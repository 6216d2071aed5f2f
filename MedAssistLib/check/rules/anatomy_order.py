"""Vertebrae, ribs and lobes of the lungs that do not follow each other from head to foot."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from MedAssistLib import geometry
from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.body import Kind, Level, rows
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Place, Rule, Sign
from MedAssistLib.check.structure import Structure
from MedAssistLib.check.thresholds import Threshold

_NAME = "anatomy.order"
_UP = 2
_PLURALS = {Kind.VERTEBRA: "vertebrae", Kind.RIB: "ribs"}


def _measure(context: Context) -> Iterator[Sign]:
    for (kind, _), row in rows(context.structures).items():
        for upper, lower in pairwise(row):
            above = _above(kind, upper.structure, lower.structure)
            if above < 0.0:
                yield _exchanged(upper.structure, lower.structure, -above)
            elif lower.rank > upper.rank + 1 and kind is not Kind.LOBE:
                yield _missing(kind, upper, lower)


def _above(kind: Kind, upper: Structure, lower: Structure) -> float:
    """Return how far a structure lies above another, mm; 0 if that cannot be told."""
    if kind is Kind.RIB:
        # Ribs slope: each point of one is compared with what lies nearest on the other.
        here, there = _points(upper), _points(lower)
        _, nearest = cKDTree(here).query(there)
        return float(np.median(here[nearest, _UP] - there[:, _UP]))
    if kind is Kind.LOBE and (upper.cut or lower.cut):
        return 0.0
    return upper.centroid[_UP] - lower.centroid[_UP]


def _points(structure: Structure) -> npt.NDArray[np.float64]:
    """Return the LPS points, mm, of a structure's voxels."""
    indices = (np.argwhere(structure.mask) + structure.offset)[:, ::-1]
    matrix = geometry.index_to_lps(structure.grid)
    points: npt.NDArray[np.float64] = indices @ matrix[:3, :3].T + matrix[:3, 3]
    return points


def _exchanged(upper: Structure, lower: Structure, below: float) -> Sign:
    return Sign(
        rule=_NAME,
        kind="exchanged",
        structure=upper.name,
        score=below,
        severity=Severity.URGENT,
        title=f"{upper.name} lies below {lower.name}: they seem to be exchanged.",
        explanation="From head to foot they follow each other the other way round.",
        place=upper.whole,
        evidence=(
            Evidence(
                quantity=f"how far {upper.name} lies below {lower.name}",
                measured=below,
                expected="",
                unit="mm",
            ),
        ),
    )


def _missing(kind: Kind, upper: Level, lower: Level) -> Sign:
    count = lower.rank - upper.rank - 1
    above, below = upper.structure, lower.structure
    lacking = f"a {kind} is" if count == 1 else f"{count} {_PLURALS[kind]} are"
    middle = (np.array(above.centroid) + np.array(below.centroid)) / 2.0
    half = np.abs(np.array(above.centroid) - np.array(below.centroid)).max() / 2.0
    x, y, z = middle.tolist()
    box = ((x - half, y - half, z - half), (x + half, y + half, z + half))
    return Sign(
        rule=_NAME,
        kind="missing",
        structure=above.name,
        score=float(count),
        severity=Severity.REVIEW,
        title=f"Between {above.name} and {below.name} {lacking} missing.",
        explanation="Their numbers do not follow each other.",
        place=Place((x, y, z), box),
        evidence=(
            Evidence(
                quantity="structures missing between them",
                measured=float(count),
                expected="0",
                unit="1",
            ),
        ),
    )


RULE = Rule(
    name=_NAME,
    looks_for="Vertebrae, ribs and lobes that do not follow each other from head to foot.",
    advice="Count from a level that is sure, and correct the names.",
    needs=frozenset({Need.SEGMENTATION}),
    thresholds={
        "exchanged": Threshold(
            value=2.0, unit="mm", source="no neighbours in two clean CT are exchanged at all"
        ),
        "missing": Threshold(value=0.5, unit="1", source="one is enough"),
    },
    measure=_measure,
)
