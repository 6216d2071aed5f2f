"""The values that a DICOM file stores: as they lie in it, or decoded.

Bit layouts as in PS3.5 section 8.1, colours as in PS3.3 C.7.6.3.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from MedAssistLib.errors import InputError
from MedAssistLib.read.dicom import codecs
from MedAssistLib.read.dicom.headers import Header
from MedAssistLib.read.dicom.scanning import PixelPlace

Plane = npt.NDArray[Any]

_FLOAT_TYPES: dict[int, np.dtype[Any]] = {
    0x0008: np.dtype(np.float32),
    0x0009: np.dtype(np.float64),
}
_MEASURED = frozenset({"CT", "MR", "PT", "NM"})
_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])  # of R, G, B (ITU-R BT.601)
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")


@dataclass(frozen=True)
class Encoding:
    """How a file stores its values.

    Attributes:
        dtype: Type of the values once read or decoded, in this machine's byte order.
        stored_bits: Bits that count.
        shift: Unused bits below them.
        plain: Whether the values lie in the file one after another, grey, in ``dtype``.
        big_endian: Whether their high byte comes first.
        colour: Whether they are colours, directly or through a palette.
        table: Whether a modality LUT turns them into values.
        inverted: Whether the lowest is shown white and none has a meaning of its own.
    """

    dtype: np.dtype[Any]
    stored_bits: int
    shift: int
    plain: bool
    big_endian: bool
    colour: bool
    table: bool
    inverted: bool

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and highest stored value that there can be (of integers)."""
        if self.dtype.kind == "i":
            return -(1 << (self.stored_bits - 1)), (1 << (self.stored_bits - 1)) - 1
        return 0, (1 << self.stored_bits) - 1


def encoding_of(header: Header) -> Encoding:
    """Return how a file stores its values.

    Raises:
        InputError: If its bits are none that the standard allows.
    """
    place = header.pixels
    if place is not None and place.length is None and not header.syntax.is_encapsulated:
        hint = "Have the archive send it uncompressed"
        raise InputError("says that its compressed pixels are not", where=header.path, hint=hint)
    interpretation = header.text("PhotometricInterpretation") or "MONOCHROME2"
    colour = interpretation not in _MONOCHROME or (header.number("SamplesPerPixel") or 1) != 1
    table = bool(header.text("ModalityLUTSequence"))
    packed = header.syntax.is_encapsulated or header.syntax.is_deflated or place is None
    allocated = header.number("BitsAllocated")
    # Words of two 8-bit values have them swapped where the high byte comes first (PS3.5 8.1.1).
    paired = allocated == 8 and header.big_endian and place is not None and place.words
    dtype, stored_bits, shift = _layout(header)
    if colour or table:  # Palettes and tables hold up to 16 bits without sign.
        dtype, stored_bits, shift = np.dtype(np.uint16), 16, 0
    return Encoding(
        dtype=dtype,
        stored_bits=stored_bits,
        shift=shift,
        plain=not (packed or colour or table or paired or allocated == 1),
        big_endian=header.big_endian,
        colour=colour,
        table=table,
        inverted=interpretation == "MONOCHROME1" and header.text("Modality") not in _MEASURED,
    )


def _layout(header: Header) -> tuple[np.dtype[Any], int, int]:
    """Return the type of the stored values, how many bits count, and how many lie below them."""
    if header.pixels is not None and header.pixels.element in _FLOAT_TYPES:
        return _FLOAT_TYPES[header.pixels.element], 0, 0
    allocated = int(header.number("BitsAllocated") or 0)
    stored = int(header.number("BitsStored") or allocated)
    high = header.number("HighBit")
    high_bit = stored - 1 if high is None else int(high)
    possible = allocated in (1, 8, 16, 32) and 0 < stored <= allocated
    if not possible or not stored - 1 <= high_bit < allocated:
        what = f"has an impossible pixel layout ({stored} of {allocated} bits, up to {high_bit})"
        raise InputError(what, where=header.path, hint="Export it again")
    sign = header.number("PixelRepresentation")
    if sign not in (0, 1):
        what = "does not say whether its values have a sign (Pixel Representation)"
        raise InputError(what, where=header.path, hint="Export it again")
    return (
        np.dtype(f"{'i' if sign else 'u'}{max(allocated // 8, 1)}"),
        stored,
        high_bit + 1 - stored,
    )


def read_plain(
    stream: BinaryIO, header: Header, encoding: Encoding, index: int, out: Plane
) -> None:
    """Read one frame's values as they lie in the file.

    Args:
        stream: The open file.
        header: Its header.
        encoding: Its encoding, which is plain.
        index: Number of the frame.
        out: Filled, axes (j, i), contiguous, of the encoding's item size.

    Raises:
        InputError: If the file ends before.
    """
    place = cast("PixelPlace", header.pixels)
    stream.seek(place.start + index * out.nbytes)
    if cast("io.BufferedReader", stream).readinto(out.data.cast("B")) != out.nbytes:
        raise InputError("is cut off", where=header.path, hint="Copy or export it again")
    if encoding.big_endian:
        out.byteswap(inplace=True)
    tidy_bits(out.view(encoding.dtype), encoding)


def tidy_bits(values: Plane, encoding: Encoding) -> None:
    """Clear, in place, bits around the stored ones, and extend the sign (PS3.5 8.1.1)."""
    if values.dtype.kind == "f":
        return
    above = values.dtype.itemsize * 8 - encoding.stored_bits - encoding.shift
    if above or encoding.shift:
        np.left_shift(values, above, out=values)
        np.right_shift(values, above + encoding.shift, out=values)


def decode(header: Header, encoding: Encoding, indices: Sequence[int]) -> Iterator[Plane]:
    """Yield frames of a file that has to be decoded, as grey values before any rescaling.

    Args:
        header: The file.
        encoding: Its encoding.
        indices: Numbers of the frames, rising.

    Raises:
        InputError: If it is damaged, or nothing here can decode it.
    """
    try:
        data = pydicom.dcmread(header.path, force=True)
        data.file_meta.TransferSyntaxUID = header.syntax
        for values in codecs.frames(header.path, data, indices):
            yield _grey(values, data, encoding)
    except codecs.DECODE_ERRORS as error:
        raise codecs.undecodable(header.path, header.syntax) from error


def _grey(values: Plane, data: pydicom.Dataset, encoding: Encoding) -> Plane:
    if data.get("PhotometricInterpretation") == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    if values.ndim == 3:
        values = np.rint(values @ _GREY_WEIGHTS)
    if encoding.table:
        values = apply_modality_lut(values, data)
    plane = values.astype(encoding.dtype)
    tidy_bits(plane, encoding)
    return plane
