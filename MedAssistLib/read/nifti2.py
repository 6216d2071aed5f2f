"""NIfTI-2, which ITK does not read, as NIfTI-1 (nifti2.h, nifti1.h)."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

from MedAssistLib.errors import InputError
from MedAssistLib.read.nifti_header import open_packed

_SIZE, _OLD_SIZE = 540, 348
# An old header may be followed by extensions; four zeros say that none are.
_OLD_OFFSET = _OLD_SIZE + 4
_LONGEST = 32767


def is_nifti2(path: Path) -> bool:
    """Tell whether a file, which may be packed, begins with the header of NIfTI-2."""
    try:
        with open_packed(path) as stream:
            return stream.read(4) in (struct.pack("<i", _SIZE), struct.pack(">i", _SIZE))
    except (OSError, EOFError, zlib.error):
        return False


def write_nifti1(path: Path, target: Path) -> None:
    """Write a NIfTI-2 file of one piece as NIfTI-1, not packed.

    Places become 32-bit floats, which is 0.1 µm for a metre.

    Args:
        path: The file, which may be packed.
        target: The file to be made, ``.nii``.

    Raises:
        InputError: If it is damaged, is a pair of files, or has more than 32767 voxels on a side.
    """
    try:
        with open_packed(path) as stream, target.open("wb") as out:
            raw = stream.read(_SIZE)
            order = "<" if raw[:1] == struct.pack("<i", _SIZE)[:1] else ">"
            out.write(_header(path, raw, order))
            stream.seek(struct.unpack_from(f"{order}q", raw, 168)[0])
            shutil.copyfileobj(stream, out)
    except (OSError, EOFError, ValueError, OverflowError, struct.error, zlib.error) as error:
        hint = "Copy or export it again"
        raise InputError("is damaged or cut off", where=path, hint=hint) from error


def _header(path: Path, raw: bytes, order: str) -> bytes:
    if raw[4:7] != b"n+2":
        hint = "Save it as one file, .nii or .nii.gz"
        raise InputError("is a NIfTI-2 header without its voxels", where=path, hint=hint)
    dim = struct.unpack_from(f"{order}8q", raw, 16)
    if max(dim) > _LONGEST:
        what = f"has more than {_LONGEST} voxels on a side, which NIfTI-1 cannot say"
        raise InputError(what, where=path, hint="Save it as NRRD")
    old = bytearray(_OLD_OFFSET)

    def put(form: str, at: int, *values: float) -> None:
        struct.pack_into(order + form, old, at, *values)

    put("i", 0, _OLD_SIZE)
    put("8h", 40, *dim)
    put(
        "3h",
        68,
        struct.unpack_from(f"{order}i", raw, 504)[0],
        *struct.unpack_from(f"{order}2h", raw, 12),
    )
    put("8f", 76, *struct.unpack_from(f"{order}8d", raw, 104))
    put("f", 108, _OLD_OFFSET)
    put("2f", 112, *struct.unpack_from(f"{order}2d", raw, 176))
    put("B", 123, struct.unpack_from(f"{order}i", raw, 500)[0])
    put("2h", 252, *struct.unpack_from(f"{order}2i", raw, 344))
    put("18f", 256, *struct.unpack_from(f"{order}18d", raw, 352))
    old[344:348] = b"n+1\0"
    return bytes(old)
