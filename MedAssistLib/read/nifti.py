"""What ITK's NIfTI reader lets pass: cut-off files and NaN read as zeros, spacing of 0 read as 1.

Header fields as in the NIfTI-1 and NIfTI-2 standards (nifti1.h, nifti2.h).
"""

from __future__ import annotations

import itertools
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from MedAssistLib.case import Evidence, Finding, Severity
from MedAssistLib.errors import InputError
from MedAssistLib.read.nifti_header import (
    Affine,
    Header,
    data_file,
    is_packed,
    open_packed,
    read_header,
)
from MedAssistLib.read.stated import TWO_PLACES_RULE, Stated, no_place, require_room
from MedAssistLib.read.values import gaps_finding, nothing_finite

_AGAIN = "Copy or export it again"
_APART_SHARE = 0.01
_CHUNK = 1 << 22


def nifti_stated(path: Path) -> Stated:
    """Return what the header of a NIfTI or Analyze file states.

    Args:
        path: A ``.nii``, ``.nii.gz`` or ``.hdr`` file.

    Raises:
        InputError: If it is damaged, its data file is missing, or its spacing is not usable.
    """
    header = read_header(path)
    data = data_file(path) if header.pair else path
    if not data.is_file():
        what = f'needs the file "{data.name}", which is not in its folder'
        raise InputError(what, where=path, hint="Copy it there under its old name")
    _check_spacing(path, header)
    packed = is_packed(data)
    skipped = 0 if packed else header.offset
    require_room(data, header.needed, data.stat().st_size - skipped, packed=packed)
    return Stated(findings=_place_findings(header) + _scale_findings(header))


def pair_of(path: Path) -> tuple[Path, Path, int] | None:
    """Return header and voxels of a pair of files, and how long the latter is; else ``None``.

    Raises:
        InputError: If the header is damaged.
    """
    header = read_header(path)
    return (path, data_file(path), header.offset + header.needed) if header.pair else None


def check_nifti_values(path: Path) -> tuple[Finding, ...]:
    """Refuse a NIfTI or Analyze file that is cut off; a gzip's checksum is verified.

    Args:
        path: A ``.nii``, ``.nii.gz`` or ``.hdr`` file.

    Returns:
        That there are voxels which are not finite, if so; ITK will read them as 0.

    Raises:
        InputError: If it is damaged, or no voxel is finite.
    """
    header = read_header(path)
    data = data_file(path) if header.pair else path
    try:
        with open_packed(data) as stream:
            stream.seek(header.offset)
            gaps, held = _scan_values(stream, header)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise InputError("is damaged or cut off", where=data, hint=_AGAIN) from error
    require_room(data, header.needed, held, packed=False)
    if gaps and gaps >= header.voxels:
        raise nothing_finite(data)
    return (gaps_finding(gaps, header.voxels, 0.0),) if gaps else ()


def _place_findings(header: Header) -> tuple[Finding, ...]:
    """Return what is odd about where the voxels lie (nifti1.h, "3D image orientation")."""
    if header.sform is None and header.qform is None:
        return (no_place("Its header has no transform with a valid code; export it again."),)
    if header.sform is None:
        return ()
    scales = np.linalg.norm(header.sform[:, :3], axis=0)
    sizes = np.array(header.pixdim[1:4])
    if not np.allclose(scales, sizes, rtol=_APART_SHARE):
        return (_two_sizes(sizes * header.unit, scales * header.unit),)
    if header.qform is None:
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


def _two_sizes(taken: Affine, other: Affine) -> Finding:
    shown, others = (" × ".join(f"{value:.4g}" for value in sizes) for sizes in (taken, other))
    return Finding(
        rule=TWO_PLACES_RULE,
        severity=Severity.REVIEW,
        title=f"The file gives two voxel sizes: {shown} mm, which was taken, and {others} mm.",
        explanation="Its spacing (pixdim) and its transform (sform) disagree; 3D Slicer takes the "
        "spacing, other programs the transform. Check the size before trusting a measurement.",
    )


def _scale_findings(header: Header) -> tuple[Finding, ...]:
    """Return that values are shifted though the header gives no scale (nifti1.h, scl_slope)."""
    scaled = math.isfinite(header.slope) and header.slope != 0.0
    if scaled or header.intercept == 0.0 or not math.isfinite(header.intercept):
        return ()
    return (
        Finding(
            rule="scan.two-scales",
            severity=Severity.REVIEW,
            title=f"The values may be too high by {header.intercept:g}: no scale, but an offset.",
            explanation="Its header has scl_slope 0, which says that values are not scaled, and "
            "an scl_inter, which was added all the same, as 3D Slicer does.",
        ),
    )


def _check_spacing(path: Path, header: Header) -> None:
    spacing = header.pixdim[1:4]
    if all(math.isfinite(value) and value > 0.0 for value in spacing):
        return
    shown = " × ".join(f"{value:g}" for value in spacing)
    hint = "Correct its header or export it again"
    raise InputError(f"has an impossible voxel spacing ({shown} mm)", where=path, hint=hint)


def _scan_values(stream: BinaryIO, header: Header) -> tuple[int, int]:
    """Read to the end, which makes gzip verify its checksum; count gaps and bytes."""
    gaps = held = 0
    while chunk := stream.read(_CHUNK):
        held += len(chunk)
        if header.real is not None:
            whole = len(chunk) // header.real.itemsize
            values = np.frombuffer(chunk, dtype=header.real, count=whole)
            gaps += whole - int(np.count_nonzero(np.isfinite(values)))
    return gaps, held
