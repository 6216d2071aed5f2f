"""The verb *read*: a DICOM folder or an image file becomes a :class:`~MedAssistLib.case.Scan`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import is_dicom, read_series
from MedAssistLib.read.images import read_image_file
from MedAssistLib.read.labels import read_segmentation, region_of_mask
from MedAssistLib.read.values import checked_values

__all__ = ["ReadOptions", "read_scan", "read_segmentation", "region_of_mask"]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read.

    Attributes:
        series: Which series of a DICOM folder: its number in the list, or its UID.
        modality: DICOM modality for files that do not say, such as ``"MR"``.
    """

    series: str = ""
    modality: str = ""


def read_scan(
    path: str | os.PathLike[str],
    options: ReadOptions | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Read one volume.

    Args:
        path: An image file (NIfTI, NRRD, MetaImage), a DICOM file, or a folder with DICOM files.
        options: How to read.
        progress: Told how far it is.

    Raises:
        InputError: If there is nothing to read, if it is damaged, not a 3-D volume, has no usable
            geometry, or if every voxel is the same.
        CancelledError: If the user asked to stop.
    """
    source = Path(path)
    options = options or ReadOptions()
    progress = (progress or Progress()).part("Reading", 0.0, 1.0)
    if not str(path) or not _exists(source):
        raise InputError("does not exist", where=path, hint="Check the path")
    progress.update(0.0)
    if source.is_dir() or is_dicom(source):
        scan = read_series(source, options.series, progress)
    else:
        scan = read_image_file(source, options.modality)
    scan = checked_values(scan)
    progress.update(1.0)
    return scan


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # A name that is too long for the file system.
        return False
