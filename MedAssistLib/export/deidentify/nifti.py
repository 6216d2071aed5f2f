"""NIfTI files without their free text: the voxels and where they lie stay, byte by byte.

Header fields as in the NIfTI-1 and NIfTI-2 standards (nifti1.h, nifti2.h).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify.tally import KEPT, Deeds
from MedAssistLib.progress import Progress
from MedAssistLib.read.nifti_header import Header, data_file, open_packed, read_header

_REMOVED = "removed"
_CHUNK = 1 << 22
_PACKING_LEVEL = 6


class _Layout(NamedTuple):
    """Where a version of the format has its fields: name → first byte and length."""

    size: int
    offset: tuple[int, str]
    magic: tuple[int, bytes]
    texts: dict[str, tuple[int, int]]


_VERSIONS = {
    348: _Layout(
        348,
        (108, "f"),
        (344, b"n+1\0"),
        {
            "NIfTI data type name": (4, 10),
            "NIfTI database name": (14, 18),
            "NIfTI extents and session error": (32, 6),
            "NIfTI largest and smallest value": (140, 8),
            "NIfTI description": (148, 80),
            "NIfTI auxiliary file": (228, 24),
            "NIfTI intent name": (328, 16),
        },
    ),
    540: _Layout(
        540,
        (168, "q"),
        (4, b"n+2\0\r\n\x1a\n"),
        {
            "NIfTI description": (240, 80),
            "NIfTI auxiliary file": (320, 24),
            "NIfTI intent name": (508, 16),
            "NIfTI unused text": (525, 15),
        },
    ),
}
_NO_EXTENSIONS = bytes(4)


def clean_nifti(source: Path, target: Path, progress: Progress) -> Deeds:
    """Write a NIfTI file without free text, extensions and whatever else follows the voxels.

    Args:
        source: A ``.nii``, ``.nii.gz`` or, with its ``.img``, ``.hdr`` file.
        target: Where to, as one file; packed if its name ends with ``.gz``.
        progress: Told how far it is.

    Returns:
        What was done.

    Raises:
        InputError: If it is damaged or cut off.
    """
    header = read_header(source)
    try:
        with open_packed(source) as stream:
            raw = bytearray(stream.read(max(_VERSIONS)))
        cleaned, deeds = _cleaned(raw, header)
        with open_packed(data_file(source) if header.pair else source) as stream:
            stream.seek(header.offset)
            with _packing(target) as out:
                out.write(cleaned)
                _copy(stream, out, header.needed, progress)
    except (EOFError, ValueError, OverflowError, zlib.error, gzip.BadGzipFile) as error:
        hint = "Copy or export it again"
        raise InputError("is damaged or cut off", where=source, hint=hint) from error
    return deeds


def _cleaned(raw: bytearray, header: Header) -> tuple[bytes, Deeds]:
    order = "<" if struct.unpack_from("<i", raw)[0] in _VERSIONS else ">"
    layout = _VERSIONS[struct.unpack_from(f"{order}i", raw)[0]]
    kept = raw[: layout.size]
    deeds: Deeds = {("NIfTI geometry and value scaling", KEPT)}
    for name, (start, length) in layout.texts.items():
        if any(kept[start : start + length]):
            deeds.add((name, _REMOVED))
        kept[start : start + length] = bytes(length)
    if not header.pair and header.offset > layout.size + len(_NO_EXTENSIONS):
        deeds.add(("NIfTI extensions", _REMOVED))
    place, code = layout.offset
    struct.pack_into(f"{order}{code}", kept, place, layout.size + len(_NO_EXTENSIONS))
    place, magic = layout.magic
    kept[place : place + len(magic)] = magic
    return bytes(kept) + _NO_EXTENSIONS, deeds


@contextmanager
def _packing(target: Path) -> Iterator[BinaryIO]:
    """Open a file for writing; a packed one carries neither its name nor the time."""
    with target.open("wb") as stream:
        if not target.name.lower().endswith(".gz"):
            yield stream
            return
        with gzip.GzipFile("", "wb", _PACKING_LEVEL, stream, mtime=0) as packed:
            yield cast("BinaryIO", packed)


def _copy(stream: BinaryIO, out: BinaryIO, count: int, progress: Progress) -> None:
    """Copy exactly so many bytes; raises EOFError if there are fewer."""
    left = count
    while left:
        chunk = stream.read(min(left, _CHUNK))
        if not chunk:
            raise EOFError
        out.write(chunk)
        left -= len(chunk)
        progress.update(1.0 - left / count)
