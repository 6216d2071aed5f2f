"""Measurements as a table: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from MedAssistLib.case import Measurement
from MedAssistLib.files import csv_text, write_text

_COLUMNS = ("structure", "quantity", "value", "unit", "method")


def rows(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Return one row a measurement; a value that does not exist is ``None``."""
    return [
        {name: getattr(entry, name) for name in _COLUMNS}
        | {"value": None if math.isnan(entry.value) else float(f"{entry.value:.7g}")}
        for entry in measurements
    ]


def write_csv(measurements: Sequence[Measurement], path: Path) -> None:
    """Write measurements as CSV (RFC 4180), one a row; a value that does not exist is empty.

    Raises:
        ResourceError: If the file cannot be written; an earlier file is as it was.
    """
    write_text(path, csv_text(_COLUMNS, rows(measurements)))


def write_json(measurements: Sequence[Measurement], path: Path) -> None:
    """Write measurements as a JSON list of objects; a value that does not exist is ``null``.

    Raises:
        ResourceError: If the file cannot be written; an earlier file is as it was.
    """
    write_text(path, json.dumps(rows(measurements), indent=1, ensure_ascii=False) + "\n")
