"""The report: one file that stands alone, with the numbers, and without the patient."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import html5lib
import pytest
import SimpleITK as sitk
from PIL import Image

import MedAssistLib
from MedAssistLib.case import Case, Finding, Scan, Segmentation, Severity
from MedAssistLib.errors import ResourceError
from MedAssistLib.export import report, report_findings, report_pictures
from MedAssistLib.export.provenance import source, trace
from MedAssistLib.export.report import ReportOptions, report_page, write_report
from MedAssistLib.export.report_tables import number
from MedAssistLib.measure.structures import measure
from MedAssistLib.models import find
from Testing.report_cases import ATTACK, Page, decoded, made_case


@pytest.fixture
def case(small_scan: Scan, small_segmentation: Segmentation) -> Case:
    return made_case(small_scan, small_segmentation)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank pictures, for tests that are about the text."""
    monkeypatch.setattr(report_pictures, "draw_slices", lambda *_: Image.new("RGB", (4, 3)))
    monkeypatch.setattr(report_pictures, "draw_render", lambda *_: Image.new("RGB", (2, 2)))
    monkeypatch.setattr(report_findings, "draw_close_up", lambda *_: Image.new("RGB", (6, 2)))


def test_the_report_stands_alone_and_holds_what_it_should(case: Case, tmp_path: Path) -> None:
    """One real report, looked at from all sides (drawing takes a while)."""
    write_report(case, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    # Nothing is fetched, nothing runs.
    assert not re.search(r"https?:", page.source)
    assert not re.search(r"url\(|@import|javascript:", page.source)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    sources = [v for _, a in page.elements for k, v in a.items() if k in {"src", "href", "srcset"}]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    # The pictures are pictures, and say in words what they show.
    close_up, slices, render = (decoded(image) for image in page.all("img"))
    assert min(slices.size) > 500
    assert render.size == (900, 900)
    assert close_up.width > 2 * close_up.height
    for image, picture in zip(page.all("img"), (close_up, slices, render), strict=True):
        assert "Liver" in (image["alt"] or "")
        assert (int(image["width"] or 0), int(image["height"] or 0)) == picture.size
    # A name is only text, wherever it stands.
    assert ATTACK in page.text
    assert ATTACK not in page.source
    # The words of people and models, and no word about the patient.
    for words in ("Head & neck", "organs 1.2 <beta>", "denoise:0.3, unbias", "20 × 18 × 14 voxels"):
        assert words in page.text
    assert f"MedAssist {MedAssistLib.__version__}" in page.text
    assert re.search(r"Reported 20\d\d-\d\d-\d\d \d\d:\d\d", page.text)
    assert "Not a medical device" in page.text
    readable = re.sub(r"base64,[^\"]*", "", page.source)
    for secret in ("Doe", "Jane", "4711", "/data", "1.2.826"):
        assert secret not in readable
    # For a screen reader and a phone.
    assert page.all("html")[0]["lang"] == "en-GB"
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert {cell["scope"] for cell in page.all("th")} == {"col", "row"}
    assert len(page.all("h1")) == 1
    # The numbers are those that were measured.
    volume = next(m.value for m in case.measurements if m.quantity == "volume")
    assert page.row("Liver")[1] == number(volume)


def test_the_page_is_valid_html(case: Case, quick: None) -> None:
    """Hospitals' mail gateways and old browsers forgive little; the parser raises at any error."""
    model = find("brain")
    made = trace(case, [source("scan", [Path(__file__)])], model, {"format": ".html"})
    for made_of in (case, Case(scan=case.scan), replace(case, segmentations=())):
        page = report_page(made_of, ReportOptions(provenance=made))
        html5lib.HTMLParser(strict=True).parse(page)


def test_a_bare_scan_has_a_report_too(small_scan: Scan, tmp_path: Path, quick: None) -> None:
    """No empty tables and no heading above nothing; what was odd when it was read is told."""
    odd = Finding(rule="geometry", severity=Severity.INFO, title="The slices are not parallel")
    write_report(Case(scan=replace(small_scan, findings=(odd,))), tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert odd.title in page.text
    assert "Measurements" not in page.text
    assert not page.all("table")
    assert len(page.all("img")) == 1
    write_report(Case(scan=small_scan), tmp_path / "r.html")
    assert "second look" not in Page(tmp_path / "r.html").text


def test_every_segmentation_has_its_pictures(case: Case, quick: None) -> None:
    """A second opinion is only seen beside the first."""
    other = replace(case.segmentations[0], made_by="Dr. Own")
    both = replace(case, segmentations=(*case.segmentations, other), findings=())
    page = Page(report_page(both))
    assert len(page.all("img")) == 4
    assert "Structures by organs 1.2 <beta>" in page.text
    assert "Structures by Dr. Own" in page.text


def test_without_rendering_it_says_why_and_goes_on(
    case: Case, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without OpenGL still reports."""

    def no_render(*_: object) -> None:
        raise ResourceError("3-D pictures need OpenGL", hint="apt-get install libegl1")

    monkeypatch.setattr(report_pictures, "draw_render", no_render)
    page = Page(report_page(replace(case, findings=())))
    assert len(page.all("img")) == 1
    assert "no 3-D picture: 3-D pictures need OpenGL. apt-get install libegl1." in page.text


def test_an_empty_segmentation_is_reported_as_empty(
    small_scan: Scan, small_segmentation: Segmentation, tmp_path: Path
) -> None:
    empty = Segmentation(labels=small_segmentation.labels * 0, segments=small_segmentation.segments)
    case = Case(scan=small_scan, segmentations=(empty,), measurements=measure(small_scan, empty))
    write_report(case, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert "no voxels to show" in page.text
    assert page.row("Liver") == ["Liver", "0", "–", "–", "–"]


def test_what_was_run_is_told(case: Case, quick: None) -> None:
    """A reviewer sees which model and which files, and can compare them."""
    files = [Path(__file__), Path(report.__file__)]
    model = find("brain")
    made = trace(case, [source("scan", files)], model, {"space": "RAS"})
    text = Page(report_page(case, ReportOptions(provenance=made))).text
    for words in (
        "Model brain deepbet 1.0.2",
        "Licence MIT",
        model.intended_use,
        "Options space RAS",
        "SimpleITK 2.",
        f"Scan 2 files, SHA-256 {made.inputs[0].combined}",
        *(f"SHA-256 {entry.sha256}" for entry in model.weights.values()),
    ):
        assert words in text


def test_the_same_case_gives_the_same_report(
    case: Case, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the time fixed as reproducible-builds.org says, byte by byte."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert report_page(case) == report_page(case)
    assert "2023-11-14 22:13 UTC" in report_page(case)


def test_an_oblique_scan_says_so(small_scan: Scan) -> None:
    facts = dict(report._facts(small_scan))
    assert re.fullmatch(r"\d+\.\d° from the body's axes", facts["Obliqueness"])
    upright = Scan(image=sitk.Image(3, 3, 3, sitk.sitkInt16))
    facts = dict(report._facts(upright))
    assert facts["Obliqueness"] == "none"
    assert facts["Orientation"] == "LPS (axes point left, posterior, superior)"
    assert facts["Modality"] == "not known"


def test_a_failed_write_leaves_the_old_report(
    case: Case, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("the old one")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ResourceError, match="space"):
        write_report(case, path)
    assert path.read_text() == "the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_missing_jinja2_says_how_to_get_it(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ResourceError) as caught:
        write_report(case, tmp_path / "r.html")
    assert "pip install jinja2" in caught.value.hint
    assert not list(tmp_path.iterdir())
