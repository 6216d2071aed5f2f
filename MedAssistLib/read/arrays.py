"""NumPy arrays: voxels without a spacing and without a place, which a person has to give."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.archive import DAMAGED_ZIP
from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.files import readable
from MedAssistLib.read.images import spacing_findings, stem
from MedAssistLib.read.kinds import Kind
from MedAssistLib.read.stated import no_place

_REAL = "biuf"
# NumPy reads a header with Python's own parser.
_DAMAGED = (*DAMAGED_ZIP, LookupError, TypeError, AttributeError, SyntaxError, TokenError)
_AXES = (
    "A NumPy array has no directions. Its axes were taken as slice, row, column; "
    "columns go to the left, rows to the back, slices to the head."
)


@dataclass(frozen=True, kw_only=True)
class ArrayFile:
    """One array of a ``.npy`` or ``.npz`` file.

    Attributes:
        path: The file.
        member: Its name in a ``.npz``; empty in a ``.npy``.
        size: Voxels along i, j, k, which are the array's last, middle and first axis.
    """

    path: Path
    member: str
    size: tuple[int, int, int]


def inspect_arrays(path: Path, kind: Kind) -> tuple[ArrayFile, ...]:
    """Read the headers of the arrays in a file.

    Raises:
        InputError: If it is damaged, or none of its arrays is a volume of real numbers.
    """
    found, refused = [], []
    for member in _members(path, kind):
        with _opened(path, member) as (stream, room):
            shape, dtype = _header(path, stream, room)
        if len(shape) == 3 and min(shape) > 0 and dtype.kind in _REAL and dtype.itemsize <= 8:
            found.append(ArrayFile(path=path, member=member, size=(shape[2], shape[1], shape[0])))
        else:
            refused.append(f"{'×'.join(map(str, shape)) or 'one'} of {dtype}"[:80])
    if not found:
        what = f"holds no array with three axes of real numbers ({'; '.join(refused[:3])})"
        raise InputError(what, where=path, hint="Save one volume as a plain array")
    return tuple(found)


def load_array(file: ArrayFile, spacing: tuple[float, float, float] | None) -> Scan:
    """Read one array as a volume.

    Args:
        file: Which one.
        spacing: Distance of the voxels along the last, middle and first axis, in mm.

    Raises:
        InputError: If no spacing is given or the file is damaged.
        ResourceError: If it does not fit into memory.
    """
    odd = spacing_findings(file.path, spacing, stated=False)
    try:
        with _opened(file.path, file.member) as (stream, room):
            _header(file.path, stream, room)
            stream.seek(0)
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except _DAMAGED as error:
        raise _damaged(file.path) from error
    except MemoryError as error:
        hint = "Close other programs"
        raise ResourceError("does not fit into memory", where=file.path, hint=hint) from error
    image = sitk.GetImageFromArray(_plain(array))
    if spacing is not None:
        image.SetSpacing(spacing)
    name = f"{stem(file.path)} {file.member.removesuffix('.npy')}".strip()
    return Scan(image=image, name=name, source=file.path, findings=(*odd, no_place(_AXES)))


def _members(path: Path, kind: Kind) -> tuple[str, ...]:
    if kind is Kind.NUMPY:
        return ("",)
    with zipfile.ZipFile(path) as zipped:
        return tuple(zipped.namelist())


@contextmanager
def _opened(path: Path, member: str) -> Iterator[tuple[IO[bytes], int]]:
    """Open an array, and tell how many bytes there are."""
    if not member:
        with readable(path) as stream:
            yield stream, path.stat().st_size
        return
    try:
        with zipfile.ZipFile(path) as zipped, zipped.open(member) as packed:
            yield packed, zipped.getinfo(member).file_size
    except DAMAGED_ZIP as error:
        raise _damaged(path) from error


def _header(
    path: Path, stream: IO[bytes], room: int
) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Return shape and type, or refuse a header that announces more than there is."""
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(stream)
    except _DAMAGED as error:
        raise _damaged(path) from error
    if dtype.hasobject:
        hint = "Save it as an array of numbers"
        raise InputError("holds Python objects, which are never loaded", where=path, hint=hint)
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > room:
        raise _damaged(path)
    return shape, dtype


def _plain(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return the same values in a type that ITK's filters take."""
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float64 if array.itemsize == 8 else np.float32)
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array, dtype=np.uint8)
    if array.itemsize < 8:
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    bounds = np.iinfo(np.int32)
    small = bounds.min <= low and high <= bounds.max
    return np.ascontiguousarray(array, dtype=np.int32 if small else np.float64)


def _damaged(path: Path) -> InputError:
    return InputError("is damaged or cut off", where=path, hint="Copy or export it again")
