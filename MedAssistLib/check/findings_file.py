"""The findings file: what was found and what the reviewer said of it, as JSON or CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from MedAssistLib.case import Evidence, Finding, Point, Severity, State
from MedAssistLib.check.identity import finding_id
from MedAssistLib.errors import InputError
from MedAssistLib.files import csv_text, readable, write_text

_COLUMNS = (
    "id", "rule", "severity", "title", "explanation", "structure", "L", "P", "S", "evidence",
    "confidence", "state", "comment",
)  # fmt: skip
_TEXTS = ("rule", "title", "explanation", "structure", "comment")


@dataclass(frozen=True, kw_only=True)
class FindingsFile:
    """What a findings file holds.

    Attributes:
        findings: The findings, the most important first.
        scan: What was checked: the scan's name, without anything about the patient.
        segmentation: Who made the segmentation.
        model: Name of the model that it was checked with; empty if none.
    """

    findings: tuple[Finding, ...]
    scan: str = ""
    segmentation: str = ""
    model: str = ""


def to_data(found: FindingsFile) -> dict[str, Any]:
    """Return what a findings file holds as it stands in JSON."""
    return {
        "scan": found.scan,
        "segmentation": found.segmentation,
        "model": found.model,
        "findings": [_entry(finding) for finding in found.findings],
    }


def write_json(found: FindingsFile, path: Path) -> None:
    """Write a findings file as JSON.

    Raises:
        ResourceError: If it cannot be written; an earlier file is as it was.
    """
    write_text(path, json.dumps(to_data(found), indent=1, ensure_ascii=False) + "\n")


def write_csv(found: FindingsFile, path: Path) -> None:
    """Write the findings as CSV (RFC 4180), one a row; L, P and S are the point in mm.

    Raises:
        ResourceError: If it cannot be written; an earlier file is as it was.
    """
    rows = [_row(finding) for finding in found.findings]
    told = [{name: row[name] for name in _COLUMNS} for row in rows]
    write_text(path, csv_text(_COLUMNS, told))


def read_json(path: Path) -> FindingsFile:
    """Read what :func:`write_json` wrote.

    Raises:
        InputError: If it cannot be read or is no findings file.
    """
    with readable(path) as stream:
        content = stream.read()
    try:
        fields = json.loads(content)
        return FindingsFile(
            findings=tuple(_finding(entry) for entry in fields["findings"]),
            **{name: str(fields[name]) for name in ("scan", "segmentation", "model")},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        hint = "Give a .json file that medassist check wrote"
        raise InputError("is not a findings file", where=path, hint=hint) from error


def _entry(finding: Finding) -> dict[str, Any]:
    point, box = finding.point, finding.box
    return {
        "id": finding_id(finding),
        "rule": finding.rule,
        "severity": str(finding.severity),
        "title": finding.title,
        "explanation": finding.explanation,
        "structure": finding.structure,
        "point_lps": _rounded(point) if point else None,
        "box_lps": [_rounded(corner) for corner in box] if box else None,
        "evidence": [
            asdict(entry) | {"measured": float(f"{entry.measured:.6g}")}
            for entry in finding.evidence
        ],
        "confidence": round(finding.confidence, 4),
        "state": str(finding.state),
        "comment": finding.comment,
    }


def _row(finding: Finding) -> dict[str, Any]:
    entry = _entry(finding)
    place = dict(zip("LPS", entry["point_lps"] or ("", "", ""), strict=True))
    evidence = "; ".join(
        f"{e.quantity}: {e.measured:.4g} {e.unit} (expected {e.expected})" for e in finding.evidence
    )
    # A row is a line wherever the file is opened.
    texts = {name: " ".join(entry[name].split()) for name in _TEXTS}
    return entry | place | texts | {"evidence": " ".join(evidence.split())}


def _finding(entry: dict[str, Any]) -> Finding:
    point, box = entry["point_lps"], entry["box_lps"]
    return Finding(
        **{name: str(entry[name]) for name in _TEXTS},
        severity=Severity(entry["severity"]),
        point=_point(point) if point is not None else None,
        box=(_point(box[0]), _point(box[1])) if box is not None else None,
        evidence=tuple(
            Evidence(
                quantity=str(e["quantity"]),
                measured=float(e["measured"]),
                expected=str(e["expected"]),
                unit=str(e["unit"]),
            )
            for e in entry["evidence"]
        ),
        confidence=float(entry["confidence"]),
        state=State(entry["state"]),
    )


def _rounded(point: Point) -> list[float]:
    return [round(value, 3) for value in point]


def _point(values: Sequence[Any]) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
