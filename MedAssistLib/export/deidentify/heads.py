"""Whether a DICOM object shows a head, whose face can be rebuilt from it."""

from __future__ import annotations

from pydicom.dataset import Dataset

from MedAssistLib.export.heads import head_in
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

_FACES_IN = ("CT", "MR")
_WORDS_IN = (
    *("BodyPartExamined", "SeriesDescription", "ProtocolName", "StudyDescription"),
    "RequestedProcedureDescription",
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
    return head_in(_text(data, keyword) for keyword in _WORDS_IN)


def _text(data: Dataset, keyword: str) -> str:
    try:
        return str(data.get(keyword, None) or "")
    except PARSE_ERRORS:
        return ""
