"""A report of a case: one HTML file with the pictures inside, to read on screen or to print."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib import __version__
from MedAssistLib.case import Case, Scan
from MedAssistLib.errors import ResourceError
from MedAssistLib.export.provenance import Provenance, Source
from MedAssistLib.export.report_findings import marks, summary, told
from MedAssistLib.export.report_pictures import figure
from MedAssistLib.export.report_ranges import Bar, ReferenceRange, ranges_in
from MedAssistLib.export.report_tables import methods, plain, sentence, tables
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
_EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What a report says besides the case.

    Attributes:
        ranges: What the structures usually measure, drawn beside their measurements; ranges in
            the evidence of findings are drawn too.
        provenance: How the case was made.
    """

    ranges: tuple[ReferenceRange, ...] = ()
    provenance: Provenance | None = None


def write_report(
    case: Case, path: str | os.PathLike[str], options: ReportOptions | None = None
) -> None:
    """Write the report of a case as HTML, in one file that needs nothing else.

    It says nothing about the patient: the scan's attributes and path are not printed. Its time is
    now, or that of ``SOURCE_DATE_EPOCH`` (reproducible-builds.org) for a report that can be made
    again byte by byte.

    Raises:
        InputError: If a segmentation does not lie on the scan's grid.
        ResourceError: If jinja2 is missing or the file cannot be written.
    """
    write_text(path, report_page(case, options))


def report_page(case: Case, options: ReportOptions | None = None) -> str:
    """Return the HTML that :func:`write_report` writes."""
    template = _template()
    options = options or ReportOptions()
    findings = told(case)
    ranges = (*ranges_in(entry.finding for entry in findings), *options.ranges)
    return template.render(
        scan=case.scan,
        facts=_facts(case.scan),
        findings=findings,
        summary=summary(findings),
        figures=[
            figure(case.scan, made, marks(findings)) for made in case.segmentations or (None,)
        ],
        tables=tables(case, ranges),
        methods=methods(case.measurements),
        sources=list(
            dict.fromkeys((e.structure, e.quantity, e.source) for e in ranges if e.source)
        ),
        done=_done(case),
        run=_run(options.provenance),
        hashes=_hashes(options.provenance),
        version=__version__,
        written=_now(),
    )


def _template() -> Template:
    try:
        import jinja2
    except ImportError as error:
        hint = "Install it with: pip install jinja2 (it also comes with PyTorch)"
        raise ResourceError("reports need jinja2, which is missing", hint=hint) from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(plain=plain, sentence=sentence)
    environment.tests["bar"] = lambda cell: isinstance(cell, Bar)
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


def _done(case: Case) -> list[tuple[str, str]]:
    """Return what was run on the scan, as pairs of a verb and a text."""
    scans = (case.scan, *case.enhanced)
    return [
        *(("Enhanced", ", ".join(scan.enhancement)) for scan in scans if scan.enhancement),
        *(("Segmented", made.made_by or "by whom is not known") for made in case.segmentations),
    ]


def _run(made: Provenance | None) -> list[tuple[str, str]]:
    """Return the model, options and versions, as pairs of a name and a text."""
    if made is None:
        return []
    found = []
    if card := made.model:
        named = " ".join(filter(None, (card.name, card.version)))
        found += [
            ("Model", f"{named}: {card.title}"),
            ("Licence", card.licence),
            ("Source", card.source),
            ("Intended use", card.intended_use),
            ("Accuracy", card.accuracy),
        ]
    found.append(("Options", ", ".join(f"{name} {value}" for name, value in made.options.items())))
    found.append(("Versions", ", ".join(f"{name} {text}" for name, text in made.versions.items())))
    return [(name, text) for name, text in found if text]


def _hashes(made: Provenance | None) -> list[tuple[str, str, str]]:
    """Return what was read: name, how many files, and the SHA-256 of one or of their list."""
    if made is None:
        return []
    return [_hashed(entry) for entry in made.inputs] + [
        (f"weights, {role}", "1 file", value) for role, value in made.weights.items()
    ]


def _hashed(entry: Source) -> tuple[str, str, str]:
    count = len(entry.sha256)
    return entry.role, "1 file" if count == 1 else f"{count} files", entry.combined


def _now() -> datetime:
    fixed = os.environ.get(_EPOCH_VARIABLE, "")
    if fixed.isdigit():
        return datetime.fromtimestamp(int(fixed), UTC)
    return datetime.now().astimezone()
