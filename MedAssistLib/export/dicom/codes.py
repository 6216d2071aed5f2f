"""Codes and texts as DICOM takes them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from MedAssistLib.case import TISSUE, Code

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept

_LONG_STRING = 64
_SHORT_STRING = 16


def concept(code: Code) -> CodedConcept:
    """Return a code as DICOM keeps it; one without value or scheme becomes "Tissue"."""
    from highdicom.sr import CodedConcept

    value, scheme = long_string(code.value), long_string(code.scheme)[:_SHORT_STRING]
    if not (value and scheme):
        return concept(TISSUE)
    return CodedConcept(value, scheme, long_string(code.meaning) or value)


def long_string(text: str) -> str:
    """Return a text that fits DICOM's value representation LO (PS3.5 6.2).

    At most 64 characters, no backslash, which parts values, and nothing invisible.
    """
    shown = (" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text)
    words = " ".join("".join(shown).replace("\\", "/").split())
    return words if len(words) <= _LONG_STRING else words[: _LONG_STRING - 1].rstrip() + "…"
