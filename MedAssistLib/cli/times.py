"""Times as a person writes them: 90s, 30m, 8h, 2d."""

from __future__ import annotations

import re

from MedAssistLib.errors import UsageError

_MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 24 * 60.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def minutes(text: str) -> float:
    """Return the minutes that the argument of ``--time`` says.

    Raises:
        UsageError: If it is no time.
    """
    found = _TIME.fullmatch(text.strip().lower())
    if not found:
        hint = "Give a number and s, m, h or d, such as 30m or 8h"
        raise UsageError(f'--time "{text}" is not a time', hint=hint)
    return float(found[1]) * _MINUTES[found[2]]
