"""What ITK's NIfTI reader lets pass: cut-off files and NaN read as zeros, spacing of 0 read as 1.

Header fields as in the NIfTI-1 and NIfTI-2 standards (nifti1.h, nifti2.h).
"""

from __future__ import annotations

import gzip
import itertools
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.errors import InputError
from MedAssistLib.read.stated import TWO_PLACES_RULE, Stated, no_place
from MedAssistLib.read.values import gaps_finding, nothing_finite

_AGAIN = "Copy or export it again"
_APART_SHARE = 0.01
_CHUNK = 1 << 22
_GZIP_MAGIC = b"\x1f\x8b"
_SIZES = {1: 348, 2: 540}
# From scanner to template (nifti1.h, qform_code); others mean that the header is damaged.
_CODES = range(1, 6)
_UNITS = {1: 1000.0, 2: 1.0, 3: 0.001}
_REAL_TYPES = {16: "f4", 64: "f8"}


Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Header:
    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    bits: int
    offset: int
    unit: float
    """Millimetres in the unit of its places."""
    pair: bool
    """Whether the voxels are in another file."""
    real: np.dtype[np.floating] | None
    qform: Affine | None
    sform: Affine | None

    @property
    def voxels(self) -> int:
        """How many voxels the header announces."""
        count = min(max(self.dim[0], 0), 7)
        return math.prod(max(n, 0) for n in self.dim[1 : count + 1])


def nifti_stated(path: Path) -> Stated:
    """Return what the header of a NIfTI or Analyze file states.

    Args:
        path: A ``.nii``, ``.nii.gz`` or ``.hdr`` file.

    Raises:
        InputError: If it is damaged, its data file is missing, or its spacing is not usable.
    """
    header = _header(path)
    if header.pair and not _data_file(path).is_file():
        name = _data_file(path).name
        what = f'needs the file "{name}", which is not in its folder'
        raise InputError(what, where=path, hint="Copy it there under its old name")
    _check_spacing(path, header)
    return Stated(findings=_place_findings(header))


def check_nifti_values(path: Path) -> tuple[Finding, ...]:
    """Refuse a NIfTI or Analyze file that is cut off; a gzip's checksum is verified.

    Args:
        path: A ``.nii``, ``.nii.gz`` or ``.hdr`` file.

    Returns:
        That there are voxels which are not finite, if so; ITK will read them as 0.

    Raises:
        InputError: If it is damaged, or no voxel is finite.
    """
    header = _header(path)
    data = _data_file(path) if header.pair else path
    try:
        with _open(data) as stream:
            stream.seek(header.offset)
            gaps, held = _scan_values(stream, header)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise InputError("is damaged or cut off", where=data, hint=_AGAIN) from error
    needed = header.voxels * header.bits // 8
    if held < needed:
        what = f"is cut off: {held} bytes of {needed}"
        raise InputError(what, where=data, hint=_AGAIN)
    if gaps and gaps >= header.voxels:
        raise nothing_finite(data)
    return (gaps_finding(gaps, header.voxels, 0.0),) if gaps else ()


def _header(path: Path) -> _Header:
    try:
        with _open(path) as stream:
            return _read_header(path, stream)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise InputError("is damaged or cut off", where=path, hint=_AGAIN) from error


def _data_file(header: Path) -> Path:
    """Return the file with the voxels of a NIfTI or Analyze pair."""
    if header.suffix.lower() == ".gz":
        return header.with_suffix("").with_suffix(".img.gz")
    return header.with_suffix(".IMG" if header.suffix == ".HDR" else ".img")


