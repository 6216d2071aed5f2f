"""DICOM out of the section Export: on the patient's series, into Slicer's database, nameless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from MedAssistLib.read import read_scan, read_segmentation
from Testing.dicom_database import Indexer
from Testing.dicom_exports import assert_same_voxels, faults_by_dciodvfy
from Testing.dicom_series import up, write_series
from Testing.panel_export_desk import INSTANCES, add_body, add_series, body_on

if TYPE_CHECKING:
    from Testing.panel_export_desk import Desk

pytest_plugins = ("Testing.panel_export_desk",)


def test_dicom_refers_to_the_series_that_slicer_loaded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEG and SR lie in the patient's study, on the images, and in Slicer's database if asked."""
    import ctk
    import slicer

    monkeypatch.setitem(vars(ctk), "ctkDICOMIndexer", Indexer)
    monkeypatch.setattr(Indexer, "added", [])
    _volume, _node, folder = add_series(desk, monkeypatch, PatientName="Miller^Jane")
    desk.only("segmentation", "dicomReport")
    desk.format("segmentation", "DICOM SEG")
    desk.tick("toDatabase")
    desk.bench.host.wait(lambda: "6 files" in desk.ui.seriesState.text, 5, "the files")
    desk.ui.exportName.text = "case: one?"
    desk.ui.exportName.editingFinished.emit()
    assert desk.written() == ["case one.seg.dcm", "case one.sr.dcm"]
    seg = pydicom.dcmread(desk.folder / "case one.seg.dcm")
    first = pydicom.dcmread(min(folder.iterdir()))
    assert (seg.PatientName, seg.StudyInstanceUID) == (first.PatientName, first.StudyInstanceUID)
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID
    scan = read_scan(folder)
    assert_same_voxels(body_on(scan).labels, read_segmentation(
        desk.folder / "case one.seg.dcm", scan).labels)  # fmt: skip
    for path in desk.folder.iterdir():
        assert faults_by_dciodvfy(path) == []
    desk.bench.host.wait(lambda: "Added to Slicer's DICOM database" in desk.told, 5, "the database")
    assert slicer.dicomDatabase.told == 1
    assert sorted(path.name for path in Indexer.added) == ["case one.seg.dcm", "case one.sr.dcm"]
    assert slicer.dicomDatabase.fileForInstance(str(seg.SOPInstanceUID))


def test_without_a_database_none_is_offered(desk: Desk) -> None:
    add_body(desk)
    desk.only("segmentation")
    desk.format("segmentation", "DICOM SEG")
    assert not desk.ui.toDatabase.visible


def test_the_series_of_a_volume_from_elsewhere_can_be_chosen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of another patient's series must not give the segmentation its name."""
    volume, _node, folder = add_series(desk, monkeypatch)
    volume.SetAttribute(INSTANCES, None)
    desk.only("segmentation")
    desk.format("segmentation", "DICOM SEG")
    assert desk.state.startswith("DICOM files refer")
    other = desk.bench.folder / "other"
    values = np.zeros((6, 9, 8), np.int16)
    write_series(other, values, up([2.5 * n for n in range(6)]))
    for chosen, works in ((other, False), (folder, True)):
        desk.bench.host.dialogs.answer(str(chosen))
        desk.ui.chooseSeries.click()
        assert f"the folder {chosen.name}" in desk.ui.seriesState.text
        job = desk.write()
        assert (str(job.state) == "done") is works
        if not works:
            assert "whose voxels lie where those of the volume do" in job.problem.message
            assert not desk.folder.exists(), "half of it stays behind"
    assert [path.suffix for path in desk.folder.iterdir()] == [".dcm"]


def test_without_names_nothing_tells_who_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte that leaves is searched for what the series says of the patient."""
    who = {"PatientName": "Krähenbühl^Jane", "PatientID": "KB-770214"}
    study = {"PatientBirthDate": "19770214", "StudyInstanceUID": "1.2.826.0.1.3680043.2.1125.77"}
    volume, node, _folder = add_series(desk, monkeypatch, **who, **study)
    volume.SetName("Krähenbühl CT")
    desk.only("segmentation", "surfaces", "measurements", "report", "scan", "dicomReport")
    desk.format("segmentation", "DICOM SEG")
    desk.format("scan", "DICOM series")
    desk.tick("withoutNames", "provenance")
    desk.bench.host.wait(lambda: "6 files" in desk.ui.seriesState.text, 5, "the files")
    names = desk.written()
    assert "case.seg.dcm" in names
    assert "case-dicom" in names
    said = ["Krähenbühl", "Jane", *who.values(), *study.values()]
    files = [path for path in desk.folder.rglob("*") if path.is_file()]
    assert len(files) >= 12
    for path in files:
        content = path.read_bytes()
        for text in said:
            for encoding in ("utf-8", "latin-1", "utf-16-le"):
                assert text.encode(encoding) not in content, f"{text} in {path.name}"
        assert not any(text in str(path.relative_to(desk.folder)) for text in said)
    for path in desk.folder.glob("*.dcm"):
        assert faults_by_dciodvfy(path) == []
    # They still belong together.
    again = read_scan(desk.folder / "case-dicom")
    seg = pydicom.dcmread(desk.folder / "case.seg.dcm")
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == again.series_uid
    assert_same_voxels(
        body_on(again).labels, read_segmentation(desk.folder / "case.seg.dcm", again).labels
    )
    assert "do not say what they show" in desk.told
    node.GetSegmentation().GetNthSegment(0).SetName("Liver of Jane Krähenbühl")
    desk.ui.exportName.text = "second"
    desk.ui.exportName.editingFinished.emit()
    job = desk.write()
    assert str(job.state) == "failed"
    assert "names the patient" in job.problem.message


def test_a_face_that_leaves_is_warned_of(desk: Desk) -> None:
    """Scans of heads were matched with photographs of their people."""
    volume, _node = add_body(desk, "CT abdomen")
    desk.only("scan")
    assert not desk.ui.faceWarning.visible
    desk.tick("withoutNames")
    assert not desk.ui.faceWarning.visible, "an abdomen has no face"
    volume.SetName("T1 MPRAGE")
    _node.SetName("x")
    own = _node.GetSegmentation()
    for number in range(own.GetNumberOfSegments()):
        own.GetNthSegment(number).SetName(f"Part {number}")
    desk.bench.panel.refresh()
    assert "This is a head" in desk.ui.faceWarning.text
    volume.SetName("3: t2")
    desk.bench.panel.refresh()
    assert "If this is a head" in desk.ui.faceWarning.text
    desk.tick("deface")
    assert not desk.ui.faceWarning.visible
    desk.only("scan", "report")
    assert "The report's pictures show a part" in desk.ui.faceWarning.text
    desk.only("segmentation")
    assert not desk.ui.faceWarning.visible
    assert not desk.ui.deface.visible
    desk.only("scan")
    assert desk.section.form.parcel().deface
    volume.SetName("CT abdomen")
    desk.bench.panel.refresh()
    assert not desk.section.form.parcel().deface, "no brain is searched in an abdomen"
