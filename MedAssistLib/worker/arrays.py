"""Scans and label images as ``.npy`` files, which two processes can map into memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.files import replacing


def describe_scan(scan: Scan, path: Path) -> dict[str, Any]:
    """Write a scan's voxels to ``path`` and return the description that :func:`read_scan` reads.

    Nothing about the patient goes into it.

    Raises:
        ResourceError: If the file cannot be written.
    """
    write_array(sitk.GetArrayViewFromImage(scan.image), path)
    return {
        "array": str(path),
        "spacing": scan.image.GetSpacing(),
        "origin": scan.image.GetOrigin(),
        "direction": scan.image.GetDirection(),
        "modality": scan.modality,
        "name": scan.name,
    }


def read_scan(description: Mapping[str, Any]) -> Scan:
    """Return the scan of a description.

    Raises:
        InputError: If the file is missing or the description is not one of a volume.
    """
    try:
        path = description["array"]
        image = sitk.GetImageFromArray(np.load(path, mmap_mode="r", allow_pickle=False))
        image.SetSpacing(description["spacing"])
        image.SetOrigin(description["origin"])
        image.SetDirection(description["direction"])
    except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"the scan that was handed over cannot be read ({error})") from error
    return Scan(
        image=image,
        modality=str(description.get("modality", "")),
        name=str(description.get("name", "")) or "scan",
    )


def write_array(array: npt.NDArray[Any], path: Path) -> None:
    """Write an array as ``.npy``.

    Raises:
        ResourceError: If the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
