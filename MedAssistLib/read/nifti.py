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
from MedAssistLib.read.values import gaps_finding, nothing_finite

_AGAIN = "Copy or export it again"
_APART_SHARE = 0.01
_CHUNK = 1 << 22
_GZIP_MAGIC = b"\x1f\x8b"
_SIZES = {1: 348, 2: 540}
_REAL_TYPES = {16: "f4", 64: "f8"}


Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Header:
    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    bits: int
    offset: int
    real: np.dtype[np.floating] | None
    qform: Affine | None
    sform: Affine | None

    @property
    def voxels(self) -> int:
        """How many voxels the header announces."""
        count = min(max(self.dim[0], 0), 7)
        return math.prod(max(n, 0) for n in self.dim[1 : count + 1])


def is_nifti(path: Path) -> bool:
    """Tell by its name whether a file is a single-file NIfTI."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def check_nifti(path: Path) -> tuple[Finding, ...]:
    """Refuse a NIfTI file that is cut off or damaged, or whose spacing is zero or not a number.

    Args:
        path: A ``.nii`` or ``.nii.gz`` file; a gzip's checksum is verified.

    Returns:
        What is odd: voxels that are not finite, which ITK will read as 0, and a place in space that
        is not given or given twice in different ways.

    Raises:
        InputError: If it is damaged, or no voxel is finite.
    """
    try:
        with _open(path) as stream:
            header = _read_header(path, stream)
            _check_spacing(path, header)
            stream.seek(header.offset)
            gaps, held = _scan_values(stream, header)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise InputError("is damaged or cut off", where=path, hint=_AGAIN) from error
    needed = header.voxels * header.bits // 8
    if held < needed:
        what = f"is cut off: {held} bytes of {needed}"
        raise InputError(what, where=path, hint=_AGAIN)
    if gaps and gaps >= header.voxels:
        raise nothing_finite(path)
    found = (gaps_finding(gaps, header.voxels, 0.0),) if gaps else ()
    return found + _place_findings(header)


def _place_findings(header: _Header) -> tuple[Finding, ...]:
    """Return what is odd about where the voxels lie (nifti1.h, "3D image orientation")."""
    if header.sform is None and header.qform is None:
        return (
            Finding(
                rule="scan.no-place",
                severity=Severity.REVIEW,
                title="The file does not say which way the scan lies: left may be right.",
                explanation="Both its transforms (qform and sform) have code 0; export it again.",
            ),
        )
    if header.sform is None or header.qform is None:
        return ()
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in header.dim[1:4]])))
    difference = header.sform - header.qform
    apart = float(np.abs(corners @ difference[:, :3].T + difference[:, 3]).max())
    if apart <= _APART_SHARE * min(header.pixdim[1:4]):
        return ()
    return (
        Finding(
            rule="scan.two-places",
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
    else:
        kind = struct.unpack_from(f"{order}h", raw, 12)[0]
        bits = struct.unpack_from(f"{order}h", raw, 14)[0]
        dim = struct.unpack_from(f"{order}8q", raw, 16)
        pixdim = struct.unpack_from(f"{order}8d", raw, 104)
        codes = struct.unpack_from(f"{order}2i", raw, 344)
        place = struct.unpack_from(f"{order}18d", raw, 352)
        offset = struct.unpack_from(f"{order}q", raw, 168)[0]
    real = _REAL_TYPES.get(kind)
    kind_of_value = np.dtype(order + real) if real else None
    qform = _qform(pixdim, place[:6]) if codes[0] > 0 else None
    sform = np.array(place[6:]).reshape(3, 4) if codes[1] > 0 else None
    return _Header(dim, pixdim, bits, offset, kind_of_value, qform, sform)


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
