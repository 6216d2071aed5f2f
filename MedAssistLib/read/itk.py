"""Image files through ITK: under whatever name, with its errors in plain words."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.progress import Progress
from MedAssistLib.read.kinds import Kind
from MedAssistLib.read.nifti import pair_of
from MedAssistLib.read.nifti2 import is_nifti2, write_nifti1
from MedAssistLib.read.nifti_header import is_packed
from MedAssistLib.read.packed import unpack_gzip
from MedAssistLib.read.stated import usable

READERS = {
    Kind.NIFTI: "NiftiImageIO",
    Kind.ANALYZE: "NiftiImageIO",
    Kind.NRRD: "NrrdImageIO",
    Kind.META: "MetaImageIO",
    Kind.HDF5: "MINCImageIO",
}
"""The kinds that ITK reads, and what reads them."""

_AGAIN = "Copy or export it again"
_MOST_HEADER = 1 << 20
_SHEAR = 1e-3
"""Cosine of the angle between two axes from which they are not perpendicular."""


def information(path: Path, kind: Kind) -> sitk.ImageFileReader:
    """Read a header.

    Returns:
        The reader, which knows size, spacing, direction, components and metadata.

    Raises:
        InputError: If it is damaged, its spacing is not usable, its axes are not perpendicular, or
            it is not 3-D or 4-D.
    """
    reader = sitk.ImageFileReader()
    with _readable_name(path, kind) as name, _explained(path, kind):
        reader.SetImageIO(READERS[kind])
        reader.SetFileName(str(name))
        reader.ReadImageInformation()
    if reader.GetDimension() not in (3, 4):
        hint = "Give one 3-D volume"
        raise InputError(f"is {reader.GetDimension()}-D, not 3-D", where=path, hint=hint)
    _require_usable(path, reader.GetSpacing())
    _require_perpendicular(path, np.array(reader.GetDirection(), dtype=np.float64))
    return reader


def voxels(path: Path, kind: Kind, size: Sequence[int], part: int | None) -> sitk.Image:
    """Read the voxels of a whole file, or of one volume along its fourth axis.

    Args:
        path: The file.
        kind: What kind it is.
        size: Its size.
        part: Which volume, from 0; ``None`` for all.

    Raises:
        InputError: If it is damaged.
        ResourceError: If it does not fit into memory.
    """
    reader = sitk.ImageFileReader()
    with _readable_name(path, kind) as name, _explained(path, kind):
        reader.SetImageIO(READERS[kind])
        reader.SetFileName(str(name))
        if part is not None:
            reader.SetExtractIndex([0, 0, 0, part])
            reader.SetExtractSize([*size[:3], 0])
        image: sitk.Image = reader.Execute()
    return image


def without_metadata(image: sitk.Image) -> sitk.Image:
    """Return an image without the texts that its file carried, which may name the patient."""
    try:
        for key in image.GetMetaDataKeys():
            image.EraseMetaData(key)
    except (TypeError, UnicodeError):  # A key that is no text cannot be named, only left behind.
        return geometry.from_array(sitk.GetArrayViewFromImage(image), image)
    return image


@contextmanager
def _readable_name(path: Path, kind: Kind) -> Iterator[Path]:
    """Give ITK's NIfTI reader the version and suffixes that it insists on.

    The others go by the content.
    """
    if kind not in (Kind.NIFTI, Kind.ANALYZE):
        yield path
        return
    if is_nifti2(path):
        with tempfile.TemporaryDirectory(prefix="medassist-") as name:
            write_nifti1(path, Path(name) / "image.nii")
            yield Path(name) / "image.nii"
        return
    pair = pair_of(path)
    files = pair[:2] if pair else (path,)
    packed = [is_packed(file) for file in files]
    wanted = ".hdr" if pair else ".nii.gz" if packed[0] else ".nii"
    if path.name.lower().endswith(wanted) and not (pair and any(packed)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="medassist-") as name:
        folder = Path(name)
        if pair is None:
            _link(path, folder / f"image{wanted}")
        else:
            _place(path, folder / "image.hdr", _MOST_HEADER)
            _place(pair[1], folder / "image.img", pair[2] + _MOST_HEADER)
        yield folder / f"image{wanted}"


def _place(file: Path, target: Path, most: int) -> None:
    if is_packed(file):
        unpack_gzip(file, target, Progress(), most)
    else:
        _link(file, target)


def _link(file: Path, target: Path) -> None:
    try:
        target.symlink_to(file.resolve())
    except OSError:  # Windows lets few people make links.
        shutil.copyfile(file, target)


def _require_usable(path: Path, spacing: Sequence[float]) -> None:
    if not usable(spacing[:3]):
        shown = " × ".join(f"{s:g}" for s in spacing)
        hint = "Correct its header or export it again"
        raise InputError(f"has an impossible voxel spacing ({shown} mm)", where=path, hint=hint)


def _require_perpendicular(path: Path, cosines: npt.NDArray[np.float64]) -> None:
    """Refuse a shear, which most filters and all of the engine would pass over in silence."""
    count = math.isqrt(cosines.size)
    axes = cosines.reshape(count, count)[:3, :3]
    if not np.allclose(axes.T @ axes, np.eye(3), atol=_SHEAR):  # NaN is not close.
        raise _sheared(path)


def _sheared(path: Path) -> InputError:
    hint = "Resample it to a grid with perpendicular axes"
    return InputError("has axes that are not perpendicular", where=path, hint=hint)


@contextmanager
def _explained(path: Path, kind: Kind) -> Iterator[None]:
    """Say in plain words what ITK says in its own."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise _plain(path, kind, str(error)) from error


def _plain(path: Path, kind: Kind, message: str) -> InputError | ResourceError:
    if "Failed to allocate memory" in message or "bad allocation" in message:
        hint = "Close other programs, or check that its header gives the right size"
        return ResourceError("does not fit into memory", where=path, hint=hint)
    if "orthonormal" in message or "orthogonal" in message:
        return _sheared(path)
    what, hint = _words(kind, message)
    return InputError(what, where=path, hint=hint)


def _words(kind: Kind, message: str) -> tuple[str, str]:
    """Return what is wrong with a file of which ITK says ``message``, and what to do."""
    if "Unable to determine ImageIO reader" in message:
        return "is not an image that can be read", _AGAIN
    if space := re.search(r'parse space "([^"]{1,60})"', message):
        hint = "Save it again in left-posterior-superior, as 3D Slicer does"
        return f'lies in "{space[1]}", a space that NRRD does not have', hint
    if "pacing" in message:
        return "has an impossible voxel spacing", "Correct its header or export it again"
    if kind is Kind.HDF5:
        return "is no MINC 2, or a damaged HDF5 file", _AGAIN
    return "is damaged or cut off", _AGAIN
