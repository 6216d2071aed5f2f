"""What the tests of the report share: a case, and the page as a browser would see it."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from MedAssistLib.case import (
    Case,
    Evidence,
    Finding,
    Scan,
    Segmentation,
    Severity,
    State,
)
from MedAssistLib.measure.structures import measure

ATTACK = '<script>alert("1")</script>'


class Page(HTMLParser):
    """What a browser would make of the report."""

    def __init__(self, source: Path | str) -> None:
        super().__init__()
        self.source = source.read_text("utf-8") if isinstance(source, Path) else source
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


def decoded(image: dict[str, str | None]) -> Image.Image:
    """Return the picture that an ``img`` element holds."""
    text = (image["src"] or "").removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(text, validate=True)))


def made_case(scan: Scan, segmentation: Segmentation) -> Case:
    """Return a case with all there can be, and with names that must stay inside or be escaped."""
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
    measurements = measure(scan, segmentation)
    places = {m.quantity: m.value for m in measurements if m.structure == "Liver"}
    finding = Finding(
        rule="volume.reference",
        severity=Severity.URGENT,
        title="The liver is too large",
        explanation="Look whether the spleen is part of it.",
        structure="Liver",
        point=(places["centroid L"], places["centroid P"], places["centroid S"]),
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
        measurements=measurements,
        findings=(finding,),
    )
