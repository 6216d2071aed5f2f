"""Image files: NIfTI, NRRD and MetaImage, through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from MedAssistLib.case import Finding, Scan
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.files import readable
from MedAssistLib.read.nifti import check_nifti, is_nifti

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
    image, findings = read_image(path)
    stated = image.GetMetaData(MODALITY_KEY) if image.HasMetaDataKey(MODALITY_KEY) else ""
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    kind = modality or stated
    return Scan(image=image, modality=kind, name=stem(path), source=path, findings=findings)


def read_image(path: Path) -> tuple[sitk.Image, tuple[Finding, ...]]:
    """Read an image with its metadata, refusing what ITK would read as something it is not.

    Returns:
        The image, and what was odd about the file.

    Raises:
        InputError: If it is missing, damaged, of an unknown format, or has no usable spacing.
        ResourceError: If it does not fit into memory.
    """
    if not path.is_file():
        raise InputError("does not exist", where=path, hint="Check the path")
    with readable(path) as stream:
        if not stream.read(1):
            raise InputError("is empty", where=path, hint="Copy or export it again")
    if not path.name.lower().endswith(_SUFFIXES):
        raise _unknown(path)
    findings = check_nifti(path) if is_nifti(path) else ()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image: sitk.Image = sitk.ReadImage(str(path))
    except (RuntimeError, MemoryError) as error:
        raise _explained(path, str(error)) from error
    if not all(0.0 < spacing < float("inf") for spacing in image.GetSpacing()):
        spacing = " × ".join(f"{s:g}" for s in image.GetSpacing())
        hint = "Correct its header or export it again"
        raise InputError(f"has an impossible voxel spacing ({spacing} mm)", where=path, hint=hint)
    return image, findings


def stem(path: Path) -> str:
    """Return a file's name without its image suffix, which may have two parts."""
    for suffix in _SUFFIXES:
        if path.name.lower().endswith(suffix) and len(path.name) > len(suffix):
            return path.name[: -len(suffix)]
    return path.stem or path.name


def _unknown(path: Path) -> InputError:
    hint = "MedAssist reads NIfTI, NRRD, MetaImage and DICOM"
    return InputError("is not an image that can be read", where=path, hint=hint)


def _explained(path: Path, message: str) -> InputError | ResourceError:
    """Say in plain words what ITK said in its own."""
    if "Failed to allocate memory" in message or "bad allocation" in message:
        hint = "Close other programs, or check that its header gives the right size"
        return ResourceError("does not fit into memory", where=path, hint=hint)
    if "Unable to determine ImageIO reader" in message:
        return _unknown(path)
    if "pacing" in message:
        hint = "Correct its header or export it again"
        return InputError("has an impossible voxel spacing", where=path, hint=hint)
    if "orthonormal" in message:
        hint = "Resample it to a grid with perpendicular axes"
        return InputError("has axes that are not perpendicular", where=path, hint=hint)
    return InputError("is damaged or cut off", where=path, hint="Copy or export it again")
