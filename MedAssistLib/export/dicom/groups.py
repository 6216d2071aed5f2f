"""Measurement groups of a DICOM SR: one for each structure (TID 1411), one for each finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from MedAssistLib import __version__
from MedAssistLib.case import Code, Evidence, Finding, Measurement, Point, Segment
from MedAssistLib.export.dicom.codes import concept, long_string
from MedAssistLib.export.dicom.makers import Maker
from MedAssistLib.export.dicom.quantities import CERTAINTY, own_code, stated
from MedAssistLib.export.dicom.sources import Source
from MedAssistLib.export.dicom.uids import derived_uid

if TYPE_CHECKING:
    from highdicom.sr import (
        AlgorithmIdentification,
        FindingSite,
        ImageContentItem,
        MeasurementsAndQualitativeEvaluations,
        PlanarROIMeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        ReferencedSegment,
        TextContentItem,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from highdicom.sr import Measurement as Stated

    Group = (
        MeasurementsAndQualitativeEvaluations
        | PlanarROIMeasurementsAndQualitativeEvaluations
        | VolumetricROIMeasurementsAndQualitativeEvaluations
    )

SEVERITY = Code("246112005", "SCT", "Severity")
STATE = own_code("review state")
TITLE = own_code("title")
EXPLANATION = own_code("explanation")
EXPECTED = own_code("expected")
COMMENT = Code("121106", "DCM", "Comment")
SOURCE_OF_MEASUREMENT = Code("121112", "DCM", "Source of Measurement")

_SIDES = ("7771000", "24028007", "51440002", "66459002")
"""SNOMED CT: left, right, bilateral, unilateral (CID 244)."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A segment of a DICOM segmentation, to refer to.

    Attributes:
        segment: The structure.
        number: Its number in the segmentation.
        tracking: Its Tracking UID.
        sop_class: SOP Class UID of the segmentation.
        instance: SOP Instance UID of the segmentation.
        series: Series Instance UID of the segmentation.
    """

    segment: Segment
    number: int
    tracking: str
    sop_class: str
    instance: str
    series: str


def structure_group(
    target: Target, measurements: Sequence[Measurement], maker: Maker, source: Source
) -> Group:
    """Return what was measured of one structure (PS3.16 TID 1411)."""
    from highdicom import sr

    segment = target.segment
    numbers = (
        stated(m.quantity, m.value, m.unit, modality=source.modality, method=m.method)
        for m in measurements
    )
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(target.tracking, long_string(segment.name)),
        referenced_segment=_referenced(target, source),
        finding_category=concept(segment.category),
        finding_type=concept(segment.type),
        finding_sites=_sites(segment),
        algorithm_id=_algorithm(maker.model, maker.version) if maker.model else None,
        measurements=[number for number in numbers if number is not None],
    )


def finding_group(number: int, finding: Finding, target: Target | None, source: Source) -> Group:
    """Return a finding with the reviewer's answer.

    Args:
        number: Its rank, from 1.
        finding: The finding.
        target: The structure that it is about, if it is about one that was segmented.
        source: The series of the scan.

    Returns:
        A planar group with a point in space (TID 1410) if it has a place; else a group of the
        structure (TID 1411) if it is about one; else one about the scan (TID 1501).
    """
    from highdicom import sr

    place = _place(finding)
    common: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(
            _tracking(finding, source), f"Finding {number}: {long_string(finding.rule)}"
        ),
        "finding_type": concept(own_code(finding.rule)),
        "finding_sites": _sites(target.segment, always=True) if target else None,
        "algorithm_id": _algorithm(f"MedAssist {finding.rule}", __version__),
        "measurements": list(_numbers(finding, source)),
        "qualitative_evaluations": list(_answers(finding)),
    }
    group: Group
    if place is not None:
        region = sr.ImageRegion3D("POINT", np.array([place]), source.frame_of_reference)
        group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_region=region, **common
        )
        if target is not None:
            group[0].ContentSequence.append(_segment_image(target))
    elif target is not None:
        group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=_referenced(target, source), **common
        )
    else:
        group = sr.MeasurementsAndQualitativeEvaluations(**common)
    group[0].ContentSequence.extend(_texts(finding))
    return group


def _place(finding: Finding) -> Point | None:
    """Return where to look: the point, else the middle of the box."""
    if finding.point is not None or finding.box is None:
        return finding.point
    low, high = finding.box
    return (low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0, (low[2] + high[2]) / 2.0


def _tracking(finding: Finding, source: Source) -> str:
    """Return the UID of a finding, which the reviewer's answer does not change."""
    what = (finding.rule, finding.structure, finding.title, finding.point, finding.box)
    return derived_uid("finding", source.series_uid, repr(what))


def _numbers(finding: Finding, source: Source) -> Iterator[Stated]:
    numbers = [(entry.quantity, entry.measured, entry.unit) for entry in finding.evidence]
    for quantity, value, ucum in (*numbers, (CERTAINTY, 100.0 * finding.confidence, "%")):
        number = stated(quantity, value, ucum, modality=source.modality)
        if number is not None:
            yield number


def _answers(finding: Finding) -> Iterator[QualitativeEvaluation]:
    from highdicom.sr import QualitativeEvaluation

    yield QualitativeEvaluation(concept(SEVERITY), concept(own_code(finding.severity)))
    yield QualitativeEvaluation(concept(STATE), concept(own_code(finding.state)))


def _texts(finding: Finding) -> Iterator[TextContentItem]:
    """Yield the answers that are texts (TID 1501 row 12), which highdicom has no argument for."""
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    texts = [(TITLE, finding.title), (EXPLANATION, finding.explanation)]
    texts += [(EXPECTED, _expected(evidence)) for evidence in finding.evidence]
    texts.append((COMMENT, finding.comment))
    for name, text in texts:
        if text.strip():
            yield TextContentItem(concept(name), text, RelationshipTypeValues.CONTAINS)


def _expected(evidence: Evidence) -> str:
    unit = "" if evidence.unit == "1" else f" {evidence.unit}"
    return f"{evidence.quantity}: {evidence.expected}{unit}"


def _referenced(target: Target, source: Source) -> ReferencedSegment:
    from highdicom.sr import ReferencedSegment, SourceSeriesForSegmentation

    return ReferencedSegment(
        sop_class_uid=target.sop_class,
        sop_instance_uid=target.instance,
        segment_number=target.number,
        source_series=SourceSeriesForSegmentation(source.series_uid),
    )


def _segment_image(target: Target) -> ImageContentItem:
    from highdicom.sr import ImageContentItem, RelationshipTypeValues

    return ImageContentItem(
        name=concept(SOURCE_OF_MEASUREMENT),
        referenced_sop_class_uid=target.sop_class,
        referenced_sop_instance_uid=target.instance,
        referenced_segment_numbers=target.number,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


def _sites(segment: Segment, *, always: bool = False) -> list[FindingSite] | None:
    """Return where a structure is: its region, or itself where it has a side."""
    from highdicom.sr import FindingSite

    if segment.region is None and segment.modifier is None and not always:
        return None
    site = concept(segment.region or segment.type)
    side = concept(segment.modifier) if segment.modifier else None
    if segment.modifier and segment.modifier.value in _SIDES:
        return [FindingSite(site, laterality=side)]
    return [FindingSite(site, topographical_modifier=side)]


def _algorithm(name: str, version: str) -> AlgorithmIdentification:
    from highdicom.sr import AlgorithmIdentification

    return AlgorithmIdentification(name=long_string(name), version=long_string(version))
