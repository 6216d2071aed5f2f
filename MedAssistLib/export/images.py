"""Scans and label images as NIfTI, NRRD or MetaImage, through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.files import replacing
from MedAssistLib.read.images import ENHANCEMENT_KEY, MODALITY_KEY

_SQUARE = 1e-4


def write_scan(scan: Scan, path: Path) -> None:
    """Write a scan; NRRD and MetaImage also keep its modality and what it was enhanced with.

    Raises:
        ResourceError: If the file cannot be written whole; an earlier file is as it was.
    """
    image = sitk.Image(scan.image)
    if scan.modality:
        image.SetMetaData(MODALITY_KEY, scan.modality)
    if scan.enhancement:
        filters = (text.partition(":")[0] for text in scan.enhancement)
        image.SetMetaData(ENHANCEMENT_KEY, " ".join(filters))
    write_image(image, path)


def write_labels(segmentation: Segmentation, path: Path) -> None:
    """Write a label image; these formats have no place for the names of the structures.

    Raises:
        ResourceError: If the file cannot be written whole; an earlier file is as it was.
    """
    write_image(segmentation.labels, path)


def write_image(image: sitk.Image, path: Path) -> None:
    """Write an image in the format of the path's suffix, compressed, and read it back to compare.

    ITK's writers do not notice a full disk, so that only reading tells whether all is there.

    Raises:
        InputError: If the format cannot hold where its voxels lie.
        ResourceError: If the file cannot be written whole; an earlier file is as it was.
    """
    with replacing(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), useCompression=True)
            written = sitk.ReadImage(str(temporary))
        except RuntimeError as error:
            raise _not_whole(path) from error
        if _askew(image) and not geometry.same_grid(image, written):
            what = "has axes that are not at right angles, which this format cannot hold"
            raise InputError(what, where=path, hint="Write it as NRRD (.nrrd)")
        if not _same(image, written):
            raise _not_whole(path)


def _same(image: sitk.Image, written: sitk.Image) -> bool:
    return (
        geometry.same_grid(image, written)
        and image.GetPixelID() == written.GetPixelID()
        and (sitk.Hash(image) == sitk.Hash(written) or _same_numbers(image, written))
    )


def _same_numbers(image: sitk.Image, written: sitk.Image) -> bool:
    """Tell whether two images agree but for what is no number: ITK reads that as 0 from NIfTI."""
    ours, theirs = (sitk.GetArrayViewFromImage(one) for one in (image, written))
    if ours.dtype.kind != "f" or ours.shape != theirs.shape:
        return False
    finite = np.isfinite(ours)
    return not finite.all() and bool(np.array_equal(ours[finite], theirs[finite]))


def _askew(image: sitk.Image) -> bool:
    axes = geometry.direction(image)
    return bool(np.abs(axes.T @ axes - np.eye(3)).max() > _SQUARE)


def _not_whole(path: Path) -> ResourceError:
    hint = "Free some space or choose another disk; any earlier file is as it was"
    return ResourceError("cannot be written whole", where=path, hint=hint)
