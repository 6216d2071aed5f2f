"""How to de-identify: the one dataclass that the command line and the panel fill."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from MedAssistLib.errors import UsageError

_LEAST_KEY = 16
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class DeidentifyOptions:
    """How to de-identify.

    Attributes:
        keep_dates: Keep dates and times, but not that of birth.
        shift_days: Move dates by this many days and keep times; 0 for not.
        keep_uids: Keep the UIDs of studies, series and images.
        deface: Remove the faces of heads.
        brain: A label image of the brain, for ``deface`` without the brain model.
        key: A secret of at least 16 bytes; the same one gives the same new UIDs and pseudonyms
            again. One is made up if it is empty.
        patients: Pseudonyms by Patient ID, of letters, digits, ``-`` and ``_``; all others are
            made up.
        leave_out: Leave out what cannot be cleaned, instead of refusing everything.
        blank_text: Write reports with their free text taken out, instead of refusing them.
        allow_burned_in: Write pictures that may show text, such as screenshots.
        keep_names: Keep the names of files and folders.

    Raises:
        UsageError: If they contradict each other.
    """

    keep_dates: bool = False
    shift_days: int = 0
    keep_uids: bool = False
    deface: bool = False
    brain: Path | None = None
    key: bytes = b""
    patients: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    leave_out: bool = False
    blank_text: bool = False
    allow_burned_in: bool = False
    keep_names: bool = False

    def __post_init__(self) -> None:
        if self.keep_dates and self.shift_days:
            raise UsageError("dates are either kept or shifted", hint="Leave one of them away")
        if self.key and len(self.key) < _LEAST_KEY:
            raise UsageError(
                f"a key of {len(self.key)} bytes can be guessed", hint="Take 16 or more"
            )
        if self.brain is not None and not self.deface:
            raise UsageError("a brain is only of use for defacing", hint="Add --deface")
        bad = [name for name in self.patients.values() if not _PLAIN_NAME.fullmatch(name)]
        if bad:
            hint = "Use letters, digits, - and _, 64 at most"
            raise UsageError(f"{bad[0]!r} is no usable pseudonym", hint=hint)
        if len(set(self.patients.values())) != len(self.patients):
            raise UsageError("two patients have the same pseudonym", hint="Give each its own")

    @property
    def days(self) -> int | None:
        """By how many days dates move; ``None`` if they are removed."""
        return self.shift_days if self.keep_dates or self.shift_days else None
