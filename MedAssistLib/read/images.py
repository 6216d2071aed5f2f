"""Image files: NIfTI, NRRD and MetaImage, through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.read.nifti import check_nifti, is_nifti
from MedAssistLib.read.values import gaps_finding

MODALITY_KEY = "modality"

_SUFFIXES = (".nii.gz", ".seg.nrrd", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


def read_image_file(path: Path, modality: str = "") -> Scan:
    """Read a volume from an image file.

    Args:
        path: The file.
        modality: DICOM modality, for files that do not say.

    Raises:
        InputError: If it is missing, damaged, of an unknown format, or not a 3-D scalar volume.
    """
    image, gaps = read_image(path)
    stated = image.GetMetaData(MODALITY_KEY) if image.HasMetaDataKey(MODALITY_KEY) else ""
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    findings = (gaps_finding(gaps, image.GetNumberOfPixels(), 0.0),) if gaps else ()
    kind = modality or stated
    return Scan(image=image, modality=kind, name=stem(path), source=path, findings=findings)


def read_image(path: Path) -> tuple[sitk.Image, int]:
    """Read an image with its metadata, refusing what ITK would read as something it is not.

    Returns:
        The image, and how many voxels ITK read as 0 because they were not finite.

    Raises:
        InputError: If it is missing, damaged, of an unknown format, or has no usable spacing.
        ResourceError: If it does not fit into memory.
    """
    if not path.is_file():
        raise InputError("does not exist", where=path, hint="Check the path")
    if path.stat().st_size == 0:
        raise InputError("is empty", where=path, hint="Copy or export it again")
    gaps = check_nifti(path) if is_nifti(path) else 0
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image: sitk.Image = sitk.ReadImage(str(path))
    except (RuntimeError, MemoryError) as error:
        raise _explained(path, str(error)) from error
    if not all(0.0 < spacing < float("inf") for spacing in image.GetSpacing()):
        spacing = " × ".join(f"{s:g}" for s in image.GetSpacing())
        hint = "Correct its header or export it again"
        raise InputError(f"has an impossible voxel spacing ({spacing} mm)", where=path, hint=hint)
    return image, gaps


def stem(path: Path) -> str:
    """Return a file's name without its image suffix, which may have two parts."""
    for suffix in _SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.stem or path.name


def _explained(path: Path, message: str) -> InputError | ResourceError:
    """Say in plain words what ITK said in its own."""
    if "Failed to allocate memory" in message or "bad allocation" in message:
        hint = "Close other programs, or check that its header gives the right size"
        return ResourceError("does not fit into memory", where=path, hint=hint)
    if "Unable to determine ImageIO reader" in message:
        hint = "MedAssist reads NIfTI, NRRD, MetaImage and DICOM"
        return InputError("is not an image that can be read", where=path, hint=hint)
    if "pacing" in message:
        hint = "Correct its header or export it again"
        return InputError("has an impossible voxel spacing", where=path, hint=hint)
    if "orthonormal" in message:
        hint = "Resample it to a grid with perpendicular axes"
        return InputError("has axes that are not perpendicular", where=path, hint=hint)
    return InputError("is damaged or cut off", where=path, hint="Copy or export it again")
