"""A CT scan whose field of view cuts the body at its sides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.case import Evidence, Severity
from MedAssistLib.check.context import Context
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.survey import Survey, survey
from MedAssistLib.check.thresholds import Threshold
from MedAssistLib.volumes import Mask

_NAME = "scan.field-of-view"
_SIDES = {(1, 0): "anterior", (1, -1): "posterior", (2, 0): "right", (2, -1): "left"}
_LEAST_OUTLINE = 100
# Skin that just touches the side in a few voxels is not worth naming.
_NAMED_SHARE = 0.1


def _measure(context: Context) -> Iterator[Sign]:
    if context.scan.modality != "CT":
        return
    seen = survey(context)
    outline = seen.body & ~_eroded_in_slices(seen.body)
    if np.count_nonzero(outline) < _LEAST_OUTLINE:
        return
    cut = _cut(seen) & outline
    share = 100.0 * float(np.count_nonzero(cut)) / float(np.count_nonzero(outline))
    if share <= 0.0:
        return
    yield Sign(
        rule=_NAME,
        kind="cut",
        structure="",
        score=share,
        severity=Severity.REVIEW,
        title=f"The field of view cuts {share:.0f} % of the body's outline{_where(cut)}.",
        explanation="What lies beyond is missing: structures at the cut are incomplete, and so "
        "are their volumes.",
        place=seen.place(cut),
        evidence=(
            Evidence(quantity="share of the outline cut", measured=share, expected="", unit="%"),
        ),
    )


def _eroded_in_slices(body: Mask) -> Mask:
    """Return the body without its outline in each slice across the body; sides count as outside."""
    eroded: Mask = ndimage.minimum_filter(body, (1, 3, 3), mode="constant", cval=0)
    return eroded


def _cut(seen: Survey) -> Mask:
    """Return where the body ends at a side of the scan, or at what the scanner did not see."""
    filled: npt.NDArray[np.bool_] = ndimage.maximum_filter(seen.padding, (1, 3, 3))
    cut = seen.body & filled
    for axis, end in _SIDES:
        side = [slice(None)] * 3
        side[axis] = slice(-1, None) if end else slice(0, 1)
        cut[tuple(side)] |= seen.body[tuple(side)]
    return cut


def _where(cut: Mask) -> str:
    """Name the sides of the scan where most of the cut is."""
    counts = {name: np.count_nonzero(cut.take(end, axis)) for (axis, end), name in _SIDES.items()}
    named = [name for name, n in counts.items() if n > _NAMED_SHARE * np.count_nonzero(cut)]
    return f", {' and '.join(named)}" if named else ""


RULE = Rule(
    name=_NAME,
    looks_for="A CT scan whose field of view cuts the body at its sides; its ends along the body "
    "do not count.",
    advice="Do not measure structures at the cut; ask for a reconstruction with a larger field "
    "of view if they matter.",
    needs=frozenset({Need.SCAN}),
    thresholds={
        "cut": Threshold(
            value=6.0,
            unit="%",
            source="at most 3 on 6 real CT scans; 10 and more of a trunk cut by a third",
        )
    },
    measure=_measure,
)