def _place_findings(header: _Header) -> tuple[Finding, ...]:
    """Return what is odd about where the voxels lie (nifti1.h, "3D image orientation")."""
    if header.sform is None and header.qform is None:
        return (no_place("Its header has no transform with a valid code; export it again."),)
    if header.sform is None or header.qform is None:
        return ()
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in header.dim[1:4]])))
    difference = header.sform - header.qform
    farthest = float(np.abs(corners @ difference[:, :3].T + difference[:, 3]).max())
    apart = farthest * header.unit
    if farthest <= _APART_SHARE * min(header.pixdim[1:4]):
        return ()
    return (
        Finding(
            rule=TWO_PLACES_RULE,
            severity=Severity.REVIEW,
            title=f"The file gives two places for the scan, up to {apart:.3g} mm apart.",
            explanation="Its transforms (qform and sform) disagree; Slicer's choice was taken. "
            "Check left and right and the size before trusting a measurement.",
            evidence=(Evidence(quantity="distance", measured=apart, expected="0", unit="mm"),),
        ),
    )


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def _read_header(path: Path, stream: BinaryIO) -> _Header:
    raw = stream.read(_SIZES[2])
    for version, size in _SIZES.items():
        for order in "<>":
            if len(raw) >= size and struct.unpack_from(f"{order}i", raw)[0] == size:
                return _parse(raw, version, order)
    hint = "MedAssist reads NIfTI, NRRD, MetaImage and DICOM"
    raise InputError("is not a NIfTI image, whatever its name says", where=path, hint=hint)


def _parse(raw: bytes, version: int, order: str) -> _Header:
    if version == 1:
        kind = struct.unpack_from(f"{order}h", raw, 70)[0]
        dim = struct.unpack_from(f"{order}8h", raw, 40)
        bits = struct.unpack_from(f"{order}h", raw, 72)[0]
        pixdim = struct.unpack_from(f"{order}8f", raw, 76)
        codes = struct.unpack_from(f"{order}2h", raw, 252)
        place = struct.unpack_from(f"{order}18f", raw, 256)
        offset = int(struct.unpack_from(f"{order}f", raw, 108)[0])
        units = raw[123]
        pair = raw[344:348] != b"n+1\0"
        if raw[344:347] not in (b"n+1", b"ni1"):  # Analyze has other things there.
            codes, units = (0, 0), 0
    else:
        kind = struct.unpack_from(f"{order}h", raw, 12)[0]
        bits = struct.unpack_from(f"{order}h", raw, 14)[0]
        dim = struct.unpack_from(f"{order}8q", raw, 16)
        pixdim = struct.unpack_from(f"{order}8d", raw, 104)
        codes = struct.unpack_from(f"{order}2i", raw, 344)
        place = struct.unpack_from(f"{order}18d", raw, 352)
        offset = struct.unpack_from(f"{order}q", raw, 168)[0]
        units = struct.unpack_from(f"{order}i", raw, 500)[0]
        pair = raw[4:8] != b"n+2\0"
    real = _REAL_TYPES.get(kind)
    kind_of_value = np.dtype(order + real) if real else None
    qform = _qform(pixdim, place[:6]) if codes[0] in _CODES else None
    sform = np.array(place[6:]).reshape(3, 4) if codes[1] in _CODES else None
    unit = _UNITS.get(units & 7, 1.0)
    return _Header(dim, pixdim, bits, offset, unit, pair, kind_of_value, qform, sform)


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


def _check_spacing(path: Path, header: _Header) -> None:
    spacing = header.pixdim[1:4]
    if all(math.isfinite(value) and value > 0.0 for value in spacing):
        return
    shown = " × ".join(f"{value:g}" for value in spacing)
    hint = "Correct its header or export it again"
    raise InputError(f"has an impossible voxel spacing ({shown} mm)", where=path, hint=hint)


def _scan_values(stream: BinaryIO, header: _Header) -> tuple[int, int]:
    """Read to the end, which makes gzip verify its checksum; count gaps and bytes."""
    gaps = held = 0
    while chunk := stream.read(_CHUNK):
        held += len(chunk)
        if header.real is not None:
            whole = len(chunk) // header.real.itemsize
            values = np.frombuffer(chunk, dtype=header.real, count=whole)
            gaps += whole - int(np.count_nonzero(np.isfinite(values)))
    return gaps, held
