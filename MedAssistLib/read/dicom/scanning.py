"""A quick scan of a DICOM file's first bytes for the attributes that reading needs.

It knows the three uncompressed layouts of PS3.5 section 7 and skips whatever is not wanted; for
anything unusual it gives up, and pydicom reads the file instead.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

PREAMBLE = 128

_KEYWORDS = [
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality"),
    *("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "SeriesDate", "SeriesTime"),
    *(
        "TimezoneOffsetFromUTC",
        "SeriesDescription",
        "ProtocolName",
        "BodyPartExamined",
        "Manufacturer",
        "SeriesNumber",
    ),
    *("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("AcquisitionNumber", "InstanceNumber", "TemporalPositionIdentifier", "TriggerTime"),
    *("EchoTime", "InversionTime", "RepetitionTime", "MagneticFieldStrength"),
    *("FlipAngle", "KVP", "PatientID", "IssuerOfPatientID"),
    *("DiffusionBValue", "DiffusionGradientOrientation", "ComplexImageComponent"),
    *("ConvolutionKernel", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("PatientWeight", "CorrectedImage", "Units", "SUVType", "DecayCorrection"),
    *("RadiopharmaceuticalInformationSequence", "PerFrameFunctionalGroupsSequence"),
]
WANTED: dict[int, tuple[str, str]] = {
    tag: (keyword, dictionary_VR(tag).split(" or ")[0])
    for keyword in _KEYWORDS
    if (tag := tag_for_keyword(keyword)) is not None
}
"""Tag → keyword and VR of what is read of the standard; padding has the pixels' sign."""

PRIVATE: dict[tuple[int, str, int], tuple[str, str]] = {
    (0x0019, "SIEMENS MR HEADER", 0x0C): ("SiemensBValue", "IS"),
    (0x0019, "SIEMENS MR HEADER", 0x0E): ("SiemensGradientDirection", "FD"),
    (0x0043, "GEMS_PARM_01", 0x39): ("GEBValue", "IS"),
    (0x2001, "Philips Imaging DD 001", 0x03): ("PhilipsBValue", "FL"),
    (0x7053, "Philips PET Private Group", 0x00): ("PhilipsSUVFactor", "DS"),
    (0x7053, "Philips PET Private Group", 0x09): ("PhilipsActivityFactor", "DS"),
}
"""Group, private creator and element within its block (PS3.5 section 7.8.1) → a name of our own
and VR. Makers share numbers: without its creator an element may mean anything."""

PRIVATE_GROUPS = frozenset(group for group, _, _ in PRIVATE)
FIRST_BLOCK, LAST_BLOCK = 0x10, 0x1F
"""The blocks that private creators are looked for in; writers take them from the first up."""

PRESENT = "present"
"""Stands for the value of a sequence that has items."""

