"""DICOM SR: other programs read the numbers, units, codes, answers and places that the case has."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.sr.codedict import codes

from MedAssistLib.case import Case, Evidence, Finding, Scan, Segment, Segmentation, Severity, State
from MedAssistLib.errors import InputError
from MedAssistLib.export.dicom.seg import write_seg
from MedAssistLib.export.dicom.sr import write_sr
from MedAssistLib.measure import measure
from MedAssistLib.read import read_scan, read_segmentation
from Testing.dicom_exports import complete, content, drawn_on, faults_by_dciodvfy, run_dcmqi
from Testing.dicom_series import STORED, ZS, write_series

FINDINGS = (
    Finding(
        rule="volume.range",
        severity=Severity.URGENT,
        title="The liver is larger than usual.",
        explanation="Look at its lower edge → there.",
        structure="Liver",
        point=(-4.5, 26.25, 3.0),
        box=((-9.0, 20.0, 0.0), (0.0, 32.5, 6.0)),
        evidence=(
            Evidence(quantity="volume", measured=1234.56789, expected="500 to 900", unit="mL"),
        ),
        confidence=0.83,
        state=State.ACCEPTED,
        comment="Größer, ja: 王^小東",
    ),
    Finding(
        rule="structure.parts",
        severity=Severity.REVIEW,
        title="The left kidney is in two parts.",
        structure="Left kidney, Größe",
        state=State.DISMISSED,
        comment="A cyst lies between.",
    ),
    Finding(
        rule="scan.noise",
        severity=Severity.INFO,
        title="The scan is noisy.",
        evidence=(Evidence(quantity="noise", measured=math.nan, expected="below 20", unit="1"),),
    ),
)
OWN = "99MEDASSIST"


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return read_scan(write_series(tmp_path / "scan", STORED, ZS, change=complete))


@pytest.fixture
def case(scan: Scan) -> Case:
    drawn = drawn_on(scan)
    return replace(drawn, measurements=measure(scan, drawn.segmentations[0]), findings=FINDINGS)


def _report(path: Path) -> highdicom.sr.MeasurementReport:
    return highdicom.sr.srread(path).content


def _code(concept: highdicom.sr.CodedConcept) -> tuple[str, str]:
    return concept.value, concept.scheme_designator


def _number(segment: highdicom.sr.ReferencedSegment) -> int:
    (number,) = segment[0].referenced_segment_numbers
    return number


def _texts(group: highdicom.sr.templates.Template) -> dict[str, str]:
    items = group[0].ContentSequence
    return {i.name.meaning: i.value for i in items if i.ValueType == "TEXT"}


def _answers(group: highdicom.sr.templates.Template) -> dict[str, str]:
    return {e.name.meaning: e.value.meaning for e in group.get_qualitative_evaluations()}


def test_each_number_is_read_back_with_its_unit_and_code(case: Case, tmp_path: Path) -> None:
    write_sr(case, tmp_path / "x.sr.dcm")
    assert faults_by_dciodvfy(tmp_path / "x.sr.dcm") == []
    groups = _report(tmp_path / "x.sr.dcm").get_volumetric_roi_measurement_groups()
    structures = {group.tracking_identifier: group for group in groups[:2]}
    for name, group in structures.items():
        expected = [m for m in case.measurements if m.structure == name]
        found = group.get_measurements()
        assert [m.value for m in found] == pytest.approx([m.value for m in expected], rel=1e-12)
        assert [_code(m.unit) for m in found] == [(m.unit, "UCUM") for m in expected]
        by_name = {_code(m.name): m for m in found}
        assert by_name["118565006", "SCT"].value == expected[0].value
        assert ("surface-area", OWN) in by_name
        mean, deviation = (m for m in found if _code(m.name) == ("112031", "DCM"))
        assert mean.derivation == codes.SCT.Mean
        assert deviation.derivation == codes.SCT.StandardDeviation
        assert found[0].method.value == "126030"
    assert structures["Liver"].finding_type == codes.SCT.Liver
    (site,) = structures["Left kidney, Größe"].finding_sites
    assert (site.value, site.laterality) == (codes.SCT.Kidney, codes.SCT.Left)


def test_structures_refer_to_their_segments_in_the_file_beside(case: Case, tmp_path: Path) -> None:
    """A number that refers to nothing cannot be checked by anybody."""
    written = write_sr(case, tmp_path / "x.sr.dcm")
    assert written == [tmp_path / "x.seg.dcm", tmp_path / "x.sr.dcm"]
    seg = pydicom.dcmread(tmp_path / "x.seg.dcm")
    described = {item.SegmentNumber: item for item in seg.SegmentSequence}
    for group in _report(tmp_path / "x.sr.dcm").get_volumetric_roi_measurement_groups()[:2]:
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        item = described[_number(segment)]
        assert item.SegmentLabel == group.tracking_identifier
        assert item.TrackingUID == group.tracking_uid
        (source,) = (i for i in group[0].ContentSequence if i.ValueType == "UIDREF" and
                     i.name == codes.DCM.SourceSeriesForSegmentation)  # fmt: skip
        assert source.value == "1.2.826.0.1.2"
    report = pydicom.dcmread(tmp_path / "x.sr.dcm")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    named = {
        s.SeriesInstanceUID: len(s.ReferencedSOPSequence) for s in study.ReferencedSeriesSequence
    }
    assert named == {seg.SeriesInstanceUID: 1, "1.2.826.0.1.2": 4}
    assert (report.PatientName, report.StudyInstanceUID) == ("Doe^Jane", "1.2.826.0.1.1")


def test_findings_are_read_back_with_answer_comment_and_place(case: Case, tmp_path: Path) -> None:
    write_sr(case, tmp_path / "x.sr.dcm")
    report = _report(tmp_path / "x.sr.dcm")
    (placed,) = report.get_planar_roi_measurement_groups()
    (structural,) = report.get_volumetric_roi_measurement_groups()[2:]
    (general,) = report.get_image_measurement_groups()
    for group, finding in zip((placed, structural, general), FINDINGS, strict=True):
        assert _code(group.finding_type) == (finding.rule, OWN)
        answers = _answers(group)
        assert answers["Severity"] == finding.severity.value.capitalize()
        assert answers["Review state"] == finding.state.value.capitalize()
        assert _texts(group)["Title"] == finding.title
        assert _texts(group).get("Comment", "") == finding.comment
        numbers = {m.name.meaning: m for m in group.get_measurements()}
        assert numbers["Certainty of Finding"].value == pytest.approx(100 * finding.confidence)
    assert placed.roi.graphic_type.value == "POINT"
    assert placed.roi.value.tolist() == [list(FINDINGS[0].point)]
    assert placed.roi.frame_of_reference_uid == "1.2.826.0.1.4"
    numbers = {m.name.meaning: m for m in placed.get_measurements()}
    assert _code(numbers["Volume"].name) == ("118565006", "SCT")
    assert (numbers["Volume"].value, numbers["Volume"].unit.value) == (1234.56789, "mL")
    assert _texts(placed)["Expected"] == "volume: 500 to 900 mL"
    (segment,) = (i for i in placed[0].ContentSequence if i.ValueType == "IMAGE")
    assert segment.referenced_segment_numbers == [1]
    assert _number(structural.referenced_segment) == 2
    assert len(general.get_measurements()) == 1  # NaN is no number.


def test_dcmqi_reads_the_report(case: Case, tmp_path: Path) -> None:
    write_sr(case, tmp_path / "x.sr.dcm")
    path = tmp_path / "x.json"
    run_dcmqi("tid1500reader", "--inputDICOM", tmp_path / "x.sr.dcm", "--outputMetadata", path)
    groups = json.loads(path.read_bytes().decode("utf-8", "replace"))["Measurements"]
    liver = next(g for g in groups if g["TrackingIdentifier"] == "Liver")
    assert liver["ReferencedSegment"] == 1
    assert liver["SourceSeriesForImageSegmentation"] == "1.2.826.0.1.2"
    items = {
        (i["quantity"]["CodeValue"], i["units"]["CodeValue"]): i for i in liver["measurementItems"]
    }
    (volume,) = (
        m.value for m in case.measurements if (m.structure, m.quantity) == ("Liver", "volume")
    )
    assert float(items["118565006", "mL"]["value"]) == pytest.approx(volume, rel=1e-9)
    kidney = next(g for g in groups if g["TrackingIdentifier"].startswith("Finding 2"))
    said = json.dumps(kidney)
    assert "A cyst lies between." in said
    assert "Dismissed" in said


def test_the_file_beside_is_used_if_it_holds_the_same_and_never_replaced(
    case: Case, tmp_path: Path
) -> None:
    """Who exported and reviewed a segmentation wants the report to refer to that one."""
    write_seg(case, tmp_path / "x.seg.dcm")
    before = (tmp_path / "x.seg.dcm").read_bytes()
    instance = pydicom.dcmread(tmp_path / "x.seg.dcm").SOPInstanceUID
    again = read_segmentation(tmp_path / "x.seg.dcm", case.scan)
    for made in (case.segmentations[0], again):
        written = write_sr(replace(case, segmentations=(made,)), tmp_path / "x.sr.dcm")
        assert written == [tmp_path / "x.sr.dcm"]
        groups = _report(tmp_path / "x.sr.dcm").get_volumetric_roi_measurement_groups()
        numbers = {g.tracking_identifier: g.referenced_segment for g in groups[:2]}
        assert numbers["Liver"].referenced_sop_instance_uid == instance
        assert _number(numbers["Left kidney, Größe"]) == 2
    (tmp_path / "x.sr.dcm").unlink()
    other = drawn_on(case.scan).segmentations[0]
    other.labels[3, 3, 3] = 2 if other.labels[3, 3, 3] != 2 else 7
    renamed = replace(again, segments=(again.segments[0], replace(again.segments[1], name="Cyst")))
    for made in (other, renamed):
        changed = replace(case, segmentations=(made,), measurements=())
        with pytest.raises(InputError, match="holds another segmentation"):
            write_sr(changed, tmp_path / "x.sr.dcm")
    assert (tmp_path / "x.seg.dcm").read_bytes() == before
    assert not (tmp_path / "x.sr.dcm").exists()


def test_a_file_beside_of_another_study_is_refused(case: Case, tmp_path: Path) -> None:
    """An archive keeps report and segmentation in one study, or nobody finds both."""
    write_seg(case, tmp_path / "x.seg.dcm")
    data = pydicom.dcmread(tmp_path / "x.seg.dcm")
    data.StudyInstanceUID = "1.2.826.0.1.77"
    data.save_as(tmp_path / "x.seg.dcm")
    with pytest.raises(InputError, match="of another study"):
        write_sr(case, tmp_path / "x.sr.dcm")


def test_two_reports_hold_the_same_and_are_two_instances(case: Case, tmp_path: Path) -> None:
    told, instances = [], []
    for _ in range(2):
        write_sr(case, tmp_path / "x.sr.dcm")
        told.append(content(tmp_path / "x.sr.dcm"))
        instances.append(pydicom.dcmread(tmp_path / "x.sr.dcm").SOPInstanceUID)
        shutil.copy(tmp_path / "x.sr.dcm", tmp_path / "first.sr.dcm")
    assert told[0] == told[1]
    assert instances[0] != instances[1]


def test_who_measured_is_the_model_only_if_it_did(case: Case, tmp_path: Path) -> None:
    for made_by, expected in (
        ("model organs (tiny 1.2)", ("organs", "tiny 1.2")),
        ("file x", None),
    ):
        made = replace(case.segmentations[0], made_by=made_by)
        folder = tmp_path / (expected or ("nobody",))[0]
        folder.mkdir()
        write_sr(replace(case, segmentations=(made,)), folder / "x.sr.dcm")
        groups = _report(folder / "x.sr.dcm").get_volumetric_roi_measurement_groups()
        texts = _texts(groups[0])
        found = texts.get("Algorithm Name"), texts.get("Algorithm Version")
        assert found == (expected or (None, None))


def test_measurements_that_belong_to_no_one_structure_are_refused(
    case: Case, tmp_path: Path
) -> None:
    made = case.segmentations[0]
    twins = tuple(replace(segment, name="Lesion") for segment in made.segments)
    other = (replace(case.measurements[0], structure="Spleen"),)
    for changed, what in (
        (replace(case, measurements=other), "none of its structures"),
        (_measured(case.scan, replace(made, segments=twins)), "two of its structures"),
    ):
        with pytest.raises(InputError, match=what):
            write_sr(changed, tmp_path / "x.sr.dcm")
    assert list(tmp_path.glob("x.*")) == []


def _measured(scan: Scan, made: Segmentation) -> Case:
    return Case(scan=scan, segmentations=(made,), measurements=measure(scan, made))


def test_a_structure_that_is_not_there_has_a_volume_of_nothing(case: Case, tmp_path: Path) -> None:
    """Zero is an answer; a mean of nothing is none."""
    lost = Segment(label=9, name="Lesion", colour=(1, 2, 3))
    made = case.segmentations[0]
    changed = _measured(case.scan, replace(made, segments=(*made.segments, lost)))
    write_sr(changed, tmp_path / "x.sr.dcm")
    groups = _report(tmp_path / "x.sr.dcm").get_volumetric_roi_measurement_groups()
    (lesion,) = (g for g in groups if g.tracking_identifier == "Lesion")
    assert [(m.name.meaning, m.value) for m in lesion.get_measurements()] == [("Volume", 0.0)]


def test_a_real_abdomen_with_its_reference_segmentation(shared_data: Path, tmp_path: Path) -> None:
    scan = read_scan(shared_data / "dicom" / "ct_abdomen_20slices")
    made = read_segmentation(shared_data / "ct" / "example_seg_dicom.nii.gz", scan)
    write_sr(_measured(scan, made), tmp_path / "x.sr.dcm")
    assert faults_by_dciodvfy(tmp_path / "x.sr.dcm") == []
    groups = _report(tmp_path / "x.sr.dcm").get_volumetric_roi_measurement_groups()
    counts = np.bincount(sitk.GetArrayViewFromImage(made.labels).ravel())
    voxel = float(np.prod(scan.image.GetSpacing())) / 1000.0
    for group in groups:
        label = int(group.tracking_identifier.removeprefix("Label "))
        (volume,) = group.get_measurements(name=codes.SCT.Volume)
        assert volume.value == pytest.approx(counts[label] * voxel)
