"""Who a DICOM object is about, to find it again in attributes where it does not belong.

The profile keeps attributes that name nobody if they are used as meant. People type names into
them all the same: the labels of segments, the names of protocols.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from MedAssistLib.export.deidentify.values import several
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

_WHOLE = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        *("PatientID", "OtherPatientIDs", "PatientAddress", "PatientTelephoneNumbers"),
        *("PatientBirthDate", "MedicalRecordLocator", "AccessionNumber", "AdmissionID"),
        *("InstitutionName", "InstitutionAddress", "ReferringPhysicianAddress"),
    )
)
_LEAST_WORD = 3
_LEAST_WHOLE = 4
_LEAST_FOREIGN = 2
_LEAST_IN_BYTES = 5
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
_NOBODY = frozenset(("unknown", "anonymous", "anonymized", "anonymised", "none", "null", "patient"))


class Identity:
    """Words that tell who somebody is.

    Args:
        data: A DICOM dataset as it was, searched with all that is nested in it.
    """

    def __init__(self, data: Dataset) -> None:
        words = {word.casefold() for word in _words(data)} - _NOBODY
        self._words = sorted(words, key=len, reverse=True)
        choice = "|".join(_bounded(word) for word in self._words)
        self._pattern = re.compile(choice, re.IGNORECASE) if choice else None

    def is_in(self, text: str) -> bool:
        """Tell whether a text names somebody, in capitals or not."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def is_in_bytes(self, raw: bytes) -> bool:
        """Tell whether bytes hold one of the longer words in a usual encoding, in any case."""
        lower = raw.lower()
        return any(
            word.encode(encoding, "ignore") in lower
            for word in self._words
            if len(word) >= _LEAST_IN_BYTES and word.isascii()
            for encoding in _ENCODINGS
        )


def _bounded(word: str) -> str:
    """Return a pattern for a whole word; scripts without blanks have no word boundaries."""
    plain = re.escape(word)
    return rf"(?<![^\W_]){plain}(?![^\W_])" if word.isascii() else plain


def _words(data: Dataset) -> Iterator[str]:
    for tag in list(data.keys()):
        if tag.is_private or not dictionary_has_tag(tag):
            continue
        vr = dictionary_VR(tag)
        if vr not in ("SQ", "PN") and tag not in _WHOLE:
            continue
        try:
            value = data[tag].value
            if vr == "SQ":
                for item in value:
                    yield from _words(item)
            else:
                for one in several(value):
                    yield from _parts(str(one), vr)
        except PARSE_ERRORS:
            continue


def _parts(value: str, vr: str) -> Iterator[str]:
    """Return the parts of a person's name, or another value as a whole."""
    parts = re.split(r"[\^=\s,\0]+", value) if vr == "PN" else [value.strip("\0 ")]
    least = _LEAST_WORD if vr == "PN" else _LEAST_WHOLE
    for part in parts:
        if len(part) >= (least if part.isascii() else _LEAST_FOREIGN):
            yield part
