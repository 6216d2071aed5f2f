"""DICOM objects that cannot be cleaned, because text can stand where no attribute tells of it."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify.options import DeidentifyOptions
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

# Pictures that nearly always have text drawn into them, unless they say that they have not.
_SCREENS = ("Secondary Capture", "Ultrasound", "Video ")
_SCREEN_WORDS = ("SCREEN SAVE", "SCREENSHOT")
_LEAVE_OUT = "Leave it out with --leave-out"


def require_cleanable(data: Dataset, path: Path, options: DeidentifyOptions) -> None:
    """Refuse what cannot be cleaned.

    Raises:
        InputError: If it is a document, a report with free text, or a picture that may show text,
            and the options do not accept it.
    """
    name = UID(str(data.get("SOPClassUID", ""))).name
    if "Encapsulated" in name or "EncapsulatedDocument" in data:
        what = "is a document within a DICOM file, in which names can stand anywhere"
        raise InputError(what, where=path, hint=_LEAVE_OUT)
    if not options.blank_text and "ContentSequence" in data and _has_text(data):
        hint = f"Write it without its text with --blank-text. {_LEAVE_OUT}"
        raise InputError(
            "is a report with free text, which may name anybody", where=path, hint=hint
        )
    if options.allow_burned_in:
        return
    doubt = _burned_in(data, name)
    if doubt:
        hint = f"If you looked at it and it shows no name, add --allow-burned-in. {_LEAVE_OUT}"
        raise InputError(doubt, where=path, hint=hint)


def may_show_text(data: Dataset) -> bool:
    """Tell whether text may well be drawn into a picture that is cleanable all the same.

    Made pictures, such as renderings, fused and colour images, often have some; few files say.
    """
    if "PixelData" not in data or str(data.get("BurnedInAnnotation", "") or "").upper() == "NO":
        return False
    kind = data.get("ImageType", None) or ()
    words = [str(word).upper() for word in ([kind] if isinstance(kind, str) else kind)]
    return int(data.get("SamplesPerPixel", None) or 1) > 1 or "SECONDARY" in words[1:2]


def _burned_in(data: Dataset, name: str) -> str:
    """Return why text may be drawn into a picture (PS3.3 C.7.6.1.1.1); empty if none is likely."""
    stated = str(data.get("BurnedInAnnotation", "") or "").upper()
    if stated == "YES":
        return "says that text is drawn into its picture, which may name the patient"
    kind = data.get("ImageType", None) or ()
    words = " ".join(kind if not isinstance(kind, str) else [kind]).upper()
    screen = any(part in name for part in _SCREENS) or any(w in words for w in _SCREEN_WORDS)
    if screen and stated != "NO" and "PixelData" in data:
        return "is a picture of a screen or a video, which may show the patient's name"
    return ""


def _has_text(data: Dataset) -> bool:
    """Tell whether a report holds text that somebody wrote, at any depth."""
    try:
        items = data.get("ContentSequence", None) or ()
        return any(item.get("TextValue", None) or _has_text(item) for item in items)
    except PARSE_ERRORS:
        return True