_BINARY = {"US": "H", "FL": "f", "FD": "d"}
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
VRS = _LONG_VRS | _SHORT_VRS
PIXEL_VRS = frozenset(b"OB OD OF OW UN".split())
_UNDEFINED = 0xFFFFFFFF
_FIRST_PIXELS, _LAST_PIXELS = 0x7FE00008, 0x7FE00010
_SYNTAX = 0x00020010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class UnusualError(Exception):
    """The file is laid out in a way that this scan leaves to pydicom, or longer than its head."""


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where a file's pixel values lie.

    Attributes:
        element: Element number of group 7FE0: 0x0010 integers, 0x0008 float, 0x0009 double.
        start: Byte offset of the first value; of the first item if they are encapsulated.
        length: Bytes; ``None`` for encapsulated frames, whose total is not stated.
        words: Whether the file calls them 16-bit words (VR OW), whatever they are.
    """

    element: int
    start: int
    length: int | None
    words: bool = False


def scan(head: bytes) -> tuple[dict[str, str], UID, PixelPlace]:
    """Return the wanted attributes, the transfer syntax, and where the pixels lie.

    Args:
        head: The first bytes of a file, preamble included.

    Returns:
        Attributes as text by keyword, several values parted by a backslash.

    Raises:
        UnusualError: If the pixels do not start within ``head`` or something is unusual.
    """
    if head[PREAMBLE : PREAMBLE + 4] != b"DICM":
        raise UnusualError
    try:
        syntax, start = _syntax(head)
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        return _Scanner(head, order, explicit=syntax != ImplicitVRLittleEndian).run(start, syntax)
    except (struct.error, UnicodeError, ValueError) as error:
        raise UnusualError from error


def _syntax(head: bytes) -> tuple[UID, int]:
    """Read the preface, group 0002, which is explicit and little endian (PS3.10 section 7.1)."""
    scanner, at, syntax = _Scanner(head, "<", explicit=True), PREAMBLE + 4, b""
    while head[at : at + 2] == b"\x02\x00":
        tag, start, length = scanner.element(at)
        at = start + length
        if tag == _SYNTAX:
            syntax = head[start:at]
    uid = UID(syntax.decode("ascii").strip("\0 "))
    if not uid.is_transfer_syntax or uid == DeflatedExplicitVRLittleEndian:
        raise UnusualError
    return uid, at


class _Scanner:
    def __init__(self, head: bytes, order: str, *, explicit: bool) -> None:
        self._head, self._order, self._explicit = head, order, explicit
        self._tag = struct.Struct(f"{order}HH")
        self._short, self._long = struct.Struct(f"{order}H"), struct.Struct(f"{order}I")

    def run(self, at: int, syntax: UID) -> tuple[dict[str, str], UID, PixelPlace]:
        values: dict[str, str] = {}
        creators: dict[int, str] = {}
        while True:
            tag, start, length = self.element(at)
            if _FIRST_PIXELS <= tag <= _LAST_PIXELS:
                return values, syntax, self._pixels(tag, at, start, length)
            if tag > _LAST_PIXELS:
                raise UnusualError
            at = self._after_sequence(start) if length == _UNDEFINED else start + length
            if at > len(self._head):
                raise UnusualError
            if tag in WANTED:
                keyword, vr = WANTED[tag]
                values[keyword] = self._text(self._head[start:at], vr)
            elif tag >> 16 in PRIVATE_GROUPS:
                self._private(tag, self._head[start:at], creators, values)

    def _pixels(self, tag: int, at: int, start: int, length: int) -> PixelPlace:
        vr = self._head[at + 4 : at + 6]
        if self._explicit != (vr in PIXEL_VRS):
            raise UnusualError
        whole = None if length == _UNDEFINED else length
        return PixelPlace(tag & 0xFFFF, start, whole, vr == b"OW")

    def _private(
        self, tag: int, raw: bytes, creators: dict[int, str], values: dict[str, str]
    ) -> None:
        """Note who owns a block of private elements, or read an element of a known owner."""
        group, number = tag >> 16, tag & 0xFFFF
        if FIRST_BLOCK <= number <= LAST_BLOCK:
            creators[group << 8 | number] = self._text(raw, "LO")
            return
        creator = creators.get(group << 8 | number >> 8, "")
        named = PRIVATE.get((group, creator, number & 0xFF))
        if named is not None:
            values[named[0]] = self._text(raw, named[1])

    def element(self, at: int) -> tuple[int, int, int]:
        """Return the tag at a place, where its value starts, and its length."""
        group, number = self._tag.unpack_from(self._head, at)
        tag = group << 16 | number
        if not self._explicit or group == 0xFFFE:
            return tag, at + 8, self._long.unpack_from(self._head, at + 4)[0]
        vr = self._head[at + 4 : at + 6]
        if vr in _SHORT_VRS:
            return tag, at + 8, self._short.unpack_from(self._head, at + 6)[0]
        if vr not in _LONG_VRS:
            raise UnusualError
        length = self._long.unpack_from(self._head, at + 8)[0]
        if vr == b"UN" and length == _UNDEFINED:
            raise UnusualError
        return tag, at + 12, length

    def _after_sequence(self, at: int) -> int:
        """Return the place after a sequence of undefined length that starts at ``at``."""
        while True:
            tag, at, length = self.element(at)
            if tag == _SEQUENCE_END:
                return at
            if tag != _ITEM:
                raise UnusualError
            at = self._after_item(at) if length == _UNDEFINED else at + length

    def _after_item(self, at: int) -> int:
        while True:
            tag, at, length = self.element(at)
            if tag == _ITEM_END:
                return at
            at = self._after_sequence(at) if length == _UNDEFINED else at + length

    def _text(self, raw: bytes, vr: str) -> str:
        if vr == "SQ":
            return PRESENT if len(raw) > 8 else ""
        if vr not in _BINARY:
            return raw.decode("latin-1").strip("\0 ")
        code, size = _BINARY[vr], struct.calcsize(_BINARY[vr])
        numbers = struct.unpack(f"{self._order}{len(raw) // size}{code}", raw)
        return "\\".join(repr(number) for number in numbers)
