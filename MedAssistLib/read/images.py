"""Image files that ITK knows: NIfTI, Analyze, NRRD, MetaImage and MINC 2."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Finding, Scan, Severity
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.read import itk
from MedAssistLib.read.kinds import Kind, kind_of
from MedAssistLib.read.meta import meta_stated
from MedAssistLib.read.nifti import check_nifti_values, nifti_stated
from MedAssistLib.read.nrrd import nrrd_stated
from MedAssistLib.read.options import is_modality
from MedAssistLib.read.stated import Stated, given_spacing, require_room

MODALITY_KEY = "modality"
ENHANCEMENT_KEY = "MedAssist_enhancement"
"""Names of the filters that were run on a scan, in their order, with blanks between."""

_FILTER_NAMES = re.compile(r"[a-z]+\.[a-z0-9]+( [a-z]+\.[a-z0-9]+)*")
_AGAIN = "Copy or export it again"
_SUFFIXES = (
    *(".nii.gz", ".seg.nrrd", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mnc"),
    *(".hdr.gz", ".img.gz", ".hdr", ".img", ".npy", ".npz"),
)
_MINC_ORDER = "dimension_order"
# MINC's x and y go to the right and to the front, ITK's to the left and to the back.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """What the header of an image file says.

    Attributes:
        path: The file with the header.
        kind: What kind it is.
        size: Voxels along i, j, k and, of a series of volumes, their number.
        spacing: Distance of the voxels in mm; what ITK assumes if it is not stated.
        components: Values a voxel.
        modality: DICOM modality, empty if it does not say.
        enhancement: Names of the filters that MedAssist ran on it.
        stated: What else it states.
    """

    path: Path
    kind: Kind
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    components: int
    modality: str
    enhancement: tuple[str, ...]
    stated: Stated

    @property
    def volumes(self) -> int:
        """How many volumes it holds, one after the other in time or such."""
        if len(self.size) == 4 and self.components == 1:
            return self.size[3]
        return self.components if len(self.size) == 3 and self.stated.volumes else 1


def inspect(path: Path, kind: Kind) -> ImageFile:
    """Read the header of an image file.

    Args:
        path: The file; of a pair, that with the header.
        kind: One of those that ITK reads.

    Raises:
        InputError: If it is damaged, has no usable spacing, or is not 3-D or 4-D.
    """
    stated = _stated(path, kind)
    reader = itk.information(path, kind)
    size = tuple(int(n) for n in reader.GetSize())
    spacing = tuple(float(value) for value in reader.GetSpacing())
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        what = "has complex values (real and imaginary parts)"
        raise InputError(what, where=path, hint="Export its magnitude")
    if stated.data is not None:
        voxel = sitk.Image([1] * len(size), reader.GetPixelID(), reader.GetNumberOfComponents())
        needed = math.prod(size) * voxel.GetSizeOfPixelComponent() * reader.GetNumberOfComponents()
        held = stated.data.stat().st_size - stated.start
        require_room(stated.data, needed, held, packed=stated.packed)
    keys = reader.GetMetaDataKeys()
    noted = {key: reader.GetMetaData(key) for key in (MODALITY_KEY, ENHANCEMENT_KEY) if key in keys}
    if kind is Kind.HDF5 and _MINC_ORDER in keys:
        timed = "T" in reader.GetMetaData(_MINC_ORDER)
        stated = Stated(volumes=timed, ras=True, findings=stated.findings)
    return ImageFile(
        path=path,
        kind=kind,
        size=size,
        spacing=spacing[:3],
        components=int(reader.GetNumberOfComponents()),
        modality=_modality(noted.get(MODALITY_KEY, "")),
        enhancement=_filters(noted.get(ENHANCEMENT_KEY, "")),
        stated=stated,
    )


def load_volume(
    file: ImageFile, number: int = 0, spacing: tuple[float, float, float] | None = None
) -> Scan:
    """Read one volume of an image file.

    Args:
        file: What :func:`inspect` said of it.
        number: Which of its volumes, from 0.
        spacing: Distance of the voxels along i, j, k in mm, for files that do not say.

    Raises:
        InputError: If it is damaged, its values are a colour or a vector, or its spacing is
            unknown.
        UsageError: If a spacing is given for a file that has its own.
        ResourceError: If it does not fit into memory.
    """
    odd = spacing_findings(file.path, spacing, stated=file.stated.spacing)
    if file.kind in (Kind.NIFTI, Kind.ANALYZE):
        odd += check_nifti_values(file.path)
    image = _pixels(file, number if len(file.size) == 4 else None)
    if len(file.size) == 3 and file.volumes > 1:
        image = sitk.VectorIndexSelectionCast(image, number)
    image = itk.without_metadata(image)
    if spacing is not None:
        image.SetSpacing(spacing)
    suffix = f" {number + 1}" if file.volumes > 1 else ""
    return Scan(
        image=image,
        modality=file.modality,
        enhancement=file.enhancement,
        name=stem(file.path) + suffix,
        source=file.path,
        findings=file.stated.findings + odd,
    )


def _scalar(image: sitk.Image) -> sitk.Image:
    """Return vectors of one number as the number."""
    if "vector" in image.GetPixelIDTypeAsString() and image.GetNumberOfComponentsPerPixel() == 1:
        image = sitk.VectorIndexSelectionCast(image, 0)
    return image


def spacing_findings(
    path: Path, spacing: tuple[float, float, float] | None, *, stated: bool
) -> tuple[Finding, ...]:
    """Return what is to be told about a spacing that was given by hand.

    Raises:
        InputError: If none is given for a file that does not say its own.
        UsageError: If one is given for a file that does.
    """
    if spacing is None and not stated:
        hint = "Give it in millimetres: --spacing x,y,z"
        raise InputError("does not say its voxel spacing", where=path, hint=hint)
    if spacing is None:
        return ()
    if stated:
        hint = "Leave --spacing away; it is for files that do not say"
        raise UsageError("has a voxel spacing of its own", where=path, hint=hint)
    return (given_spacing(spacing),)


def read_image(path: Path) -> tuple[sitk.Image, tuple[Finding, ...]]:
    """Read an image with its metadata, whatever number of values it has a voxel.

    Returns:
        The image, and what was odd about the file.

    Raises:
        InputError: If it is missing, damaged, of an unknown format, or has no usable spacing.
        ResourceError: If it does not fit into memory.
    """
    if not path.is_file():
        raise InputError("does not exist", where=path, hint="Check the path")
    path = header_of(path)
    kind = kind_of(path)
    if kind is Kind.EMPTY:
        raise InputError("is empty", where=path, hint=_AGAIN)
    if kind not in itk.READERS:
        raise unknown(path)
    file = inspect(path, kind)
    odd = spacing_findings(path, None, stated=file.stated.spacing)
    if kind in (Kind.NIFTI, Kind.ANALYZE):
        odd += check_nifti_values(path)
    return _pixels(file, None), file.stated.findings + odd


def header_of(path: Path) -> Path:
    """Return the file with the header, of a pair of which ``path`` holds the voxels."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if plain.suffix.lower() == ".img":
        for suffix in (".hdr", ".HDR", ".hdr.gz"):
            if plain.with_suffix(suffix).is_file():
                return plain.with_suffix(suffix)
    return path


