"""The report: one file that stands alone, with the numbers, and without the patient."""

from __future__ import annotations

import base64
import io
import math
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

import pytest
import SimpleITK as sitk
from PIL import Image

import MedAssistLib
from MedAssistLib.case import (
    Case,
    Evidence,
    Finding,
    Measurement,
    Scan,
    Segmentation,
    Severity,
    State,
)
from MedAssistLib.errors import ResourceError
from MedAssistLib.export import report
from MedAssistLib.export.report import write_report
from MedAssistLib.export.report_tables import methods, number, tables
from MedAssistLib.measure.structures import measure

ATTACK = '<script>alert("1")</script>'


class Page(HTMLParser):
    """What a browser would make of the report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, structure: str) -> list[str]:
        return next(row for row in self.rows if row[0] == structure)


def made_case(scan: Scan, segmentation: Segmentation) -> Case:
    scan = replace(
        scan,
        name="Head & neck",
        source=Path("/data/Doe^Jane/scan.nii.gz"),
        series_uid="1.2.826.0.1.9",
        attributes=MappingProxyType({"PatientName": "Doe^Jane", "PatientID": "4711-X"}),
    )
    first, second = segmentation.segments
    segmentation = Segmentation(
        labels=segmentation.labels,
        segments=(first, replace(second, name=ATTACK)),
        made_by="organs 1.2 <beta>",
    )
    finding = Finding(
        rule="volume",
        severity=Severity.URGENT,
        title="The liver is too large",
        explanation="Look whether the spleen is part of it.",
        structure="Liver",
        point=(-12.0, 34.5, 0.0),
        evidence=(
            Evidence(quantity="volume", measured=2345.6, expected="1100 to 1900", unit="mL"),
        ),
        confidence=0.875,
        state=State.DISMISSED,
        comment="known <hepatomegaly>",
    )
    return Case(
        scan=scan,
        enhanced=(replace(scan, name="enhanced", enhancement=("denoise:0.3", "unbias")),),
        segmentations=(segmentation,),
        measurements=measure(scan, segmentation),
        findings=(finding,),
    )


@pytest.fixture
def case(small_scan: Scan, small_segmentation: Segmentation) -> Case:
    return made_case(small_scan, small_segmentation)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blank pictures, for tests that are about the text; `page` below has the real ones."""
    monkeypatch.setattr(report, "draw_slices", lambda *_: Image.new("RGB", (4, 3)))
    monkeypatch.setattr(report, "draw_render", lambda *_: Image.new("RGB", (2, 2)))


@pytest.fixture
def page(case: Case, tmp_path: Path) -> Page:
    path = tmp_path / "report.html"
    write_report(case, path)
    return Page(path)


def test_the_report_stands_alone_and_holds_what_it_should(page: Page, case: Case) -> None:
    """One real report, looked at from all sides (drawing takes a while)."""
    # Nothing is fetched, nothing runs.
    assert not re.search(r"https?:", page.source)
    assert not re.search(r"url\(|@import|javascript:", page.source)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    sources = [v for _, a in page.elements for k, v in a.items() if k in {"src", "href", "srcset"}]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    # The two pictures are pictures, and say in words what they show.
    slices, render = (_decoded(image) for image in page.all("img"))
    assert min(slices.size) > 500
    assert render.size == (900, 900)
    for image in page.all("img"):
        assert "Liver" in (image["alt"] or "")
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


def _decoded(image: dict[str, str | None]) -> Image.Image:
    text = (image["src"] or "").removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))


def test_a_finding_is_told_in_full(case: Case, tmp_path: Path, quick: None) -> None:
    write_report(case, tmp_path / "r.html")
    text = Page(tmp_path / "r.html").text
    for words in (
        "urgent : The liver is too large",
        "Look whether the spleen is part of it.",
        "Volume: measured 2346 mL, expected 1100 to 1900.",
        "Structure: Liver. Place: R 12.0 mm, P 34.5 mm, S 0.0 mm.",
        "Confidence: 88 %. State: dismissed. Comment: known <hepatomegaly>",
    ):
        assert words in text


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


