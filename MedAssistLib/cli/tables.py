"""Plain-text tables for a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from MedAssistLib.case import Finding, Measurement, Scan
from MedAssistLib.geometry import obliqueness, orientation

if TYPE_CHECKING:
    from MedAssistLib.read import Listed, Listing

_MOST_REFUSED = 20


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a header; columns of numbers are flush right."""
    cells = [header, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    right = [bool(rows) and all(_is_number(row[c]) for row in rows) for c in range(len(header))]
    lines = [
        "  ".join(
            text.rjust(width) if flush else text.ljust(width)
            for text, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def scan_facts(scan: Scan) -> dict[str, object]:
    """Return what a scan is, without anything about the patient."""
    return {
        "modality": scan.modality or "unknown",
        "size": list(scan.image.GetSize()),
        "spacing_mm": [round(value, 4) for value in scan.image.GetSpacing()],
        "orientation": orientation(scan.image),
        "oblique_degrees": round(obliqueness(scan.image), 2),
        "pixel_type": scan.image.GetPixelIDTypeAsString(),
        "findings": _findings(scan.findings),
    }


def facts_text(scan: Scan) -> str:
    """Return what a scan is as lines for a terminal."""
    facts = scan_facts(scan)
    oblique = f", oblique by {facts['oblique_degrees']} degrees" if facts["oblique_degrees"] else ""
    lines = [
        f"modality     {facts['modality']}",
        f"size         {_times(scan.image.GetSize())} voxels",
        f"spacing      {_times(scan.image.GetSpacing())} mm",
        f"orientation  {facts['orientation']}{oblique}",
        f"pixel type   {facts['pixel_type']}",
    ]
    return "\n".join(lines + [f"note         {finding.title}" for finding in scan.findings])


def listing_text(listing: Listing) -> str:
    """Return what can be read as a table, and below it what is odd and what cannot be."""
    header = ["series", "modality", "size", "spacing mm", "slices", "what"]
    rows = [
        [
            str(scan.number),
            scan.modality or "–",
            _times(scan.size),
            _times(scan.spacing) if scan.spacing else "not given",
            str(scan.slices),
            scan.description,
        ]
        for scan in listing.scans
    ]
    lines = [table(header, rows) if rows else "no scan that can be read"]
    lines += [
        f"note on {scan.number}: {finding.title}"
        for scan in listing.scans
        for finding in scan.findings
    ]
    counted = Counter(aside.reason for aside in listing.others)
    if counted:
        lines.append(f"no scans: {', '.join(f'{n} × {what}' for what, n in counted.items())}")
    lines += [f"refused: {a.path}: {a.reason}" for a in listing.refused[:_MOST_REFUSED]]
    more = len(listing.refused) - _MOST_REFUSED
    return "\n".join(lines + [f"refused: {more} more files"] * (more > 0))


def listing_data(listing: Listing) -> dict[str, object]:
    """Return what can be read, and what cannot, for a program."""
    return {
        "source": str(listing.source),
        "scans": [_listed(scan) for scan in listing.scans],
        "others": [{"file": str(a.path), "kind": a.reason} for a in listing.others],
        "refused": [{"file": str(a.path), "reason": a.reason} for a in listing.refused],
    }


def _listed(scan: Listed) -> dict[str, object]:
    return {
        "number": scan.number,
        "kind": scan.kind,
        "description": scan.description,
        "modality": scan.modality or "unknown",
        "size": list(scan.size),
        "spacing_mm": [round(value, 4) for value in scan.spacing] if scan.spacing else None,
        "slices": scan.slices,
        "series_uid": scan.series_uid,
        "files": len(scan.paths),
        "findings": _findings(scan.findings),
    }


def _findings(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [
        {
            "rule": finding.rule,
            "severity": str(finding.severity),
            "title": finding.title,
            "explanation": finding.explanation,
        }
        for finding in findings
    ]


def measurements_table(measurements: Sequence[Measurement]) -> str:
    """Return one line a structure with its volume, surface and intensity."""
    shown = ("volume", "surface area", "mean intensity", "intensity standard deviation")
    structures = dict.fromkeys(entry.structure for entry in measurements)
    found = {(entry.structure, entry.quantity): entry for entry in measurements}
    header = ["structure", "volume mL", "surface cm2", "mean", "SD"]
    rows = [
        [name, *(_value(found[name, quantity].value) for quantity in shown)] for name in structures
    ]
    return table(header, rows)


def _value(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1f}"


def _times(values: Sequence[float]) -> str:
    return " × ".join(f"{value:.4g}" for value in values)


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(".", "", 1).lstrip("-").isdigit()
