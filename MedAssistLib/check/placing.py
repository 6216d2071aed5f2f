"""Making a segmentation ready for its check: on the scan's grid, named as the model names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Evidence, Finding, Scan, Segment, Segmentation, Severity
from MedAssistLib.errors import InputError
from MedAssistLib.measure.agreement.matching import match
from MedAssistLib.models import anatomy

GRID_RULE = "check.grid"
NAMES_RULE = "check.names"
# What of the drawing may lie outside the scan before it matters: voxels at its border.
_LOST_MATTERS = 0.01


def placed(segmentation: Segmentation, scan: Scan) -> tuple[Segmentation, tuple[Finding, ...]]:
    """Bring a segmentation to its scan's grid.

    Returns:
        The segmentation on the scan's grid, and a note if it had to be resampled (to the nearest
        voxel); axes that are only stored in another order are turned without a word.

    Raises:
        InputError: If nothing of it lies in the scan.
    """
    turned = geometry.stored_as(segmentation.labels, scan.image)
    if turned is not None:
        return replace(segmentation, labels=turned), ()
    there = _volume(segmentation.labels)
    brought = sitk.Resample(
        segmentation.labels,
        scan.image,
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        0,
        segmentation.labels.GetPixelID(),
    )
    kept = _volume(brought) / there if there else 1.0
    if kept == 0.0:
        hint = "Give the scan that it was drawn on"
        raise InputError(
            "nothing of the segmentation lies in the scan", where=scan.source or "", hint=hint
        )
    return replace(segmentation, labels=brought), (_note(min(kept, 1.0)),)


def named(
    segmentation: Segmentation, segments: Sequence[Segment]
) -> tuple[Segmentation, tuple[Finding, ...]]:
    """Name the structures of a segmentation as a model names them.

    What has the same code, name, or in a plain label image the same value, is the same; see
    :func:`MedAssistLib.measure.agreement.matching.match`. A structure that the model has and the
    segmentation lacks is added without a voxel; one that only the segmentation has keeps its name.

    Args:
        segmentation: What a person or another model made.
        segments: The structures of the model.

    Returns:
        The segmentation with the model's names and codes, and notes on what was renamed.

    Raises:
        InputError: If it has structures, and none is one of the model's.
    """
    pairs = match(segmentation.segments, segments).values()
    if segmentation.segments and not any(pair.predicted and pair.reference for pair in pairs):
        mine = ", ".join(segment.name for segment in segmentation.segments[:3])
        theirs = ", ".join(segment.name for segment in segments[:3])
        hint = f"The model's begin with {theirs}: say which is which, such as 1={segments[0].name}"
        raise InputError(f"none of its structures ({mine}) is one of the model's", hint=hint)
    free = max((s.label for s in segmentation.segments), default=0)
    renamed = []
    for pair in pairs:
        known = pair.reference or pair.segment
        if pair.predicted is None:
            free += 1
        label = pair.predicted.label if pair.predicted else free
        renamed.append(replace(known, label=label))
    notes = tuple(
        Finding(
            rule=NAMES_RULE, severity=Severity.INFO, title=f"{pair.note[0].upper()}{pair.note[1:]}."
        )
        for pair in pairs
        if pair.note
    )
    return replace(segmentation, segments=tuple(renamed)), notes


def renamed(segmentation: Segmentation, names: Mapping[int, str]) -> Segmentation:
    """Give structures the names that a person says, with the codes that go with them.

    Args:
        segmentation: Such as a plain label image, whose structures are called "Label 1" and so on.
        names: Name by label value; a label that is not there is added without a voxel.
    """
    kept = [segment for segment in segmentation.segments if segment.label not in names]
    given = anatomy.segments(names)
    ordered = sorted([*kept, *given], key=lambda segment: segment.label)
    return replace(segmentation, segments=tuple(ordered))


def _volume(labels: sitk.Image) -> float:
    """Return how much is drawn, mm³."""
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(labels)))
    return voxels * geometry.voxel_volume(labels)


def _note(kept: float) -> Finding:
    lost = 1.0 - kept
    outside = f", and {lost:.0%} of it lies outside the scan" if lost > _LOST_MATTERS else ""
    return Finding(
        rule=GRID_RULE,
        severity=Severity.REVIEW if lost > _LOST_MATTERS else Severity.INFO,
        title=f"The segmentation was on another grid{outside}.",
        explanation="It was brought to the scan's grid, each voxel from the nearest one.",
        evidence=(
            Evidence(
                quantity="share of it that lies in the scan", measured=kept, expected="1", unit="1"
            ),
        ),
    )
