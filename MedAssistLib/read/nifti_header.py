"""The header of a NIfTI or Analyze file, as in the standards (nifti1.h, nifti2.h)."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from MedAssistLib.errors import InputError
from MedAssistLib.files import readable

_AGAIN = "Copy or export it again"
_GZIP_MAGIC = b"\x1f\x8b"
_SIZES = {1: 348, 2: 540}
# From scanner to template (nifti1.h, qform_code); others mean that the header is damaged.
_CODES = range(1, 6)
_UNITS = {1: 1000.0, 2: 1.0, 3: 0.001}
_REAL_TYPES = {16: "f4", 64: "f8"}

Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Header:
    """What a NIfTI or Analyze header says that matters here."""

    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    bits: int
    offset: int
    unit: float
    """Millimetres in the unit of its places."""
    pair: bool
    """Whether the voxels are in another file."""
    real: np.dtype[np.floating] | None
    slope: float
    intercept: float
    qform: Affine | None
    sform: Affine | None

    @property
    def voxels(self) -> int:
        """How many voxels the header announces."""
        count = min(max(self.dim[0], 0), 7)
        return math.prod(max(n, 0) for n in self.dim[1 : count + 1])

    @property
    def needed(self) -> int:
        """How many bytes of voxels it announces."""
        return self.voxels * self.bits // 8


def read_header(path: Path) -> Header:
    """Read the header of a ``.nii``, ``.nii.gz``, ``.hdr`` or ``.hdr.gz`` file.

    Raises:
        InputError: If it is damaged.
    """
    try:
        with open_packed(path) as stream:
            return _readread_header(path, stream)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise InputError("is damaged or cut off", where=path, hint=_AGAIN) from error


def data_file(header: Path) -> Path:
    """Return the file with the voxels of a NIfTI or Analyze pair."""
    plain = header.with_suffix("") if header.suffix.lower() == ".gz" else header
    usual = ".IMG" if plain.suffix == ".HDR" else ".img"
    names = [plain.with_suffix(suffix) for suffix in (usual, ".img.gz")]
    return next((name for name in names if name.is_file()), names[0])


def is_packed(path: Path) -> bool:
    """Tell whether a file is packed with gzip."""
    with readable(path) as stream:
        return stream.read(2) == _GZIP_MAGIC


def open_packed(path: Path) -> BinaryIO:
    """Open a file that may be packed with gzip."""
    packed = is_packed(path)
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def _readread_header(path: Path, stream: BinaryIO) -> Header:
    raw = stream.read(_SIZES[2])
    for version, size in _SIZES.items():
        for order in "<>":
            if len(raw) >= size and struct.unpack_from(f"{order}i", raw)[0] == size:
                return _parse(raw, version, order)
    hint = "MedAssist reads NIfTI, NRRD, MetaImage and DICOM"
    raise InputError("is not a NIfTI image, whatever its name says", where=path, hint=hint)


def _parse(raw: bytes, version: int, order: str) -> Header:
    if version == 1:
        kind = struct.unpack_from(f"{order}h", raw, 70)[0]
        dim = struct.unpack_from(f"{order}8h", raw, 40)
        bits = struct.unpack_from(f"{order}h", raw, 72)[0]
        pixdim = struct.unpack_from(f"{order}8f", raw, 76)
        codes = struct.unpack_from(f"{order}2h", raw, 252)
        place = struct.unpack_from(f"{order}18f", raw, 256)
        offset = int(struct.unpack_from(f"{order}f", raw, 108)[0])
        scale = struct.unpack_from(f"{order}2f", raw, 112)
        units = raw[123]
        pair = raw[344:348] != b"n+1\0"
        if raw[344:347] not in (b"n+1", b"ni1"):  # Analyze has other things there.
            codes, units, scale = (0, 0), 0, (1.0, 0.0)
    else:
        kind = struct.unpack_from(f"{order}h", raw, 12)[0]
        bits = struct.unpack_from(f"{order}h", raw, 14)[0]
        dim = struct.unpack_from(f"{order}8q", raw, 16)
        pixdim = struct.unpack_from(f"{order}8d", raw, 104)
        codes = struct.unpack_from(f"{order}2i", raw, 344)
        place = struct.unpack_from(f"{order}18d", raw, 352)
        offset = struct.unpack_from(f"{order}q", raw, 168)[0]
        scale = struct.unpack_from(f"{order}2d", raw, 176)
        units = struct.unpack_from(f"{order}i", raw, 500)[0]
        pair = raw[4:8] != b"n+2\0"
    slope, intercept = scale
    real = _REAL_TYPES.get(kind)
    kind_of_value = np.dtype(order + real) if real else None
    qform = _qform(pixdim, place[:6]) if codes[0] in _CODES else None
    sform = np.array(place[6:]).reshape(3, 4) if codes[1] in _CODES else None
    unit = _UNITS.get(units & 7, 1.0)
    return Header(
        dim, pixdim, bits, offset, unit, pair, kind_of_value, slope, intercept, qform, sform
    )


def _qform(pixdim: tuple[float, ...], place: tuple[float, ...]) -> Affine:
    """Return index to RAS mm from the quaternion (b, c, d) and offset (nifti1.h, method 2)."""
    b, c, d, *offset = place
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    factor = -1.0 if pixdim[0] < 0 else 1.0
    scale = np.array([pixdim[1], pixdim[2], factor * pixdim[3]])
    return np.column_stack([turn * scale, offset])
