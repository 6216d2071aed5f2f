"""A report of a case: one HTML file with the pictures inside, to read on screen or to print."""

from __future__ import annotations

import base64
import io
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from MedAssistLib import __version__
from MedAssistLib.case import Case, Point, Scan, Segmentation
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.export.planes import position
from MedAssistLib.export.render3d import draw_render
from MedAssistLib.export.report_tables import methods, number, sentence, tables, unit
from MedAssistLib.export.slices import draw_slices
from MedAssistLib.files import write_text
from MedAssistLib.geometry import obliqueness, orientation

if TYPE_CHECKING:
    from jinja2 import Template

_UPRIGHT_BELOW_DEG = 0.05
_WORDS = {
    "L": "left",
    "R": "right",
    "P": "posterior",
    "A": "anterior",
    "S": "superior",
    "I": "inferior",
}


@dataclass(frozen=True)
class _Picture:
    """A picture as the page holds it."""

    source: str
    alt: str


@dataclass(frozen=True)
class _Figure:
    """The pictures of one segmentation, or of the bare scan."""

    title: str
    slices: _Picture
    render: _Picture | None
    why_no_render: str


def write_report(case: Case, path: str | os.PathLike[str]) -> None:
    """Write the report of a case.

    It says nothing about the patient: the scan's attributes and path are not printed.

    Raises:
        InputError: If a segmentation does not lie on the scan's grid.
        ResourceError: If jinja2 is missing or the file cannot be written.
    """
    template = _template()
    figures = [_figure(case.scan, made) for made in case.segmentations] or [
        _figure(case.scan, None)
    ]
    page = template.render(
        scan=case.scan,
        facts=_facts(case.scan),
        figures=figures,
        tables=tables(case),
        methods=methods(case.measurements),
        findings=list(dict.fromkeys(case.findings + case.scan.findings)),
        done=_done(case),
        version=__version__,
        written=datetime.now().astimezone(),
    )
    write_text(path, page)


def _template() -> Template:
    try:
        import jinja2
    except ImportError as error:
        hint = "Install it with: pip install jinja2 (it also comes with PyTorch)"
        raise ResourceError("reports need jinja2, which is missing", hint=hint) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=number, unit=unit, sentence=sentence, place=_place)
    return environment.from_string(Path(__file__).with_name("report.html").read_text("utf-8"))


def _facts(scan: Scan) -> list[tuple[str, str]]:
    """Return what there is to say about a scan, as pairs of a name and a text."""
    image = scan.image
    letters = orientation(image)
    towards = ", ".join(_WORDS[letter] for letter in letters)
    angle = obliqueness(image)
    turned = f"{angle:.1f}° from the body's axes" if angle > _UPRIGHT_BELOW_DEG else "none"
    return [
        ("Modality", scan.modality or "not known"),
        ("Size", " × ".join(str(n) for n in image.GetSize()) + " voxels"),
        ("Spacing", " × ".join(f"{s:.3g}" for s in image.GetSpacing()) + " mm"),
        ("Orientation", f"{letters} (axes point {towards})"),
        ("Obliqueness", turned),
    ]


def _figure(scan: Scan, segmentation: Segmentation | None) -> _Figure:
    planes = "Axial, coronal and sagittal plane of the scan"
    if segmentation is None:
        return _Figure("The scan", _picture(draw_slices(scan, None), f"{planes}."), None, "")
    names = ", ".join(segment.name for segment in segmentation.segments)
    slices = _picture(draw_slices(scan, segmentation), f"{planes}, with outlines of: {names}.")
    title = f"Structures by {segmentation.made_by}" if segmentation.made_by else "Structures"
    try:
        drawing = draw_render(scan, segmentation)
    except (InputError, ResourceError) as error:
        return _Figure(title, slices, None, str(error))
    alt = f"Surfaces seen from the patient's front, left and above: {names}."
    return _Figure(title, slices, _picture(drawing, alt), "")


def _picture(picture: Image.Image, alt: str) -> _Picture:
    """Put a picture into the page itself, so that the file stands alone."""
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    return _Picture(f"data:image/png;base64,{text}", alt)


def _done(case: Case) -> list[tuple[str, str]]:
    """Return what was run on the scan, as pairs of a verb and a text."""
    scans = (case.scan, *case.enhanced)
    return [
        *(("Enhanced", ", ".join(scan.enhancement)) for scan in scans if scan.enhancement),
        *(("Segmented", made.made_by or "by whom is not known") for made in case.segmentations),
    ]


def _place(point: Point) -> str:
    return ", ".join(position(point, axis) for axis in range(3))
