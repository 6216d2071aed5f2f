"""Where a file's pixels start, and in which uncompressed layout they are, by their own bytes."""

from __future__ import annotations

import struct
from typing import BinaryIO

from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from MedAssistLib.read.dicom.scanning import PIXEL_VRS, PixelPlace

_UNDEFINED = 0xFFFFFFFF
_PIXELS_GROUP = b"\xe0\x7f"


def implied_syntax(*, implicit: bool, little: bool) -> str:
    """Return the uncompressed syntax that pydicom found a file to have that does not say."""
    if implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if little else ExplicitVRBigEndian)


def pixel_place(stream: BinaryIO) -> tuple[PixelPlace | None, UID | None]:
    """Read the head of the element that a stream has come to, from its bytes alone.

    Files exist whose transfer syntax is not that of their pixels; a VR there and an even length
    cannot be mistaken for each other, because O and U are odd.

    Returns:
        Where the pixels are, and the uncompressed syntax that they are in.

    Raises:
        ValueError: If there is no such syntax.
    """
    start = stream.tell()
    raw = stream.read(12)
    if len(raw) < 12:
        return None, None
    little = raw[:2] == _PIXELS_GROUP
    order = "<" if little else ">"
    group, element = struct.unpack_from(f"{order}HH", raw)
    if group != 0x7FE0 or element not in (0x0008, 0x0009, 0x0010):
        return None, None
    implicit = raw[4:6] not in PIXEL_VRS
    if implicit and not little:
        raise ValueError
    at, header = (4, 8) if implicit else (8, 12)
    length = struct.unpack_from(f"{order}I", raw, at)[0]
    whole = None if length == _UNDEFINED else length
    place = PixelPlace(element, start + header, whole, raw[4:6] == b"OW")
    return place, UID(implied_syntax(implicit=implicit, little=little))
