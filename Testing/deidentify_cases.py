"""DICOM objects that name somebody wherever they can, and looking for the names in bytes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pydicom
from pydicom import uid
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from MedAssistLib.export.deidentify.profile import action_for
from MedAssistLib.export.deidentify.values import several
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

MARK = "Quaxelbotham"
"""A name that no scanner writes."""
MARK_UID = "1.2.826.0.1.947.947"
MARK_DATE = "19470203"

CODECS = (
    *("utf-8", "latin-1", "iso8859-5", "iso8859-7", "shift_jis", "iso2022_jp", "iso2022_jp_2"),
    *("euc_kr", "iso2022_kr", "gb18030", "gbk", "utf-16-le", "utf-16-be"),
)
_TEXTS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
_BYTES = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
_NUMBERS = {"AT": 0x00100010, "DS": "947.5", "IS": "947", "AS": "094Y"}


def marked(vr: str) -> Any:
    """Return a value of one kind that holds the mark, where it can."""
    if vr in _TEXTS:
        return MARK
    if vr in _BYTES:
        return (MARK + MARK).encode()
    if vr == "DT":
        return f"{MARK_DATE}121314"
    times = {"CS": MARK.upper(), "DA": MARK_DATE, "TM": "121314", "UI": MARK_UID}
    return {**times, **_NUMBERS}.get(vr, 947)


def fill(data: Dataset, tags: Iterable[int]) -> Dataset:
    """Put a marked value into each attribute."""
    for tag in tags:
        vr = dictionary_VR(tag).split(" or ")[0] if dictionary_has_tag(tag) else "LO"
        if vr != "SQ":
            data.add_new(tag, vr, marked(vr))
            continue
        item = Dataset()
        item.PatientName, item.TextValue, item.ReferencedSOPInstanceUID = MARK, MARK, MARK_UID
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", MARK
        data.add_new(tag, "SQ", Sequence([item]))
    return data


def mr_image(**changes: Any) -> Dataset:
    """Return a small MR image with the attributes that it must have."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = uid.MRImageStorage, f"{MARK_UID}.1"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{MARK_UID}.2", f"{MARK_UID}.3"
    data.Modality, data.ImageType = "MR", ["ORIGINAL", "PRIMARY", "OTHER"]
    data.PatientName, data.PatientID = f"{MARK}^Zed", "ID94794"
    data.Rows = data.Columns = 4
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = bytes(range(32))
    data["PixelData"].VR = "OW"
    for keyword, value in changes.items():
        setattr(data, keyword, value)
    return data


def save(data: Dataset, path: Path) -> Path:
    """Write a dataset as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def holds(raw: bytes, text: str) -> bool:
    """Tell whether bytes hold a text in any encoding that DICOM knows, in capitals or not."""
    forms = {text, text.lower(), text.upper()}
    found = set()
    for codec in CODECS:
        for form in forms:
            try:
                found.add(_unescaped(form.encode(codec)))
            except UnicodeEncodeError:
                continue
    return any(code in raw for code in found)


def _unescaped(code: bytes) -> bytes:
    """Return encoded text without the escape sequences around it."""
    return re.sub(rb"^\x1b[^@-~]*[@-~]|\x1b[^@-~]*[@-~]$", b"", code)


def identifying_values(data: Dataset) -> Iterator[str]:
    """Yield the values, as text, of all attributes that the profile does not keep."""
    for tag in list(data.keys()):
        if tag.is_private or not dictionary_has_tag(tag):
            continue
        try:
            element = data[tag]
        except PARSE_ERRORS:
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield from identifying_values(item)
        elif action_for(tag) is not None and element.VR in (*_TEXTS, "UI", "DA", "DT"):
            yield from (str(one).strip() for one in several(element.value) if one)


def kept_text(data: Dataset) -> str:
    """Return all text that the profile keeps, by which a scanner may repeat what it removes."""
    return "\n".join(
        str(element.value)
        for element in data.iterall()
        if element.VR not in ("SQ", *_BYTES) and action_for(element.tag) is None
    )


def validator_errors(path: Path) -> set[str]:
    """Return what dciodvfy finds wrong in a DICOM file, UIDs and offsets left out."""
    done = subprocess.run(["dciodvfy", str(path)], check=False, capture_output=True)
    lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
    return {
        re.sub(r"(UID|value) <?[\d.]+>?", r"\1", line) for line in lines if line.startswith("Error")
    }


def read(path: Path) -> Dataset:
    """Read a DICOM file that must be whole."""
    return pydicom.dcmread(path)
