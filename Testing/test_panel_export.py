"""The section Export as a person uses it: what leaves, as what, where to, and what is told."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import SimpleITK as sitk

from MedAssistLib.read import read_scan, read_segmentation
from Testing.check_cases import body
from Testing.dicom_exports import assert_same_voxels
from Testing.panel_export_desk import add_body

if TYPE_CHECKING:
    from Testing.panel_export_desk import Desk

pytest_plugins = ("Testing.panel_export_desk",)


def test_everything_of_a_case_is_written_and_told(desk: Desk) -> None:
    """What a surgeon, an archive and a colleague each want, in one go."""
    add_body(desk)
    desk.only("segmentation", "surfaces", "measurements", "report", "scan")
    desk.tick("provenance")
    desk.format("surfaces", "glTF (.glb)")
    assert desk.written() == [
        *("CT abdomen-measurements.csv", "CT abdomen-provenance.json", "CT abdomen-report.html"),
        *("CT abdomen.glb", "CT abdomen.nii.gz", "CT abdomen.seg.nrrd"),
    ]
    scan, drawn = body()
    again = read_segmentation(desk.folder / "CT abdomen.seg.nrrd")
    assert_same_voxels(drawn.labels, again.labels)
    assert [s.name for s in again.segments] == [s.name for s in drawn.segments]
    assert sitk.Hash(read_scan(desk.folder / "CT abdomen.nii.gz").image) == sitk.Hash(scan.image)
    record = json.loads((desk.folder / "CT abdomen-provenance.json").read_text("utf-8"))
    assert [entry["role"] for entry in record["inputs"]] == ["scan, its voxels", "labels"]
    assert len(record["outputs"]) == 5
    assert "CT abdomen.glb, " in desk.told
    assert desk.ui.openFolder.visible
    desk.ui.openFolder.click()
    assert desk.bench.host.dialogs.opened_urls == [f"file://{desk.folder}"]
    assert not list(Path(os.environ["MEDASSIST_JOBS"]).iterdir()), "the exchange stays behind"


def test_what_is_missing_is_said_and_nothing_is_written(desk: Desk) -> None:
    """A button that does nothing, or an error after a minute, is what people curse."""
    assert desk.state == "Choose a volume in the section Input."
    _volume, node = add_body(desk)
    assert desk.state == ""
    desk.only()
    assert desk.state == "Tick what shall be written."
    desk.only("findings")
    assert desk.state.startswith("Nothing was checked yet")
    desk.only("segmentation")
    desk.bench.host.scene.RemoveNode(node)
    desk.bench.host.wait(lambda: desk.state.startswith("There is no segmentation"), 5, "the words")
    desk.only("scan")
    assert desk.state == ""
    desk.format("scan", "DICOM series")
    assert desk.state.startswith("DICOM files refer to the series")
    assert "not loaded from DICOM" in desk.ui.seriesState.text
    desk.format("scan", "NIfTI (.nii.gz)")
    desk.ui.exportFolder.text = ""
    desk.ui.exportFolder.editingFinished.emit()
    assert desk.state == "Choose a folder."
    assert not desk.ui.write.enabled
    assert not desk.folder.exists()


def test_what_is_there_is_replaced_only_if_the_user_says_so(desk: Desk) -> None:
    """Last week's report must not be gone because two scans have the same name."""
    add_body(desk)
    desk.only("measurements")
    desk.written()
    (path,) = desk.folder.iterdir()
    path.write_text("mine")
    desk.bench.host.dialogs.answer(desk.bench.no())
    jobs = len(desk.bench.jobs)
    desk.ui.write.click()
    desk.bench.host.wait(lambda: not desk.section.busy, 5, "the question")
    assert path.read_text() == "mine"
    assert len(desk.bench.jobs) == jobs
    (shown,) = desk.bench.host.dialogs.shown
    assert "is in the folder out already. Replace it?" in shown.text
    desk.bench.host.dialogs.answer(desk.bench.yes())
    assert desk.written() == ["CT abdomen-measurements.csv"]
    assert path.read_text() != "mine"
    assert not list(Path(os.environ["MEDASSIST_JOBS"]).iterdir())


