"""What kind of file this is: told by its first bytes, because names lie or are missing."""

from __future__ import annotations

import gzip
import stat
import zipfile
import zlib
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from MedAssistLib.archive import DAMAGED_ZIP
from MedAssistLib.files import readable

HEAD = 1024
"""Bytes that are enough to tell."""

_GZIP = b"\x1f\x8b"
_DICOM_MARK = slice(128, 132)
_TAR_MARK = slice(257, 262)
_NIFTI1_MARK = slice(344, 348)
_NIFTI1_MARKS = (b"n+1\0", b"ni1\0")
_NIFTI2_MARKS = (b"n+2\0", b"ni2\0")
_ANALYZE_SIZES = (b"\x5c\x01\0\0", b"\0\0\x01\x5c")  # 348, little and big endian
_NIFTI2_SIZES = (b"\x1c\x02\0\0", b"\0\0\x02\x1c")  # 540
_NO_TEXT = frozenset((*range(0x20), 0x7F, 0xFF)) - frozenset(b"\t\n\v\f\r\x1a\x1b")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_META_WORDS = (b"ObjectType", b"NDims", b"ObjectSubType", b"Comment")


class Kind(StrEnum):
    """A kind of file, in words for a person."""

    DICOM = "DICOM"
    NIFTI = "NIfTI"
    ANALYZE = "Analyze"
    NRRD = "NRRD"
    META = "MetaImage"
    MINC1 = "MINC 1"
    HDF5 = "MINC 2 or another HDF5 file"
    NUMPY = "NumPy"
    NUMPY_ZIP = "NumPy archive"
    ZIP = "zip"
    GZIP = "packed file (gzip)"
    GZIP_DICOM = "packed DICOM file (gzip)"
    PACKED = "packed archive"
    PICTURE = "picture without millimetres"
    DOCUMENT = "document"
    TEXT = "text"
    EMPTY = "empty file"
    UNKNOWN = "file of unknown kind"


LOST = (Kind.GZIP_DICOM, Kind.EMPTY, Kind.UNKNOWN)
"""Kinds that may have been a slice if they lie beside others; a failing disk leaves zeros."""

IMAGES = (
    *(Kind.NIFTI, Kind.ANALYZE, Kind.NRRD, Kind.META, Kind.MINC1, Kind.HDF5),
    *(Kind.NUMPY, Kind.NUMPY_ZIP),
)
"""Kinds that are read as volumes, each from one file (or one with its data file)."""

_STARTS: dict[bytes, Kind] = {
    b"NRRD000": Kind.NRRD,
    b"\x89HDF\r\n\x1a\n": Kind.HDF5,
    b"CDF\x01": Kind.MINC1,
    b"CDF\x02": Kind.MINC1,
    b"\x93NUMPY": Kind.NUMPY,
    b"PK\x03\x04": Kind.ZIP,
    b"PK\x05\x06": Kind.ZIP,
    b"Rar!": Kind.PACKED,
    b"7z\xbc\xaf": Kind.PACKED,
    b"BZh": Kind.PACKED,
    b"\xfd7zXZ": Kind.PACKED,
    b"\xff\xd8\xff": Kind.PICTURE,
    b"\x89PNG": Kind.PICTURE,
    b"BM": Kind.PICTURE,
    b"GIF8": Kind.PICTURE,
    b"II*\0": Kind.PICTURE,
    b"MM\0*": Kind.PICTURE,
    b"%PDF": Kind.DOCUMENT,
    b"<?xml": Kind.DOCUMENT,
    b"<!DOC": Kind.DOCUMENT,
    b"<html": Kind.DOCUMENT,
}


def is_ordinary(path: Path) -> bool:
    """Tell whether reading the file will end: a pipe or a device may never."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def kind_of(path: Path) -> Kind:
    """Tell what kind of file this is by its content.

    A DICOM file without the marker after its preamble is ``UNKNOWN`` here.

    Raises:
        InputError: If the system refuses to read it.
    """
    with readable(path) as stream:
        head = stream.read(HEAD)
    if not head:
        return Kind.EMPTY
    if head[_DICOM_MARK] == b"DICM":
        return Kind.DICOM
    if head.startswith(_GZIP):
        return _kind_inside(path)
    kind = _kind(head)
    return Kind.NUMPY_ZIP if kind is Kind.ZIP and _only_arrays(path) else kind


def _kind(head: bytes) -> Kind:
    if _is_nifti(head):
        return Kind.NIFTI
    if head[:4] in _ANALYZE_SIZES:
        return Kind.ANALYZE
    if head[_TAR_MARK] == b"ustar":
        return Kind.PACKED
    if _is_meta(head):
        return Kind.META
    rest = Kind.TEXT if _is_text(head) else Kind.UNKNOWN
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), rest)


def _is_nifti(head: bytes) -> bool:
    if head[:4] in _ANALYZE_SIZES:
        return head[_NIFTI1_MARK] in _NIFTI1_MARKS
    return head[:4] in _NIFTI2_SIZES and head[4:8] in _NIFTI2_MARKS


def _is_meta(head: bytes) -> bool:
    """Tell a header of lines ``Name = value`` by its first name."""
    first = head.lstrip().split(b"=", 1)
    return len(first) == 2 and first[0].strip() in _META_WORDS and b"\n" in head


def _is_text(head: bytes) -> bool:
    """Tell text by what it lacks: control characters, and the 0xFF of erased memory."""
    return head.startswith(_UTF16) or not any(byte in _NO_TEXT for byte in head)


def _kind_inside(path: Path) -> Kind:
    """Tell NIfTI and Analyze, which are read packed, from what has to be unpacked first."""
    head = b""
    # The beginning tells, even if the rest is damaged.
    with suppress(OSError, EOFError, zlib.error), gzip.open(path) as stream:
        while len(head) < HEAD and (more := stream.read1(HEAD - len(head))):
            head += more
    if head[_DICOM_MARK] == b"DICM":
        return Kind.GZIP_DICOM
    kind = _kind(head)
    return kind if kind in (Kind.NIFTI, Kind.ANALYZE) else Kind.GZIP


def _only_arrays(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as zipped:
            names = zipped.namelist()
    except DAMAGED_ZIP:
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)
