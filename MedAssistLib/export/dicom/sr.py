"""Measurements and findings as DICOM SR (PS3.16 TID 1500), through highdicom.

A report refers to the structures in a DICOM segmentation, which lies beside it: ``case.seg.dcm``
beside ``case.sr.dcm``.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from MedAssistLib import __version__
from MedAssistLib.case import Case, Code, Measurement, Scan, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.dicom.codes import concept, long_string
from MedAssistLib.export.dicom.groups import Target, finding_group, structure_group
from MedAssistLib.export.dicom.makers import maker_of
from MedAssistLib.export.dicom.quantities import SCHEME
from MedAssistLib.export.dicom.save import MAKER, REPORTS_FROM, save
from MedAssistLib.export.dicom.seg import last_segmentation, make_seg
from MedAssistLib.export.dicom.segments import by_label, segment_numbers, tracking_uids
from MedAssistLib.export.dicom.sources import Source, source_of
from MedAssistLib.export.dicom.uids import derived_uid
from MedAssistLib.read.dicom.segmentation import read_dicom_segmentation

if TYPE_CHECKING:
    from highdicom.sr import Comprehensive3DSR, ObservationContext

    from MedAssistLib.export.dicom.groups import Group

_SUFFIX, _BESIDE = ".sr.dcm", ".seg.dcm"
_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
_DEVICE = Code("121007", "DCM", "Device")


def write_sr(case: Case, path: Path, source: Source | None = None) -> list[Path]:
    """Write measurements and findings of a case as DICOM SR, and the segmentation beside it.

    Args:
        case: With a segmentation; its measurements and findings are written.
        path: Of the report. The segmentation that it refers to is ``NAME.seg.dcm`` for a report
            ``NAME.sr.dcm``; if that file is there, it is not touched and has to hold the same
            structures.
        source: The series of the scan; found by the scan's path if not given.

    Returns:
        The files that were written: the segmentation, unless it was there, and the report.

    Raises:
        InputError: If there is no segmentation, if the DICOM series of the scan is not at hand, if
            the file beside the report holds another segmentation or is of another study, or if a
            measurement is about no structure, or about one of two with the same name.
        ResourceError: If a file cannot be written; an earlier one is as it was.
    """
    segmentation, source = last_segmentation(case), source or source_of(case.scan)
    beside = path.with_name(path.name.removesuffix(_SUFFIX) + _BESIDE)
    is_there = beside.exists()
    if is_there:
        numbers = _numbers_in(beside, segmentation, case.scan)
        seg: Dataset = dcmread(beside, stop_before_pixels=True)
        _require_study(seg, source, beside)
    else:
        numbers = {s.label: n for n, s in enumerate(by_label(segmentation.segments), 1)}
        seg = make_seg(segmentation, source, "BINARY")
    report = make_sr(case, source, _targets(segmentation, source, seg, numbers))
    return save((report, path)) if is_there else save((seg, beside), (report, path))


def make_sr(case: Case, source: Source, structures: list[Target]) -> Comprehensive3DSR:
    """Return a case's measurements and findings as a DICOM object.

    Args:
        case: With a segmentation.
        source: The series of its scan.
        structures: The segments to refer to; at least one.

    Raises:
        InputError: If a measurement is about no structure, or about one of two with the same name.
    """
    from highdicom import sr
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    measured = _by_structure(case, structures)
    maker = maker_of(last_segmentation(case).made_by)
    groups: list[Group] = [
        structure_group(t, measured[t.segment.name], maker, source) for t in structures
    ]
    names = {target.segment.name: target for target in structures}
    groups += [
        finding_group(number, finding, names.get(finding.structure), source)
        for number, finding in enumerate(case.findings, 1)
    ]
    content = sr.MeasurementReport(
        observation_context=_observer(),
        procedure_reported=concept(_PROCEDURE),
        imaging_measurements=groups,
    )
    what = (repr(case.measurements), repr(case.findings), structures[0].instance, __version__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Names that are too long in the source stay whole.
        return sr.Comprehensive3DSR(
            evidence=_evidence(source, structures[0]),
            content=content[0],
            series_instance_uid=derived_uid("report", source.series_uid, *what),
            series_number=REPORTS_FROM + source.series_number,
            sop_instance_uid=generate_uid(prefix=None),
            instance_number=1,
            is_complete=True,
            series_description="MedAssist measurements and findings",
            coding_schemes=[CodingSchemeIdentificationItem(SCHEME, name="MedAssist")],
            **MAKER,
        )


def _by_structure(case: Case, structures: list[Target]) -> dict[str, list[Measurement]]:
    """Return the measurements of each structure by its name."""
    counts = Counter(target.segment.name for target in structures)
    measured: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in case.measurements:
        if counts[measurement.structure] != 1:
            which = "two" if counts[measurement.structure] else "none"
            what = f'has measurements of "{measurement.structure}", and {which} of its structures'
            hint = "Give each structure a name of its own and measure again"
            raise InputError(f"{what} is called that", where=case.scan.name, hint=hint)
        measured[measurement.structure].append(measurement)
    return measured


def _numbers_in(path: Path, segmentation: Segmentation, scan: Scan) -> dict[int, int]:
    """Return for each label its number in a DICOM segmentation of the same structures.

    Raises:
        InputError: If the file holds others, or the same in another shape.
    """
    stored = read_dicom_segmentation(path, scan)
    mine, theirs = by_label(segmentation.segments), by_label(stored.segments)
    named_alike = [long_string(s.name) for s in mine] == [s.name for s in theirs]
    if not named_alike or not np.array_equal(
        segment_numbers(segmentation.labels, mine), segment_numbers(stored.labels, theirs)
    ):
        hint = "Give the report another name, or remove that file to have it written anew"
        raise InputError("holds another segmentation than the report's", where=path, hint=hint)
    return {own.label: other.label for own, other in zip(mine, theirs, strict=True)}


def _require_study(seg: Dataset, source: Source, path: Path) -> None:
    """Refuse a segmentation that an archive files elsewhere than the report."""
    if seg.get("StudyInstanceUID", "") != source.study_uid:
        hint = "Give the report another name to have the segmentation written anew"
        raise InputError("is of another study than the scan", where=path, hint=hint)


def _targets(
    segmentation: Segmentation, source: Source, seg: Dataset, numbers: dict[int, int]
) -> list[Target]:
    """Return how to refer to each structure; ``numbers`` has each label's number in ``seg``."""
    described = {int(item.SegmentNumber): item for item in seg.SegmentSequence}
    derived = tracking_uids(segmentation.segments, source)
    return [
        Target(
            segment=segment,
            number=(number := numbers[segment.label]),
            tracking=str(described[number].get("TrackingUID", derived[segment.label])),
            sop_class=str(seg.SOPClassUID),
            instance=str(seg.SOPInstanceUID),
            series=str(seg.SeriesInstanceUID),
        )
        for segment in segmentation.segments
    ]


def _observer() -> ObservationContext:
    from highdicom import sr

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", __version__),
        name="MedAssist",
        manufacturer_name=MAKER["manufacturer"],
        model_name=MAKER["manufacturer_model_name"],
    )
    return sr.ObservationContext(sr.ObserverContext(concept(_DEVICE), device))


def _evidence(source: Source, target: Target) -> list[Dataset]:
    """Return what the report refers to: first the segmentation, then the files of the source."""
    seg = _instance(source, target.sop_class, target.instance, target.series)
    seg.update(source.study)
    return [seg, *(_instance(source, *found, source.series_uid) for found in source.instances)]


def _instance(source: Source, sop_class: str, instance: str, series: str) -> Dataset:
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = sop_class, instance
    data.StudyInstanceUID, data.SeriesInstanceUID = source.study_uid, series
    return data
