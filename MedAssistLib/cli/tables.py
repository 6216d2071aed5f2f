"""Plain-text tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from MedAssistLib.case import Measurement, Scan
from MedAssistLib.geometry import obliqueness, orientation


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
        "findings": [finding.title for finding in scan.findings],
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
