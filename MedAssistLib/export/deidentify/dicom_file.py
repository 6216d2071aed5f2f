"""One DICOM file: read, judged, cleaned, stamped, and written as a new one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID

from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify import stamp
from MedAssistLib.export.deidentify.dataset import Cleaner
from MedAssistLib.export.deidentify.embedded import (
    clear_overlays_in_pixels,
    require_no_text_in_pixels,
)
from MedAssistLib.export.deidentify.faces import Faces, deface_dataset
from MedAssistLib.export.deidentify.heads import shows_head
from MedAssistLib.export.deidentify.identity import Identity
from MedAssistLib.export.deidentify.options import DeidentifyOptions
from MedAssistLib.export.deidentify.pseudonyms import Pseudonyms
from MedAssistLib.export.deidentify.refusals import may_show_text, require_cleanable
from MedAssistLib.export.deidentify.tally import Deeds
from MedAssistLib.read.dicom.headers import PARSE_ERRORS, Header, read_header

_NAMES = ("Patient's Name", "Patient ID")
_AGAIN = "Copy or export it again"


@dataclass(frozen=True, eq=False)
class Cleaned:
    """A DICOM object that may leave.

    Attributes:
        source: The file that it was read from.
        data: Its dataset, ready to be written.
        place: Pseudonym of the patient, and the old UIDs of study and series, to sort it by.
        identity: Who it was about.
        deeds: What was done.
        face: Whether it may show a face: ``None`` if it does not say what it shows.
        text: Whether text may well be drawn into its picture.
    """

    source: Path
    data: FileDataset
    place: tuple[str, str, str]
    identity: Identity
    deeds: Deeds
    face: bool | None
    text: bool


def clean_dicom(
    path: Path, options: DeidentifyOptions, pseudonyms: Pseudonyms, faces: Faces | None
) -> Cleaned:
    """Clean one DICOM file.

    Args:
        path: The file.
        options: How.
        pseudonyms: New names and UIDs.
        faces: Where the faces are; ``None`` to leave them.

    Raises:
        InputError: If it is damaged or cannot be cleaned.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Odd values are judged where they are used.
        try:
            return _cleaned(path, options, pseudonyms, faces)
        except PARSE_ERRORS as error:
            raise InputError("is damaged", where=path, hint=_AGAIN) from error


def save_dicom(cleaned: Cleaned, target: Path) -> None:
    """Write a cleaned DICOM object to a file.

    Raises:
        InputError: If it holds values that no file can.
        OSError: If the file cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cleaned.data.save_as(target, enforce_file_format=True)
        except OSError:
            raise
        except PARSE_ERRORS as error:
            raise InputError("is damaged", where=cleaned.source, hint=_AGAIN) from error


def _cleaned(
    path: Path, options: DeidentifyOptions, pseudonyms: Pseudonyms, faces: Faces | None
) -> Cleaned:
    header = _whole_header(path)
    data = pydicom.dcmread(path, force=True)
    _new_meta(data, header)
    require_cleanable(data, path, options)
    identity, face, text = Identity(data), shows_head(data), may_show_text(data)
    require_no_text_in_pixels(data, header, identity)
    overlays = clear_overlays_in_pixels(data, header)
    codes = set(stamp.earlier_codes(data))
    if faces is not None and face is not False:
        deface_dataset(data, header, faces)
        codes.add(stamp.CLEAN_FACES)
    place = _place(data, pseudonyms)
    cleaner = Cleaner(identity, pseudonyms, options.days)
    cleaner.clean(data)
    if overlays:
        cleaner.deeds.add(("Overlays", "removed"))
    cleaner.deeds = {deed for deed in cleaner.deeds if deed[0] not in _NAMES}
    cleaner.deeds |= {(name, "replaced by a pseudonym") for name in _NAMES}
    stamp.stamp(data, place[0], codes | cleaner.options | _codes_of(options), options.days)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    face = face if faces is None else False
    return Cleaned(path, data, place, identity, cleaner.deeds, face, text)


def _whole_header(path: Path) -> Header:
    header = read_header(path)
    if header is None:
        raise InputError("is not a DICOM file", where=path)
    pixels = header.pixels
    if pixels is not None and pixels.length and pixels.start + pixels.length > header.size:
        raise InputError("is cut off", where=path, hint=_AGAIN)
    return header


def _new_meta(data: FileDataset, header: Header) -> None:
    """Put a preamble and file header of our own in place of those that were there."""
    kind, which = (
        data.get(word, None) or data.file_meta.get(f"MediaStorage{word}", "")
        for word in ("SOPClassUID", "SOPInstanceUID")
    )
    if not kind or not which:
        what = "does not say what kind of DICOM object it is, or which"
        raise InputError(what, where=header.path, hint=_AGAIN)
    data.preamble = bytes(128)
    data.file_meta = FileMetaDataset()
    data.SOPClassUID, data.SOPInstanceUID = UID(kind), UID(which)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.TransferSyntaxUID = header.syntax


def _place(data: Dataset, pseudonyms: Pseudonyms) -> tuple[str, str, str]:
    words = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesInstanceUID")
    identifier, issuer, study, series = (str(data.get(w, None) or "").strip() for w in words)
    return pseudonyms.patient(identifier, issuer, study), study, series


def _codes_of(options: DeidentifyOptions) -> set[str]:
    codes = {stamp.KEPT_UIDS} if options.keep_uids else set()
    if options.days is not None:
        codes.add(stamp.SHIFTED_DATES if options.days else stamp.KEPT_DATES)
    return codes