def test_a_folder_that_cannot_be_written_to_is_told(desk: Desk) -> None:
    add_body(desk)
    blocked = desk.bench.folder / "file"
    blocked.write_text("no folder")
    desk.ui.exportFolder.text = str(blocked / "deeper")
    desk.ui.exportFolder.editingFinished.emit()
    job = desk.write()
    assert str(job.state) == "failed"
    assert "cannot be written" in job.problem.message
    assert "Choose a folder that exists" in job.problem.hint


def test_choices_are_those_of_the_last_time(desk: Desk) -> None:
    """Who exports each day the same does not choose it each day anew."""
    desk.only("surfaces", "scan")
    desk.format("surfaces", "PLY")
    desk.tick("separate", "withoutNames")
    desk.ui.space.activated.emit(1)
    add_body(desk)
    parcel = desk.section.form.parcel()
    assert parcel.kinds == {"surfaces": ".ply", "scan": ".nii.gz"}
    assert (parcel.space, parcel.separate, parcel.without_names) == ("RAS", True, True)
    assert desk.section.form.folder == desk.folder
    desk.bench.panel.refresh()
    assert desk.ui.surfacesFormat.currentText == "PLY"
    assert desk.ui.space.currentText == "RAS"


def test_findings_leave_with_the_answers(desk: Desk) -> None:
    """What the doctor has answered is what the report, the file and the archive have to say."""
    from MedAssistLib.case import Finding, Severity, State
    from MedAssistLib.check.findings_file import FindingsFile, read_json, to_data
    from MedAssistLib.panel.findings_node import add_findings_node, to_text

    volume, node = add_body(desk)
    answered = Finding(
        rule="geometry.islands",
        severity=Severity.REVIEW,
        title="Liver: an island",
        structure="Liver",
        point=(-48.0, -7.0, 8.0),
        state=State.ACCEPTED,
        comment="seen by Dr Who",
    )
    text = to_text(to_data(FindingsFile(findings=(answered,))))
    add_findings_node(desk.bench.host.scene, volume, node).SetText(text)
    desk.only("findings", "report")
    assert desk.written() == ["CT abdomen-findings.json", "CT abdomen-report.html"]
    (again,) = read_json(desk.folder / "CT abdomen-findings.json").findings
    assert (again.state, again.comment) == ("accepted", "seen by Dr Who")
    assert "seen by Dr Who" in (desk.folder / "CT abdomen-report.html").read_text("utf-8")
    desk.tick("withoutNames")
    desk.written()
    (again,) = read_json(desk.folder / "case-findings.json").findings
    assert (again.state, again.comment) == ("accepted", "")
    assert "Who" not in (desk.folder / "case-report.html").read_text("utf-8")
    assert "The comments on the findings were left out" in desk.told


def test_cancelling_leaves_nothing_behind(desk: Desk) -> None:
    add_body(desk)
    desk.only("surfaces", "report", "scan")
    desk.ui.write.click()
    desk.bench.host.wait(lambda: desk.bench.jobs, 5, "the job")
    job = desk.bench.jobs[-1]
    desk.bench.host.wait(lambda: str(job.state) == "running", 20, "the start")
    desk.bench.row(job).action.click()
    assert desk.bench.until_over(job) == "cancelled"
    desk.bench.host.process(0.2)
    assert not desk.folder.exists() or list(desk.folder.iterdir()) == []
    assert desk.ui.write.enabled
    assert not list(Path(os.environ["MEDASSIST_JOBS"]).iterdir())


def test_the_window_never_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that hangs while a gigabyte is handed over looks like a crash."""
    add_body(desk)
    desk.only("segmentation", "surfaces", "scan", "report")
    spent: list[float] = []
    poll = desk.bench.panel.context.poll

    def timed() -> bool:
        began = time.thread_time()
        going: bool = poll()
        spent.append(time.thread_time() - began)
        return going

    monkeypatch.setattr(desk.bench.panel.context, "poll", timed)
    began = time.thread_time()
    desk.ui.write.click()
    clicked = time.thread_time() - began
    desk.bench.host.wait(lambda: desk.bench.jobs, 5, "the job")
    desk.bench.until_over(desk.bench.jobs[-1])
    assert clicked < 0.1
    assert max(spent) < 0.1
