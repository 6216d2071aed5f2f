"""What a de-identified DICOM object says about itself (PS3.15 E.1.1, PS3.3 C.7.1.1 and C.12.1)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from MedAssistLib import __version__
from MedAssistLib.export.deidentify.profile import EDITION
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

PROFILE = "113100"
CLEAN_FACES = "113102"
KEPT_DATES = "113106"
SHIFTED_DATES = "113107"
KEPT_UIDS = "113110"

# PS3.16 CID 7050.
_MEANINGS = {
    PROFILE: "Basic Application Confidentiality Profile",
    CLEAN_FACES: "Clean Recognizable Visual Features Option",
    "113101": "Clean Pixel Data Option",
    "113103": "Clean Graphics Option",
    "113104": "Clean Structured Content Option",
    KEPT_DATES: "Retain Longitudinal Temporal Information Full Dates Option",
    SHIFTED_DATES: "Retain Longitudinal Temporal Information Modified Dates Option",
    KEPT_UIDS: "Retain UIDs Option",
    "113105": "Clean Descriptors Option",
    "113111": "Retain Safe Private Option",
}
# What an earlier de-identification cleaned stays clean; what it retained is judged anew.
_LASTING = frozenset(("113101", CLEAN_FACES, "113103", "113104", "113105"))
_HARDER = ("UNMODIFIED", "MODIFIED", "REMOVED")


def earlier_codes(data: Dataset) -> list[str]:
    """Return the codes of what earlier de-identifications cleaned, as a dataset records them."""
    try:
        items = data.get("DeidentificationMethodCodeSequence", None) or ()
        return sorted(_LASTING.intersection(str(item.get("CodeValue", "")) for item in items))
    except PARSE_ERRORS:
        return []


def stamp(data: Dataset, pseudonym: str, options: Iterable[str], days: int | None) -> None:
    """Record in a cleaned dataset that it is de-identified, and how.

    Args:
        data: The dataset.
        pseudonym: The patient's new name.
        options: Codes of the options of the profile, with those of earlier times.
        days: By how many days dates moved; ``None`` if they were removed.
    """
    data.PatientName = data.PatientID = pseudonym
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = f"MedAssist {__version__}, PS3.15 {EDITION} Basic Profile"
    codes = sorted({PROFILE, *options})
    data.DeidentificationMethodCodeSequence = Sequence(_code(value) for value in codes)
    now = "REMOVED" if days is None else "MODIFIED" if days else "UNMODIFIED"
    before = data.get("LongitudinalTemporalInformationModified", None)
    data.LongitudinalTemporalInformationModified = max(
        (now, before if before in _HARDER else now), key=_HARDER.index
    )


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", _MEANINGS[value]
    return item
