"""The report as PDF: the same words and pictures on A4, or a word on how to get it."""

from __future__ import annotations

import sys
from pathlib import Path

import pypdf
import pytest
from PIL import Image

from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import ResourceError
from MedAssistLib.export import report_pictures
from MedAssistLib.export.report_pdf import write_pdf
from Testing.report_cases import ATTACK, made_case


def test_the_pdf_holds_what_the_page_does(
    small_scan: Scan, small_segmentation: Segmentation, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(report_pictures, "draw_render", lambda *_: Image.new("RGB", (90, 90)))
    write_pdf(made_case(small_scan, small_segmentation), tmp_path / "r.pdf")
    document = pypdf.PdfReader(tmp_path / "r.pdf")
    text = " ".join(" ".join(page.extract_text().split()) for page in document.pages)
    for words in ("The liver is too large", "above what is usual", ATTACK, "Not a medical device"):
        assert words in text
    for secret in ("Doe", "4711", "1.2.826"):
        assert secret not in text
    width, height = document.pages[0].mediabox[2:]
    assert (float(width) / 72 * 25.4, float(height) / 72 * 25.4) == pytest.approx((210, 297), abs=1)
    assert len({image.name for page in document.pages for image in page.images}) == 3


def test_without_weasyprint_it_says_what_to_do(
    small_scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    small_segmentation: Segmentation,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ResourceError) as caught:
        write_pdf(made_case(small_scan, small_segmentation), tmp_path / "r.pdf")
    assert "print it to PDF from a browser" in caught.value.hint
    assert not list(tmp_path.iterdir())
