"""Evaluations as rows for CSV, and as data for JSON; what is not a finite number is ``None``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from MedAssistLib.files import csv_text
from MedAssistLib.measure.agreement.evaluation import Evaluation
from MedAssistLib.measure.agreement.masks import Agreement
from MedAssistLib.measure.agreement.summary import Summary

_COLUMNS = (
    *("case", "structure", "found", "dice", "nsd_1mm", "nsd", "tolerance_mm"),
    *("hd95_mm", "hd_mm", "assd_mm"),
    *("predicted_ml", "reference_ml", "difference_ml", "difference_percent"),
)


def to_csv(evaluations: Sequence[Evaluation]) -> str:
    """Return CSV (RFC 4180) with one row a case and structure; a number that is none is empty."""
    rows = (
        {"case": evaluation.case, "structure": name, **_numbers(found)}
        for evaluation in evaluations
        for name, found in evaluation.structures.items()
    )
    return csv_text(_COLUMNS, rows)


def to_data(evaluations: Sequence[Evaluation], summary: Summary) -> dict[str, Any]:
    """Return all numbers as what JSON can hold: by structure, and by case and structure."""
    return {
        "structures": [_finite(asdict(structure)) for structure in summary.structures],
        "mean": {name: _number(summary.mean(name)) for name in ("dice", "nsd_1mm", "nsd", "hd95")},
        "cases": [
            {
                "case": evaluation.case,
                "notes": list(evaluation.notes),
                "structures": [
                    {"structure": name, **_numbers(found)}
                    for name, found in evaluation.structures.items()
                ],
            }
            for evaluation in evaluations
        ],
    }


def _numbers(found: Agreement) -> dict[str, Any]:
    return {
        "found": str(found.found),
        "dice": _number(found.dice),
        "nsd_1mm": _number(found.nsd_1mm),
        "nsd": _number(found.nsd),
        "tolerance_mm": found.tolerance,
        "hd95_mm": _number(found.hd95),
        "hd_mm": _number(found.hd),
        "assd_mm": _number(found.assd),
        "predicted_ml": _number(found.predicted_ml),
        "reference_ml": _number(found.reference_ml),
        "difference_ml": _number(found.difference_ml),
        "difference_percent": _number(found.difference_percent),
    }


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _finite(value) if isinstance(value, dict) else _number(value)
        for key, value in data.items()
    }


def _number(value: Any) -> Any:
    """Return a number with the digits that mean something, ``None`` if it is not finite."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None