def test_every_segmentation_has_its_pictures(case: Case, tmp_path: Path, quick: None) -> None:
    """A second opinion is only seen beside the first."""
    other = replace(case.segmentations[0], made_by="Dr. Own")
    write_report(replace(case, segmentations=(*case.segmentations, other)), tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert len(page.all("img")) == 4
    assert "Structures by organs 1.2 <beta>" in page.text
    assert "Structures by Dr. Own" in page.text


def test_without_rendering_it_says_why_and_goes_on(
    case: Case, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without OpenGL still reports."""

    def no_render(*_: object) -> None:
        raise ResourceError("3-D pictures need OpenGL", hint="apt-get install libegl1")

    monkeypatch.setattr(report, "draw_render", no_render)
    write_report(case, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
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


def one(structure: str, quantity: str, value: float, unit: str = "mm") -> Measurement:
    return Measurement(
        structure=structure, quantity=quantity, value=value, unit=unit, method=f"m {quantity[:3]}"
    )


def test_tables_put_each_number_under_its_heading(small_scan: Scan) -> None:
    measured = [
        one("Liver", "intensity standard deviation", 12.5, "[hnsf'U]"),
        one("Liver", "volume", 1523.37, "mL"),
        one("Spleen", "volume", 0.21234, "mL"),
        one("Spleen", "mean intensity", -45.678, "[hnsf'U]"),
        one("Liver", "centroid P", -0.04),
        one("Liver", "centroid L", -12.26),
        one("Liver", "box S minimum", 3.0),
        one("Liver", "box S maximum", 99.96),
        one("Liver", "Dice", 0.91, "1"),
    ]
    sizes, places, others = tables(Case(scan=small_scan, measurements=tuple(measured)))
    assert sizes.headings == (("Volume", "mL"), ("Mean intensity", "HU"), ("SD of intensity", "HU"))
    assert [row.cells for row in sizes.rows] == [("1523", "–", "12.50"), ("0.212", "−45.68", "–")]
    assert [row.structure for row in places.rows] == ["Liver"]
    assert places.rows[0].cells == ("−12.3", "0.0", "–", "–", "–", "3.0 to 100.0")
    assert others.rows[0].cells == ("Dice", "0.910", "")


def test_a_structure_measured_twice_has_two_lines(small_scan: Scan) -> None:
    """The second opinion's volume must not silently replace the first."""
    measured = (one("Liver", "volume", 1.0, "mL"), one("Liver", "volume", 2.0, "mL"))
    (sizes,) = tables(Case(scan=small_scan, measurements=measured))
    assert [row.cells for row in sizes.rows] == [("1.000",), ("2.000",)]


def test_another_unit_than_the_columns_is_said(small_scan: Scan) -> None:
    measured = (one("A", "volume", 1.5, "mL"), one("B", "volume", 20.0, "mm3"))
    (sizes,) = tables(Case(scan=small_scan, measurements=measured))
    assert [row.cells for row in sizes.rows] == [("1.500",), ("20.00 mm³",)]


def test_swatches_have_the_colour_of_the_segment(case: Case) -> None:
    rows = {row.structure: row.colour for row in tables(case)[0].rows}
    assert rows["Liver"] == (221, 130, 101)


def test_methods_are_told_once() -> None:
    measured = [one("A", "volume", 1), one("B", "volume", 1)]
    measured += [one("A", f"centroid {axis}", 1) for axis in "LPS"]
    assert methods(measured) == [("Volume", "m vol"), ("Centroid", "m cen")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.56, "1235"),
        (123.456, "123.5"),
        (-1.23456, "−1.235"),
        (0.00049, "0.000490"),
        (1e7, "10000000"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_numbers_are_as_exact_as_they_are_worth(value: float, text: str) -> None:
    assert number(value) == text


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