def stem(path: Path) -> str:
    """Return a file's name without its image suffix, which may have two parts."""
    for suffix in _SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.stem or path.name


def unknown(path: Path) -> InputError:
    """Return the error for a file that is no image."""
    hint = "MedAssist reads DICOM, NIfTI, NRRD, MetaImage, MINC 2, Analyze and NumPy"
    return InputError("is not an image that can be read", where=path, hint=hint)


def _stated(path: Path, kind: Kind) -> Stated:
    if kind in (Kind.NIFTI, Kind.ANALYZE):
        return nifti_stated(path)
    if kind is Kind.NRRD:
        return nrrd_stated(path)
    if kind is Kind.META:
        return meta_stated(path)
    return Stated(findings=(_minc_finding(),))


def _modality(stored: str) -> str:
    """Return a DICOM modality if it is one: anything may be written in a file."""
    code = stored.strip().upper()
    return code if is_modality(code) else ""


def _filters(stored: str) -> tuple[str, ...]:
    """Return names of filters if that is what was written."""
    return tuple(stored.split()) if _FILTER_NAMES.fullmatch(stored) else ()


def _minc_finding() -> Finding:
    return Finding(
        rule="scan.minc-places",
        severity=Severity.REVIEW,
        title="Programs disagree on which way a MINC file lies; its own standard was followed.",
        explanation="Its axes go to the right and to the front. Programs made with ITK, 3D Slicer "
        "among them, take them for left and back, and show it turned by half about the long axis.",
    )


def _pixels(file: ImageFile, part: int | None) -> sitk.Image:
    """Read the voxels, of all volumes or of one along the fourth axis, in LPS."""
    image = _scalar(itk.voxels(file.path, file.kind, file.size, part))
    if file.stated.ras:
        image.SetOrigin([float(x) for x in _RAS_TO_LPS @ np.array(image.GetOrigin())])
        turned = _RAS_TO_LPS @ geometry.direction(image)
        image.SetDirection([float(x) for x in turned.ravel()])
    return image
