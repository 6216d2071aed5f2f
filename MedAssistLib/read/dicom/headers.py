"""The header of a DICOM file: the attributes that reading needs, and where its pixels start."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)

from MedAssistLib.errors import InputError
from MedAssistLib.files import readable
from MedAssistLib.read.dicom.places import implied_syntax, pixel_place
from MedAssistLib.read.dicom.scanning import (
    FIRST_BLOCK,
    LAST_BLOCK,
    PREAMBLE,
    PRESENT,
    PRIVATE,
    PRIVATE_GROUPS,
    VRS,
    WANTED,
    PixelPlace,
    UnusualError,
    scan,
)

PARSE_ERRORS = (
    BytesLengthException,
    InvalidDicomError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on damaged files; it has no common class for it."""

_HEAD = 1 << 14
_TAGS = [
    *WANTED,
    *(
        group << 16 | block
        for group in PRIVATE_GROUPS
        for block in range(FIRST_BLOCK, LAST_BLOCK + 1)
    ),
    *(
        group << 16 | block << 8 | number
        for group, _, number in PRIVATE
        for block in range(FIRST_BLOCK, LAST_BLOCK + 1)
    ),
]


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """What was read of one DICOM file.

    Attributes:
        path: The file.
        values: Its wanted attributes as text, several values parted by a backslash.
        syntax: Transfer Syntax UID.
        pixels: Where its pixels lie; ``None`` if it has none or is deflated as a whole.
        size: Length of the file in bytes.
    """

    path: Path
    values: Mapping[str, str]
    syntax: UID
    pixels: PixelPlace | None
    size: int

    @property
    def big_endian(self) -> bool:
        """Whether numbers are stored with the high byte first."""
        return self.syntax == ExplicitVRBigEndian

    def text(self, keyword: str) -> str:
        """Return an attribute as it is written, empty if it is absent."""
        return self.values.get(keyword, "")

    def words(self, keyword: str) -> tuple[str, ...]:
        """Return the values of an attribute; none if it is absent."""
        text = self.values.get(keyword, "")
        return tuple(word.strip() for word in text.split("\\")) if text else ()

    def number(self, keyword: str) -> float | None:
        """Return an attribute's first number, ``None`` if it is absent or none."""
        try:
            return float(self.values.get(keyword, "").split("\\", 1)[0])
        except ValueError:
            return None

    def dataset(self) -> Dataset:
        """Read all attributes but the pixels, for what lies in sequences.

        Raises:
            PARSE_ERRORS: If the file is damaged.
        """
        return pydicom.dcmread(self.path, stop_before_pixels=True, force=True)


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM: by its marker, or, for old files without, by its first element.

    Args:
        path: Any file or folder.

    Raises:
        InputError: If the system refuses to read it.
    """
    if not path.is_file():
        return False
    with readable(path) as stream:
        return _looks_like_dicom(stream.read(PREAMBLE + 4))


def read_header(path: Path) -> Header | None:
    """Read one file's header.

    Returns:
        The header; ``None`` if the file is not DICOM.

    Raises:
        InputError: If it is DICOM and damaged, or cannot be read.
    """
    with readable(path) as stream:
        head = stream.read(_HEAD)
        if not _looks_like_dicom(head):
            return None
        size = os.fstat(stream.fileno()).st_size
        try:
            values, syntax, pixels = scan(head)
            return Header(path, values, syntax, pixels, size)
        except UnusualError:
            stream.seek(0)
        try:
            header = _parsed(path, stream, size)
        except PARSE_ERRORS as error:
            hint = "Copy or export it again"
            raise InputError("has a damaged header", where=path, hint=hint) from error
    if header.syntax not in AllTransferSyntaxes:
        what = f"is in a transfer syntax that is not known ({header.syntax!r})"
        raise InputError(what, where=path, hint="Have the archive send it uncompressed")
    return header


def _parsed(path: Path, stream: BinaryIO, size: int) -> Header:
    """Let pydicom read a header that is unusual or long."""
    data = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=_TAGS)
    implicit, little = data.original_encoding
    stated = data.file_meta.get("TransferSyntaxUID", None)
    syntax = UID(stated or implied_syntax(implicit=bool(implicit), little=little is not False))
    pixels = None
    if syntax != DeflatedExplicitVRLittleEndian:
        pixels, found = pixel_place(stream)
        syntax = syntax if found is None or syntax.is_encapsulated else found
    values = {}
    for tag, (keyword, vr) in WANTED.items():
        if tag in data:
            values[keyword] = _text(data, tag, vr)
    for (group, creator, number), (keyword, vr) in PRIVATE.items():
        private = _private_tag(data, group, creator, number)
        if private is not None and private in data:
            values[keyword] = _text(data, private, vr)
    if not values.get("SOPClassUID"):
        values["SOPClassUID"] = str(data.file_meta.get("MediaStorageSOPClassUID", ""))
    return Header(path, values, syntax, pixels, size)


def _private_tag(data: Dataset, group: int, creator: str, number: int) -> int | None:
    """Return the tag of a private element by who owns its block; ``None`` if nobody does."""
    for block in range(FIRST_BLOCK, LAST_BLOCK + 1):
        owner = group << 16 | block
        if owner in data and _text(data, owner, "LO") == creator:
            return group << 16 | block << 8 | number
    return None


def _text(data: Dataset, tag: int, vr: str) -> str:
    """Return an attribute as text; what cannot be read counts as absent."""
    try:
        value = data[tag].value
    except PARSE_ERRORS:
        return ""
    if vr == "SQ":
        return PRESENT if value else ""
    if isinstance(value, bytes):
        return _unknown_bytes(value, vr)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "\\".join(str(part) for part in value)
    return "" if value is None else str(value).strip("\0 ")


def _unknown_bytes(value: bytes, vr: str) -> str:
    """Return the value of a private attribute whose type the file does not give."""
    code = {"FD": "d", "FL": "f", "US": "H"}.get(vr)
    if code is None:
        return value.decode("latin-1").strip("\0 ")
    count = len(value) // struct.calcsize(code)
    return "\\".join(repr(part) for part in struct.unpack_from(f"<{count}{code}", value))


def _looks_like_dicom(head: bytes) -> bool:
    """Tell by the marker (PS3.10 section 7.1), or by a first element of group 0002 or 0008."""
    if head[PREAMBLE : PREAMBLE + 4] == b"DICM":
        return True
    if len(head) < PREAMBLE:
        return False
    for order in "<>":
        group, element, length = struct.unpack_from(f"{order}HHI", head)
        known = group in (0x0002, 0x0008) and element <= 0x0070
        if known and (head[4:6] in VRS or length <= PREAMBLE):
            return True
    return False
