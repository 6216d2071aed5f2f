"""Whether a DICOM object shows a head, whose face can be rebuilt from it."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from MedAssistLib.read.dicom.headers import PARSE_ERRORS

_FACES_IN = ("CT", "MR")
_WORDS_IN = (
    *("BodyPartExamined", "SeriesDescription", "ProtocolName", "StudyDescription"),
    "RequestedProcedureDescription",
)
_HEAD = re.compile(
    r"head|brain|skull|fac(e|ial)|crani|cereb|neuro|orbit|sinus|nasal|mandib|jaw|dental|pituit"
    r"|hippocamp|mprage|whole.?body|kopf|schädel|hirn|tête|cerve|cabeza|cráneo|testa"
)
_OTHER = re.compile(
    r"abdom|thora|chest|lung|cardi|heart|coron|breast|liver|kidney|colon|pelvis|prostat|spine"
    r"|shoulder|elbow|wrist|hand|hip\b|knee|ankle|foot|leg|arm\b|extrem|phantom"
)


def shows_head(data: Dataset) -> bool | None:
    """Tell whether an image shows a head by what its attributes say.

    Args:
        data: The dataset before it is cleaned.

    Returns:
        ``None`` if it could: it is a CT or MR image that does not say what it shows.
    """
    if data.get("Modality", None) not in _FACES_IN or "Rows" not in data:
        return False
    words = [_text(data, keyword).casefold() for keyword in _WORDS_IN]
    if any(_HEAD.search(text) for text in words):
        return True
    return False if any(_OTHER.search(text) for text in words) else None


def _text(data: Dataset, keyword: str) -> str:
    try:
        return str(data.get(keyword, None) or "")
    except PARSE_ERRORS:
        return ""
