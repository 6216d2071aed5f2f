"""Findings in a report: told in full, shown where they are, in words that need no colour."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from MedAssistLib.case import Case, Evidence, Finding, Scan, Segmentation, Severity, State
from MedAssistLib.check.findings_file import FindingsFile, write_json
from MedAssistLib.cli import main
from MedAssistLib.errors import InputError
from MedAssistLib.export import report_pictures
from MedAssistLib.export.images import write_scan
from MedAssistLib.export.palette import BRIGHT
from MedAssistLib.export.render3d import draw_render
from MedAssistLib.export.report import report_page
from MedAssistLib.export.report_findings import marks, summary, told
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.export.slices import draw_close_up
from Testing.report_cases import Page, decoded, made_case


@pytest.fixture
def case(small_scan: Scan, small_segmentation: Segmentation) -> Case:
    return made_case(small_scan, small_segmentation)


def a_finding(**changes: object) -> Finding:
    return replace(Finding(rule="r", severity=Severity.REVIEW, title="t"), **changes)


def test_a_finding_is_told_in_full(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_pictures, "draw_render", draw_render)
    text = Page(report_page(replace(case, segmentations=()))).text
    for words in (
        "1 finding: 1 urgent. Reviewed: 1 dismissed.",
        "1 urgent : The liver is too large",
        "Look whether the spleen is part of it.",
        "Volume: measured 2346 mL, expected 1100 to 1900. above what is usual",
        "Structure: Liver. Place: ",
        "Confidence: 88 %. Rule: volume.reference.",
        "Dismissed. Comment: known <hepatomegaly>",
    ):
        assert words in text


def test_findings_keep_their_order_and_are_counted() -> None:
    """The most important first, as they were ranked; those of the scan after them, none twice."""
    scan = Scan(image=sitk.Image(3, 3, 3, sitk.sitkInt16))
    odd = a_finding(title="odd", severity=Severity.INFO)
    ranked = (a_finding(title="a", state=State.ACCEPTED), a_finding(title="b"), odd)
    found = told(Case(scan=replace(scan, findings=(odd,)), findings=ranked))
    assert [(entry.number, entry.finding.title) for entry in found] == [
        (1, "a"), (2, "b"), (3, "odd"),
    ]  # fmt: skip
    assert summary(found) == (
        "3 findings: 2 to review, 1 for information. Reviewed: 2 open, 1 accepted."
    )


def test_what_the_reviewer_answered_is_not_open_again() -> None:
    """Reading the scan for the report finds the same oddity anew."""
    scan = Scan(image=sitk.Image(3, 3, 3, sitk.sitkInt16))
    entry = Evidence(quantity="angle", measured=1.23456789, expected="0", unit="deg")
    odd = a_finding(title="tilted", evidence=(entry,))
    answered = replace(
        odd, state=State.DISMISSED, evidence=(replace(entry, measured=1.23457),), comment="known"
    )
    (found,) = told(Case(scan=replace(scan, findings=(odd,)), findings=(answered,)))
    assert found.finding == answered


def test_the_findings_of_a_check_come_into_the_report(
    case: Case,
    small_scan: Scan,
    small_segmentation: Segmentation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the file that `medassist check` writes, with the reviewer's answers, by command."""
    write_scan(small_scan, tmp_path / "scan.nrrd")
    write_seg_nrrd(small_segmentation, tmp_path / "x.seg.nrrd")
    write_json(FindingsFile(findings=case.findings), tmp_path / "found.json")
    monkeypatch.setattr(report_pictures, "draw_render", lambda *_: Image.new("RGB", (2, 2)))
    paths = ["--segmentation", "x.seg.nrrd", "--findings", "found.json", "-o", "report.html"]
    monkeypatch.chdir(tmp_path)
    assert main(["export", "scan.nrrd", *paths]) == 0
    page = Page(tmp_path / "report.html")
    assert "Dismissed. Comment: known <hepatomegaly>" in page.text
    assert len(page.all("img")) == 3
    digest = hashlib.sha256((tmp_path / "found.json").read_bytes()).hexdigest()
    assert f"Findings 1 file, SHA-256 {digest}" in page.text


def test_numbers_are_written_as_people_do() -> None:
    """Three pieces, not 3.000."""
    entry = Evidence(quantity="pieces", measured=3, expected="1", unit="1")
    scan = Scan(image=sitk.Image(3, 3, 3, sitk.sitkInt16))
    (found,) = told(Case(scan=scan, findings=(a_finding(evidence=(entry,)),)))
    assert found.evidence == (("Pieces: measured 3, expected 1.", None),)


