"""One file a command, each with ``add_arguments(parser)`` and ``run(arguments, progress)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a command found out, for a person and for a program."""

    text: str
    data: dict[str, Any]
