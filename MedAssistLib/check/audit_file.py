"""The ranking of an audit as JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MedAssistLib.check.audit import Suspect
from MedAssistLib.check.findings_file import FindingsFile, to_data
from MedAssistLib.files import write_text

COLUMNS = ("rank", "case", "rarity", "reason", "structure", "L", "P", "S", "findings", "label")
"""Columns of the table; L, P and S are the place of the first finding in mm."""
RARITY = (
    "Rarity: 3 stands for one sign that one correct case of 1000 has; of several rules, the "
    "squares add up."
)
"""What the column of that name means."""


def audit_data(suspects: Sequence[Suspect], dataset: str, judged_by: str) -> dict[str, Any]:
    """Return a ranking as it stands in JSON.

    Args:
        suspects: The cases, the most suspicious first.
        dataset: Name of the training set.
        judged_by: The networks that judged it, in a few words; empty if there were none.
    """
    return {
        "dataset": dataset,
        "judged_by": judged_by,
        "cases": [
            {
                "rank": rank,
                "case": suspect.case,
                "label": str(suspect.label),
                "rarity": rarity(suspect),
                "reason": suspect.reason,
                "findings": to_data(FindingsFile(findings=suspect.findings))["findings"],
            }
            for rank, suspect in enumerate(suspects, 1)
        ],
    }


def write_audit_json(data: dict[str, Any], path: Path) -> None:
    """Write what :func:`audit_data` gives as JSON.

    Raises:
        ResourceError: If it cannot be written; an earlier file is as it was.
    """
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_audit_csv(data: dict[str, Any], path: Path) -> None:
    """Write what :func:`audit_data` gives as CSV (RFC 4180), one case a row.

    Raises:
        ResourceError: If it cannot be written; an earlier file is as it was.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    table.writeheader()
    for case in data["cases"]:
        first = next(iter(case["findings"]), {"structure": "", "point_lps": None})
        place = dict(zip("LPS", first["point_lps"] or ("", "", ""), strict=True))
        told = {"findings": len(case["findings"]), "structure": first["structure"]}
        table.writerow({**case, **place, **told, "reason": " ".join(case["reason"].split())})
    write_text(path, text.getvalue())


def rarity(suspect: Suspect) -> float | None:
    """Return how rare a case is in decades, rounded; ``None`` if it cannot be used at all."""
    return None if math.isinf(suspect.decades) else round(suspect.decades, 2)
