"""Dummies for values that must be there, and dates that move by some days.

Value representations as in PS3.5 section 6.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydicom.multival import MultiValue

from MedAssistLib.errors import UsageError

REMOVED = "REMOVED"

_DUMMIES: dict[str, Any] = {
    "AS": "000Y",
    "AT": 0,
    "DA": "19000101",
    "DS": "0",
    "DT": "19000101000000",
    "IS": "0",
    "TM": "000000",
    "UR": "http://removed.invalid",
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), REMOVED),
    **dict.fromkeys(("FD", "FL"), 0.0),
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), 0),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), bytes(8)),
}
_DATE = re.compile(r"(\d{8})")
_DATE_TIME = re.compile(r"(\d{8})((\d{2}){0,3}(\.\d{1,6})?([+-]\d{4})?)")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_ZONE = re.compile(r"[+-]\d{4}")


def several(value: Any) -> Sequence[Any]:
    """Return the values of an attribute, which are one or several."""
    return value if isinstance(value, MultiValue | list) else [value]


def dummy(vr: str) -> Any:
    """Return a value that says nothing, for one value representation."""
    return _DUMMIES[vr]


def moved(vr: str, text: str, days: int) -> str | None:
    """Return a date, time or time zone some days later.

    Args:
        vr: DA, DT, TM, or SH for a time zone.
        text: As DICOM writes it.
        days: How far it moves; times stay as they are.

    Returns:
        ``None`` if it is none: anything may be written there.

    Raises:
        UsageError: If the calendar ends before.
    """
    text = text.strip("\0 ")
    if vr in ("TM", "SH"):
        return text if (_TIME if vr == "TM" else _ZONE).fullmatch(text) else None
    found = (_DATE if vr == "DA" else _DATE_TIME).fullmatch(text)
    if found is None:
        return None
    try:
        date = datetime.strptime(found[1], "%Y%m%d")  # noqa: DTZ007  (scanner's clock)
    except ValueError:
        return None
    try:
        later = date + timedelta(days=days)
    except OverflowError as error:
        hint = "Give fewer days"
        raise UsageError(f"{days} days lead out of the calendar", hint=hint) from error
    return f"{later.year:04}{later.month:02}{later.day:02}{text[8:]}"
