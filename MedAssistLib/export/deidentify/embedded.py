"""What hides in pixels: overlays in their unused bits, and texts in compressed streams."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify.identity import Identity
from MedAssistLib.read.dicom.headers import Header

_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
_OVERLAY_BITS, _OVERLAY_DATA = 0x0100, 0x3000


def clear_overlays_in_pixels(data: Dataset, header: Header) -> bool:
    """Clear the unused bits of the pixels if an overlay lies in them (retired, PS3.3 C.9.2).

    Returns:
        Whether there was one.

    Raises:
        InputError: If the pixels are compressed.
    """
    if not any(_is_in_pixels(data, group) for group in _OVERLAY_GROUPS):
        return False
    if header.syntax.is_encapsulated:
        hint = "Have the archive send it uncompressed"
        what = "has an overlay within its compressed pixels"
        raise InputError(what, where=header.path, hint=hint)
    allocated, stored, high = (
        int(data[word].value) for word in ("BitsAllocated", "BitsStored", "HighBit")
    )
    kind = "i" if data.get("PixelRepresentation", None) else "u"
    order = ">" if header.big_endian else "<"
    values = np.frombuffer(data.PixelData, dtype=f"{order}{kind}{allocated // 8}").copy()
    above, below = allocated - high - 1, high + 1 - stored
    # Shifting up and down again clears the bits above, or fills them with the sign.
    cleared = values << above >> (above + below) << below
    data.PixelData = cleared.astype(values.dtype).tobytes()
    return True


def require_no_text_in_pixels(data: Dataset, header: Header, identity: Identity) -> None:
    """Refuse compressed pixels whose stream carries a name, as a comment of a JPEG can.

    Raises:
        InputError: If so.
    """
    if header.syntax.is_encapsulated and identity.is_in_bytes(data.get("PixelData", None) or b""):
        what = "names somebody within its compressed pixels"
        hint = "Have the archive send it uncompressed"
        raise InputError(what, where=header.path, hint=hint)


def _is_in_pixels(data: Dataset, group: int) -> bool:
    return (group, _OVERLAY_BITS) in data and (group, _OVERLAY_DATA) not in data