@pytest.mark.parametrize("which", ["point", "box", "both"])
def test_a_place_is_shown_with_its_structure_alone(case: Case, which: str) -> None:
    """The reader must not search for it among thirty outlines."""
    (made,) = case.segmentations
    liver, kidney = ((0, 255, 0), (0, 0, 255))
    segments = tuple(
        replace(segment, colour=colour)
        for segment, colour in zip(made.segments, (liver, kidney), strict=True)
    )
    case = replace(case, segmentations=(replace(made, segments=segments),))
    (given,) = case.findings
    point = given.point
    assert point is not None
    box = (tuple(p - 2.0 for p in point), tuple(p + 2.0 for p in point))
    changes = {"point": None} if which == "box" else {}
    changes |= {} if which == "point" else {"box": box}
    (found,) = told(replace(case, findings=(replace(given, **changes),)))
    assert found.picture is not None
    assert "outlines of: Liver." in found.picture.alt
    picture = np.asarray(decoded({"src": found.picture.source}).convert("RGB")).astype(int)
    assert (np.abs(picture - liver).max(axis=-1) < 12).sum() > 200
    assert (np.abs(picture - kidney).max(axis=-1) < 12).sum() == 0


def test_a_finding_without_a_place_or_outside_of_the_scan_has_no_picture(case: Case) -> None:
    (given,) = case.findings
    nowhere = replace(given, point=None)
    outside = replace(given, point=(9000.0, 0.0, 0.0))
    assert [entry.picture for entry in told(replace(case, findings=(nowhere, outside)))] == [
        None,
        None,
    ]


def test_the_frame_is_where_the_finding_is() -> None:
    """On all three planes, on the side of the patient where it lies: a bright block in a frame."""
    image = sitk.Image(100, 100, 100, sitk.sitkInt16)
    image[29:32, 59:62, 74:77] = 1000
    place = (30.0, 60.0, 75.0)
    picture = np.asarray(draw_close_up(Scan(image=image), None, place, (place, place))).astype(int)
    tiles = np.split(picture, 3, axis=1)
    for tile in tiles:
        plane = tile[58:358, 26:326]
        bright = np.argwhere(np.abs(plane - BRIGHT).max(axis=-1) < 8)
        spot = np.argwhere(plane.min(axis=-1) > 244)
        assert np.ptp(bright, axis=0).max() < 30
        middle = (bright.min(axis=0) + bright.max(axis=0)) / 2
        assert np.abs(middle - 149.5).max() < 4
        assert np.abs(spot.mean(axis=0) - 149.5).max() < 4


def test_a_finding_at_the_edge_of_the_scan_is_shown_with_what_is_there() -> None:
    """Where an organ is cut off: beyond the scan it is black, and nothing fails."""
    noise = np.random.default_rng(0).normal(100, 9, (40, 40, 40)).astype(np.float32)
    scan = Scan(image=sitk.GetImageFromArray(noise))
    place = (-0.4, 20.0, 39.4)
    picture = np.asarray(draw_close_up(scan, None, place, (place, place)))
    axial = picture[58:358, 26:326]
    assert axial[:, :140].max() <= 240
    assert (axial[100:200, :130] == 0).all()
    assert axial[100:200, 180:].std() > 5


def test_a_segmentation_on_another_grid_is_refused(case: Case) -> None:
    labels = case.segmentations[0].labels[1:]
    other = replace(case.segmentations[0], labels=labels)
    with pytest.raises(InputError, match="grid"):
        told(replace(case, segmentations=(other,)))


def test_the_numbers_stand_at_their_places_in_3d(
    small_scan: Scan, small_segmentation: Segmentation, case: Case
) -> None:
    """From front, left and above: what lies further to the left is drawn further to the right."""
    plain = np.asarray(draw_render(small_scan, small_segmentation)).astype(int)
    found = marks(told(case))
    (point,) = found.values()
    columns = []
    for shift in (0.0, 6.0):
        place = (point[0] + shift, point[1], point[2])
        marked = np.asarray(draw_render(small_scan, small_segmentation, {"1": place})).astype(int)
        changed = np.argwhere(np.abs(marked - plain).max(axis=-1) > 8)
        assert np.ptp(changed, axis=0).max() < 34
        columns.append(changed[:, 1].mean())
    assert columns[1] > columns[0] + 10
